"""A TCP proxy that can be broken: cut, refused, slowed, silent like a dropped route, or cut at an exact message."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
import time
from types import TracebackType
from typing import Self

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # Linux
_CHUNK = 16_384


class Proxy:
    """Listens on ``port`` of 127.0.0.1 and forwards to ``target`` there. A context manager.

    ``disguise``: the target's own port in what it answers becomes the proxy's, so that a Kafka client, which is told
    the broker's address by the broker, comes back through the proxy.
    """

    def __init__(self, target: int, *, disguise: bool = False) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._listener.getsockname()[1]
        self._swap = (_address(target), _address(self.port)) if disguise else None
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._refusing = False
        self._bytes_per_second: float | None = None
        self._trigger: tuple[bytes, bool] | None = None
        self._silent = False
        self.cuts = 0
        """How many connections were cut."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._refusing = True
        self._open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _reset(*pair)
        self.cuts += len(pairs)

    def refuse(self, refusing: bool = True) -> None:
        """Reset every connection, also each new one, until told otherwise."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def hold(self, holding: bool = True) -> None:
        """Take connections and bytes, forward none, until told otherwise: a server that hangs."""
        if holding:
            self._open.clear()
        else:
            self._open.set()

    def slow(self, bytes_per_second: float | None) -> None:
        """Let each direction of a connection pass so much."""
        self._bytes_per_second = bytes_per_second

    def silence(self, silent: bool = True) -> None:
        """Drop every packet that arrives, also those of new connections: a route that is gone.

        The kernel does not even acknowledge them, which a proxy that merely stops reading would.
        """
        self.hold(silent)
        with self._lock:
            self._silent = silent
            ends = [self._listener, *(end for pair in self._pairs for end in pair)]
            for end in ends:
                _drop_everything(end, silent)

    def cut_at(self, needle: bytes, *, deliver: bool) -> None:
        """Once, when a client's message holds ``needle``: cut its connection, after or before it is delivered."""
        self._trigger = (needle, deliver)

    @property
    def sprung(self) -> bool:
        """Whether the last :meth:`cut_at` has happened."""
        return self._trigger is None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add(pair)
                if self._silent:
                    for end in pair:
                        _drop_everything(end, True)
            for source, sink, inbound in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(pair, source, sink, inbound), daemon=True).start()

    def _pump(
        self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket, inbound: bool
    ) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if inbound and self._springs(data, pair, sink):
                    return
                if self._swap is not None and not inbound:
                    data, rest = _swapped(rest + data, *self._swap)
                self._open.wait()
                if (rate := self._bytes_per_second) is not None:
                    time.sleep(len(data) / rate)
                sink.sendall(data)
            sink.sendall(rest)
        self._end(pair)

    def _springs(self, data: bytes, pair: tuple[socket.socket, socket.socket], server: socket.socket) -> bool:
        with self._lock:
            if self._trigger is None or self._trigger[0] not in data:
                return False
            (_, deliver), self._trigger = self._trigger, None
        client = pair[0]
        with self._lock:
            self._pairs.discard(pair)
        _reset(client)  # before the server can answer
        if deliver:
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        else:
            _reset(server)
        self.cuts += 1
        return True

    def _end(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if pair not in self._pairs:
                return
            self._pairs.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _address(port: int) -> bytes:
    """Return host and port as they stand in Kafka's answers."""
    return b"127.0.0.1" + struct.pack(">i", port)


def _swapped(data: bytes, old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Return ``data`` with the one for the other, and the tail that may be the beginning of another ``old``."""
    data = data.replace(old, new)
    for length in range(min(len(old) - 1, len(data)), 0, -1):
        if data.endswith(old[:length]):
            return data[:-length], data[-length:]
    return data, b""


def _reset(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Wakes the thread that waits in recv; close alone would not.
            end.shutdown(socket.SHUT_RD)
        end.close()


def _drop_everything(end: socket.socket, drop: bool) -> None:
    with contextlib.suppress(OSError):
        if drop:
            program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes
            filters = struct.pack("HP", 1, ctypes.addressof(program))
            end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filters)
        else:
            end.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
