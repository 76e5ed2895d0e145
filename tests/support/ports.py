"""Ranges of ports that test processes do not share, below those that the kernel gives to outgoing connections."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

_FIRST, _SIZE, _RANGES = 10_000, 250, 85
_held: list[IO[str]] = []


def claim() -> str:
    """Return the first range that no other test process of this machine holds ("10000-10249"); held until this ends."""
    folder = Path(tempfile.gettempdir()) / f"shop-tests-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for number in range(_RANGES):
        lock = (folder / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        first = _FIRST + number * _SIZE
        return f"{first}-{first + _SIZE - 1}"
    raise RuntimeError(f"{_RANGES} test processes hold every range of ports")
