"""A peer's process: start it in a session of its own, hear when it begins to read, count its processor time, end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.peers.figures import started_at
from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError
from shop_platform.local.patience import Patience, work_of

_STOP_SECONDS = 15
_TAIL_LINES = 6
# A peer must not see the platform's settings, nor the interpreter that runs the measurement.
_LEAKS = ("SHOP_", "PYTHON", "VIRTUAL_ENV", "DLT_", "QUIX", "Quix__", "KAFKA_", "CLASSPATH")


class PeerFailedError(ShopError):
    """A peer ended or stopped working before it was through; the message carries the end of its log."""


@dataclass
class Running:
    """A peer at work. ``failure`` tells why it works no more although its process lives, or nothing."""

    process: subprocess.Popen[bytes]
    log: Path
    started_at: float
    cpu_before: float
    failure: Callable[[], str | None] = lambda: None

    def cpu_seconds(self) -> float | None:
        """Return the processor time since it began to read, or nothing once the process is gone."""
        spent = cpu_seconds(self.process.pid)
        return None if spent is None else spent - self.cpu_before

    def tail(self) -> str:
        """Return the end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-_TAIL_LINES:])


def cpu_seconds(pid: int) -> float | None:
    """Return the processor time of a process and its descendants, or nothing when it is gone."""
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
        times = [member.cpu_times() for member in members]
    except psutil.Error:
        return None
    return float(sum(t.user + t.system + t.children_user + t.children_system for t in times))


@contextlib.contextmanager
def peer_process(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start ``command`` with its output in ``folder``; whatever happens, its whole session has ended afterwards."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_LEAKS)}
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(
            list(command),
            cwd=folder,
            env=environment | {"HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
        )
    try:
        yield process
    finally:
        _end(process)


@contextlib.contextmanager
def python_peer(python: Path, program: Path, order: Mapping[str, Any], folder: Path) -> Iterator[Running]:
    """Run one of the peers' programs with ``order`` on its stdin; it is reading once this gives the process.

    Raises :class:`PeerFailedError` when it ends, or says nothing, before it reads.
    """
    with peer_process([str(python), str(program)], folder) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        running = Running(process, folder / "stderr", 0.0, 0.0)
        patience = Patience(work_of(process.pid))
        while (began := started_at((folder / "stdout").read_text(errors="replace"))) is None:
            if process.poll() is not None or patience.spent():
                raise PeerFailedError(f"{program.stem} did not begin to read (exit {process.poll()})\n{running.tail()}")
            time.sleep(0.02)
        running.started_at, running.cpu_before = began, cpu_seconds(process.pid) or 0.0
        yield running


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close stdin and ask; then SIGTERM and SIGKILL for the session."""
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
    process.wait()
