"""The windows that live mode has begun since its last snapshot: enough to repeat them to the byte after a crash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from shop_platform.generator.message import Message
from shop_platform.generator.parameters import LIVE_PACE, REAL_PACE, FaultRates, Pace
from shop_platform.generator.stream import Line

_PACES: dict[str, Pace] = {"real": REAL_PACE, "live": LIVE_PACE}


@dataclass(frozen=True)
class Window:
    """A step of the shop: from its clock (``start``) to ``end`` (epoch ms). ``pace``: "real" or "live"."""

    start: int
    end: int
    visits_per_day: float
    pace: str
    faults: FaultRates

    def live_through(self, line: Line) -> list[Message]:
        """Let the shop live this window and return its messages in send order."""
        return line.window(self.end, _PACES[self.pace], self.visits_per_day, self.faults)


class Journal:
    """An append-only file of windows. A window is written before the first of its messages is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def since(self, clock: int) -> list[Window]:
        """Return the windows from ``clock`` on; a half-written last line was never begun."""
        if not self._path.exists():
            return []
        complete = self._path.read_bytes().rpartition(b"\n")[0]
        windows = [_window(json.loads(line)) for line in complete.splitlines() if line]
        return [window for window in windows if window.start >= clock]

    def write(self, window: Window) -> None:
        """Hand the window to the operating system: from now on the process may die."""
        if self._file is None:
            self._file = self._path.open("ab", buffering=0)
        self._file.write((json.dumps(asdict(window)) + "\n").encode())

    def clear(self) -> None:
        """Forget everything: a snapshot holds it now."""
        self.close()
        self._path.write_bytes(b"")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _window(document: dict[str, Any]) -> Window:
    return Window(**document | {"faults": FaultRates(**document["faults"])})
