"""Children that die with their parent, and how often what keeps ending is started again."""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_PR_SET_PDEATHSIG = 1

SUPERVISED_VARIABLE = "SHOP_SUPERVISED"
"""Set for the children of our own supervisor, which writes down their starts and ends."""

WINDOW_SECONDS = 300.0
# The first restart is made at once; what ends again and again gets a growing pause, and is never given up.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0


@dataclass
class Restarts:
    """When a child that has ended is started again: by how often it ended in the last five minutes."""

    clock: Callable[[], float] = time.monotonic
    not_before: float | None = None
    """When the next start is due; ``None`` while the child is up."""
    _ends: deque[float] = field(default_factory=deque)

    @property
    def recent(self) -> int:
        """How often it ended in the last five minutes."""
        while self._ends and self._ends[0] < self.clock() - WINDOW_SECONDS:
            self._ends.popleft()
        return len(self._ends)

    def ended(self) -> float:
        """Note an end; return after how many seconds the next start is due."""
        self._ends.append(self.clock())
        before = self.recent - 1
        pause = min(_PAUSE_SECONDS * 2.0 ** (before - 1), _LONGEST_PAUSE_SECONDS) if before else 0.0
        self.not_before = self.clock() + pause
        return pause

    def due(self) -> bool:
        """Tell whether it is to be started now, and if so take that for done."""
        if self.not_before is None or self.clock() < self.not_before:
            return False
        self.not_before = None
        return True


def die_with_parent(sig: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that makes the kernel send ``sig`` when the parent is gone (Linux; else ``None``).

    Without it a ``kill -9`` of ``shop demo`` would leave a database, a broker and three web servers behind.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def preexec() -> None:
        # A background job of a non-interactive shell inherits an ignored SIGINT, and servers then ignore it too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        libc.prctl(_PR_SET_PDEATHSIG, sig)

    return preexec
