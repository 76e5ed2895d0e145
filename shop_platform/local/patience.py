"""How long something that starts is waited for: as long as it works, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import psutil

STILL_SECONDS = 300.0
"""How long what starts may do nothing. A process that is merely starved gets its second of processor time in that."""
MOST_SECONDS = 3600.0
"""How long it may take altogether: something that asks again and again for what never comes is not still either."""


@dataclass
class Patience:
    """Waits on while ``progress`` gives something new; ``still_seconds`` counts from its last change."""

    progress: Callable[[], Hashable]
    still_seconds: float = STILL_SECONDS
    most_seconds: float = MOST_SECONDS
    clock: Callable[[], float] = time.monotonic
    _seen: Hashable = None
    _since: float = field(init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self._since = self.clock()

    def spent(self) -> str | None:
        """Look at the progress; return for how long it was waited in vain, in words, once that is enough."""
        now, seen = self.clock(), self.progress()
        if seen != self._seen:
            self._seen, self._since = seen, now
        if now - self._since > self.still_seconds:
            return f"it did nothing for {now - self._since:.0f} s"
        if now - self._began > self.most_seconds:
            return f"it was at work for {now - self._began:.0f} s"
        return None


def process_tree(pid: int) -> list[psutil.Process]:
    """Return ``pid`` and its descendants; nothing when it has ended."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def work_of(pid: int) -> Callable[[], Hashable]:
    """Return a progress: the whole seconds of processor time that a process and its descendants have used."""

    def seconds() -> int:
        total = 0.0
        for member in process_tree(pid):
            try:
                times = member.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system
        return int(total)

    return seconds
