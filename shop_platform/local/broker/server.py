"""The TCP server: one thread a connection, requests of a connection answered in order, as Kafka does."""

import logging
import socket
import threading

from .context import BrokerContext
from .dispatch import answer
from .errors import StartError
from .wire import ProtocolError, receive_frame, send_response

_log = logging.getLogger(__name__)
_BACKLOG = 128
_SOCKET_BUFFER = 1024 * 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on `host:port` (port 0: any free one).

    Raises:
        StartError: the address cannot be used.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise StartError(
            f"cannot listen on {host}:{port}: {reason}; stop what uses it or choose another --port"
        ) from error
    return listener


class Server:
    """Accepts connections until `stop`; owns the listening socket."""

    def __init__(self, listener: socket.socket, broker: BrokerContext) -> None:
        self._listener = listener
        self._broker = broker
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def start(self) -> None:
        """Begin to accept, in a thread of its own."""
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError as error:
                if self._stopping:
                    return
                _log.error("no connection accepted: %s", error)
                threading.Event().wait(0.1)  # out of file descriptors: let some connections end
                continue
            with self._lock:
                if self._stopping:
                    connection.close()
                    return
                self._connections.add(connection)
            name = f"{peer[0]}:{peer[1]}"
            threading.Thread(target=self._serve, args=(connection, name), name=name, daemon=True).start()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
                self._answer_all(connection, peer.rpartition(":")[0])
        except ProtocolError as error:
            _log.warning("connection of %s closed: %s", peer, error)
        except (ConnectionError, TimeoutError) as error:
            _log.debug("connection of %s lost: %s", peer, error)
        except Exception:
            if not self._stopping:
                _log.exception("connection of %s closed after an unexpected error", peer)
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _answer_all(self, connection: socket.socket, client_host: str) -> None:
        local = connection.getsockname()[:2]
        while (frame := receive_frame(connection)) is not None:
            correlation_id, response = answer(self._broker, frame, client_host, local)
            del frame  # up to 100 MB that would stay while the next request is awaited
            if response is not None:
                send_response(connection, correlation_id, response)

    def stop(self) -> None:
        """Close the listener and every connection; what was acknowledged stays, the rest the client sends again."""
        with self._lock:
            self._stopping = True
            connections = list(self._connections)
        for opened in [self._listener, *connections]:
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("already closed: %s", opened)
        self._listener.close()
