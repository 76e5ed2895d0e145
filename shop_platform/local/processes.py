"""Start child processes, keep their logs, restart what dies, end all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError

_TAIL_LINES = 8
_RESTART_PAUSE_SECONDS = 2.0
_MOST_RESTARTS = 5


@dataclass(frozen=True)
class Service:
    """A long-running child: how to start it and how to tell that it is ready."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    ready_within_seconds: float = 90
    stop_within_seconds: float = 15
    url: str | None = None


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    restarts: int = 0
    not_before: float = 0.0


class Supervisor:
    """Children in the order they were started; ended in the reverse order. Use from the main thread only.

    The kernel ends a child when the thread that started it ends, so that a killed supervisor leaves nothing behind.
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._children: dict[str, _Child] = {}

    def start(self, service: Service) -> None:
        """Start ``service`` without waiting for it."""
        self._children[service.name] = _Child(service, self._spawn(service))

    def wait_ready(self, name: str) -> None:
        """Wait until the service answers; raise :class:`ShopError` with the end of its log when it does not."""
        child = self._children[name]
        deadline = time.monotonic() + child.service.ready_within_seconds
        while not child.service.ready():
            if child.process.poll() is not None:
                raise ShopError(
                    f"'{name}' ended with code {child.process.returncode} while starting:\n{self.tail(name)}",
                    f"Its log: {self.log_path(name)}",
                    exit_code=1,
                )
            if time.monotonic() > deadline:
                raise ShopError(
                    f"'{name}' was not ready after {child.service.ready_within_seconds:.0f} s:\n{self.tail(name)}",
                    f"Its log: {self.log_path(name)}",
                    exit_code=1,
                )
            time.sleep(0.15)

    def tend(self) -> list[str]:
        """Start again what has died; return what happened, as sentences. Raises after five restarts of one child."""
        happened = []
        for name, child in self._children.items():
            code = child.process.poll()
            if code is None or time.monotonic() < child.not_before:
                continue
            if child.restarts >= _MOST_RESTARTS:
                raise ShopError(
                    f"'{name}' died {_MOST_RESTARTS + 1} times, last with code {code}:\n{self.tail(name)}",
                    f"Its log: {self.log_path(name)}",
                    exit_code=1,
                )
            child.restarts += 1
            child.not_before = time.monotonic() + _RESTART_PAUSE_SECONDS * child.restarts
            child.process = self._spawn(child.service)
            happened.append(f"{name} ended with code {code} and was started again")
        return happened

    def stop_all(self) -> None:
        """End every child, the youngest first, and whatever they started."""
        children = list(self._children.values())
        self._children.clear()
        _end(children[::-1])

    def memory(self) -> dict[str, int]:
        """Return the resident bytes (proportional where the system tells) of each child with its descendants."""
        return {name: tree_memory(child.process.pid) for name, child in self._children.items()}

    def log_path(self, name: str) -> Path:
        """Return where a child's output goes."""
        return self._log_dir / f"{name}.log"

    def tail(self, name: str) -> str:
        """Return the last lines of a child's log, indented."""
        path = self.log_path(name)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-_TAIL_LINES:])

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        with self.log_path(service.name).open("ab") as log:
            return subprocess.Popen(
                list(service.argv),
                env=os.environ | dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
            )


def tree_memory(pid: int) -> int:
    """Return the memory in bytes of ``pid`` and its descendants: PSS on Linux (shared pages once), else RSS."""
    total = 0
    try:
        root = psutil.Process(pid)
        members = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for member in members:
        try:
            full = member.memory_full_info()
            total += getattr(full, "pss", 0) or full.rss
        except psutil.Error:
            try:
                total += member.memory_info().rss
            except psutil.Error:
                continue
    return total


def _end(children: list[_Child]) -> None:
    """SIGTERM each with its descendants, wait, SIGKILL what is left (code servers fork grandchildren)."""
    families: list[psutil.Process] = []
    for child in children:
        with contextlib.suppress(psutil.Error):
            families += psutil.Process(child.process.pid).children(recursive=True)
        if child.process.poll() is None:
            child.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    for child in children:
        try:
            child.process.wait(max(began + child.service.stop_within_seconds - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
    for leftover in families:
        with contextlib.suppress(psutil.Error):
            leftover.terminate()
    _, alive = psutil.wait_procs(families, timeout=3)
    for leftover in alive:
        with contextlib.suppress(psutil.Error):
            leftover.kill()
