"""Start child processes, keep their logs, restart what dies, end all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shop_platform.children import SUPERVISED_VARIABLE, Restarts, die_with_parent
from shop_platform.errors import ShopError
from shop_platform.local.patience import STILL_SECONDS, Patience, process_tree, work_of
from shop_platform.warehouse.service_events import ENDED, FROZEN, STARTED, ServiceEvent

_TAIL_LINES = 8
FROZEN_SECONDS = 30.0


@dataclass(frozen=True)
class Service:
    """A long-running child: how to start it and how to tell that it is ready.

    ``port``: the loopback port that it listens on, if it does. It is ready once this very process, or one that it
    started, listens there, and no other program may. ``heard`` gives the processes that have shown a sign of life: this
    one has to be among them. ``waits_for`` says in words what is waited for, in vain when the process did nothing for
    ``still_seconds``. ``folder`` is where it is started; ``None``: where its supervisor was.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    heard: Callable[[], Collection[int]] | None = None
    waits_for: str = "its start"
    still_seconds: float = STILL_SECONDS
    stop_within_seconds: float = 15
    url: str | None = None
    port: int | None = None
    folder: Path | None = None


@dataclass
class Frozen:
    """Since when a process is stopped (SIGSTOP): it neither works nor ends, and may hold locks."""

    since: float | None = None

    def lasts(self, pid: int) -> bool:
        """Look at the process; return whether it has been stopped for :data:`FROZEN_SECONDS`."""
        try:
            stopped = psutil.Process(pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            stopped = False
        if not stopped:
            self.since = None
        elif self.since is None:
            self.since = time.monotonic()
        return self.since is not None and time.monotonic() - self.since >= FROZEN_SECONDS


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    restarts: Restarts = field(default_factory=Restarts)
    frozen: Frozen = field(default_factory=Frozen)


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
        """Wait until the service answers; raise :class:`ShopError` with the end of its log when it does not.

        What answers is this child or one of its children: a service of another stack that came first to its port is
        an error, whatever it answers. A child that ends is an error at once.
        """
        child = self._children[name]
        patience = Patience(work_of(child.process.pid), child.service.still_seconds)
        while not (child.service.ready() and self._answers_itself(child)):
            if child.process.poll() is not None:
                raise ShopError(
                    f"'{name}' ended with code {child.process.returncode} while starting:\n{self.tail(name)}",
                    f"Its log: {self.log_path(name)}",
                    exit_code=1,
                )
            if in_vain := patience.spent():
                raise ShopError(
                    f"'{name}' was not ready: waiting for {child.service.waits_for}, {in_vain}:\n{self.tail(name)}",
                    f"Its log: {self.log_path(name)}",
                    exit_code=1,
                )
            time.sleep(0.15)

    def tend(self) -> list[ServiceEvent]:
        """Start again what has died, with growing pauses, and end what is frozen; return what happened."""
        happened = []
        for name, child in self._children.items():
            code = child.process.poll()
            if code is None:
                if child.frozen.lasts(child.process.pid):
                    child.process.kill()
                    said = f"{name} was stopped for {FROZEN_SECONDS:.0f} s (SIGSTOP) and is killed"
                    happened.append(ServiceEvent(name, FROZEN, said))
                continue
            child.frozen = Frozen()
            if child.restarts.not_before is None:
                # What it leaves behind (a worker that is frozen as well) would keep its port. Once: the number of a
                # group that is gone may be another's later.
                _end_group(child.process.pid)
                pause = child.restarts.ended()
                happened.append(ServiceEvent(name, ENDED, self._ended(name, child, code, pause)))
            if child.restarts.due():
                child.process = self._spawn(child.service)
                happened.append(ServiceEvent(name, STARTED))
        return happened

    def _ended(self, name: str, child: _Child, code: int, pause: float) -> str:
        if not pause:
            return f"{name} ended with code {code} and was started again"
        return (
            f"{name} ended with code {code}, {child.restarts.recent} times in 5 minutes; it starts again in"
            f" {pause:.0f} s. Its log: {self.log_path(name)}"
        )

    def _answers_itself(self, child: _Child) -> bool:
        """Tell whether it is the child that answers; raise :class:`ShopError` when another listens on its port."""
        own = tree(child.process.pid)
        if child.service.heard is not None and own.isdisjoint(child.service.heard()):
            return False
        if child.service.port is None:
            return True
        found = listeners(child.service.port)
        if strangers := found - own:
            raise ShopError(
                f"Port {child.service.port} of '{child.service.name}' is also held by process {min(strangers)}, which"
                " is not of this stack",
                "End that program, or start again: ports that are taken are passed over.",
                exit_code=1,
            )
        # Somebody answered. Where other users' processes cannot be seen, it need not be this child.
        return bool(found) or not sys.platform.startswith("linux")

    def down(self) -> list[str]:
        """Return the names of the children that are not running, those that wait for their next start among them."""
        return [name for name, child in self._children.items() if child.process.poll() is not None]

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
                cwd=service.folder,
                env=os.environ | dict(service.environment) | {SUPERVISED_VARIABLE: "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - only prctl and signal are called
            )


def tree(pid: int) -> set[int]:
    """Return ``pid`` and its descendants."""
    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.Error:
        return {pid}


def listeners(port: int) -> set[int]:
    """Return the processes that listen on the TCP ``port``, as far as this user may see them."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:  # macOS lets only root ask about others
        return set()
    return {
        each.pid
        for each in connections
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid
    }


def _end_group(leader: int) -> None:
    """SIGKILL what is left of the session of a child that has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def tree_memory(pid: int) -> int:
    """Return the memory in bytes of ``pid`` and its descendants: PSS on Linux (shared pages once), else RSS."""
    total = 0
    for member in process_tree(pid):
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
        _end_group(child.process.pid)
    for leftover in families:
        with contextlib.suppress(psutil.Error):
            leftover.terminate()
    _, alive = psutil.wait_procs(families, timeout=3)
    for leftover in alive:
        with contextlib.suppress(psutil.Error):
            leftover.kill()
