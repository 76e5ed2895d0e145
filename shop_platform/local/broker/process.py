"""Start the embedded broker as a child process and wait until it is ready."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_SECONDS = 5.0
_TAIL_BYTES = 4000


class BrokerStartError(RuntimeError):
    """The broker process ended or stayed silent; the message carries the end of its log."""


class BrokerProcess:
    """A running broker; a context manager that stops it. `popen` is the process itself."""

    def __init__(self, popen: "subprocess.Popen[bytes]", host: str, port: int, log_path: Path) -> None:
        self.popen = popen
        self.host = host
        self.port = port
        self.log_path = log_path

    @property
    def pid(self) -> int:
        """Process id."""
        return self.popen.pid

    @property
    def bootstrap(self) -> str:
        """`host:port`, for `bootstrap.servers`."""
        return f"{self.host}:{self.port}"

    def stop(self) -> int:
        """Stop it cleanly (SIGTERM, SIGKILL after five seconds) and return its exit code; safe to call twice."""
        self.popen.terminate()
        try:
            self.popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
        return self._reap()

    def kill(self) -> None:
        """SIGKILL it, as a crash would."""
        self.popen.kill()
        self._reap()

    def _reap(self) -> int:
        code = self.popen.wait()
        if self.popen.stdin is not None:
            self.popen.stdin.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start_broker_process(
    data_dir: Path,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    log_path: Path | None = None,
    log_level: str = "info",
    timeout: float = 1800.0,
    stop_with_parent: bool = True,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
) -> BrokerProcess:
    """Start a broker on `data_dir` and return it once it accepts connections.

    Args:
        data_dir: folder of the log; created if missing, kept afterwards.
        port: TCP port, 0 for a free one (read it from the result).
        host: address to listen on.
        log_path: where its log is appended; default `<data_dir>/broker.log`.
        log_level: debug, info, warning or error.
        timeout: seconds to wait until it says that it is ready; one that ends is an error at once.
        stop_with_parent: end the broker when this process ends, however it ends; False for one that stays.
        environment: its environment; default this process's.
        arguments: further command line arguments.

    Raises:
        BrokerStartError: it did not become ready; says why.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log_path = log_path or data_dir / "broker.log"
    command = [sys.executable, "-m", "shop_platform.local.broker", "--data", str(data_dir), "--port", str(port)]
    command += ["--host", host, "--log-level", log_level, *arguments]
    if stop_with_parent:
        command.append("--stop-with-stdin")
    with log_path.open("ab") as log:
        log_starts = log.tell()
        popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stop_with_parent else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=None if environment is None else dict(environment),
            start_new_session=not stop_with_parent,
        )
    line = _first_line(popen, timeout)
    try:
        ready = json.loads(line)
    except ValueError:
        code = popen.poll()
        state = (
            f"ended with exit code {code}" if code is not None else f"did not say within {timeout:g} s that it is ready"
        )
        popen.kill()
        popen.wait()
        for pipe in (popen.stdin, popen.stdout):
            if pipe is not None:
                pipe.close()
        with log_path.open("rb") as log:
            log.seek(log_starts)
            tail = log.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
        raise BrokerStartError(f"the broker on {data_dir} {state}\n{tail}") from None
    assert popen.stdout is not None
    popen.stdout.close()
    return BrokerProcess(popen, host, ready["port"], log_path)


def _first_line(popen: "subprocess.Popen[bytes]", timeout: float) -> bytes:
    """The first line on standard output; what there is of it when the process ends or the time is over."""
    assert popen.stdout is not None
    fd, deadline, line = popen.stdout.fileno(), time.monotonic() + timeout, b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(fd, 4096) if readable else b""
        if not chunk:
            if readable:
                popen.wait(_STOP_SECONDS)
            break
        line += chunk
    return line
