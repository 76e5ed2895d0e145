"""A reader that kills or stops itself at an exact point of the landing transaction; a process of its own.

`python -m tests.chaos.victim POINT N SIGNAL`: reads every partition to its end; at the N-th pass of POINT it sends
itself SIGNAL. Ends with 0 when it came to the end.
"""

from __future__ import annotations

import functools
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg

from shop_platform.ingest import land, reader, write
from shop_platform.settings import get_settings
from tests.chaos.processes import read_everything

Function = Callable[..., Any]


class Trap:
    """Counts the passes of a point and springs at one of them."""

    def __init__(self, at: int, number: signal.Signals) -> None:
        self._left = at
        self._signal = number

    def is_next(self) -> bool:
        """Count one pass; tell whether it is the one."""
        self._left -= 1
        return self._left == 0

    def spring(self) -> None:
        """Kill or stop this process, here: a signal to the process alone could let this thread run on for a while."""
        signal.pthread_kill(threading.get_ident(), self._signal)

    def before(self, function: Function, *, when: Callable[..., bool] = lambda *_, **__: True) -> Function:
        """Return ``function`` with the point before it."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if when(*args, **kwargs) and self.is_next():
                self.spring()
            return function(*args, **kwargs)

        return wrapped

    def after(self, function: Function) -> Function:
        """Return ``function`` with the point behind it."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if self.is_next():
                self.spring()
            return result

        return wrapped

    def in_the_middle(self, write_bytes: Function) -> Function:
        """Return ``Copy.write`` with the point between the two halves of what it sends."""

        @functools.wraps(write_bytes)
        def wrapped(copy: Any, data: bytes) -> Any:
            if not self.is_next():
                return write_bytes(copy, data)
            middle = len(data) // 2
            write_bytes(copy, data[:middle])  # psycopg returns when libpq has handed all of it to the kernel
            self.spring()
            return write_bytes(copy, data[middle:])

        return wrapped


def _any_messages(messages: Any, *_: Any, **__: Any) -> bool:
    return bool(messages)


def _mid_stage(trap: Trap) -> None:
    """In the middle of a COPY, but only one of the careful path."""
    plain, stage = psycopg.Copy.write, trap.in_the_middle(psycopg.Copy.write)
    through_stage = land._land_through_stage

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        psycopg.Copy.write = stage
        try:
            return through_stage(*args, **kwargs)
        finally:
            psycopg.Copy.write = plain

    land._land_through_stage = wrapped


def set_trap(point: str, trap: Trap) -> None:
    """Wrap the function that ``point`` belongs to."""
    match point:
        case "after_poll":
            reader.sort_messages = trap.before(reader.sort_messages, when=_any_messages)
        case "after_fence":
            write.lock_positions = trap.after(write.lock_positions)
        case "mid_copy":
            psycopg.Copy.write = trap.in_the_middle(psycopg.Copy.write)
        case "after_copy":
            write.land = trap.after(write.land)
        case "mid_careful_copy":
            _mid_stage(trap)
        case "after_careful_landing":
            write.land_carefully = trap.after(write.land_carefully)
        case "after_burial":
            write.bury = trap.after(write.bury)
        case "before_commit":
            write.move_on = trap.after(write.move_on)
        case "after_commit":
            reader.PartitionReader._after_commit = trap.before(reader.PartitionReader._after_commit)
        case "never":
            pass
        case _:
            raise SystemExit(f"there is no point '{point}'")


POINTS = (
    "after_poll", "after_fence", "mid_copy", "after_copy", "mid_careful_copy", "after_careful_landing", "after_burial",
    "before_commit", "after_commit",
)  # fmt: skip


def main(point: str, at: str, number: str) -> None:
    """Read to the end, or to the trap."""
    set_trap(point, Trap(int(at), signal.Signals[number]))
    read_everything(get_settings())


if __name__ == "__main__":
    main(*sys.argv[1:])
