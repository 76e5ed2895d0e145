"""A measurement that is ended by Ctrl-C or SIGTERM takes everything with it that it has started."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import psutil

_ENDING = (signal.SIGINT, signal.SIGTERM)
_LEAVE_SECONDS = 15


@contextlib.contextmanager
def everything_ends_with_it() -> Iterator[None]:
    """Turn the first signal into :class:`KeyboardInterrupt`, so that every block that ends a server does so.

    Further ones are ignored: a second Ctrl-C must not leave half of them behind. What is then still a child of this
    process, or a child's child, is ended too.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    # SIGINT too: a background job of a non-interactive shell inherits it ignored.
    before = {each: signal.signal(each, interrupt) for each in _ENDING}
    try:
        yield
    finally:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        _end_the_rest()
        for each, handler in before.items():
            signal.signal(each, handler)


def _end_the_rest() -> None:
    left = psutil.Process().children(recursive=True)
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with contextlib.suppress(psutil.Error):
                end(process)
        _, left = psutil.wait_procs(left, timeout=_LEAVE_SECONDS)
