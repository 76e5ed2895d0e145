"""Ctrl-C and SIGTERM as an event that a loop looks at, and a limit to how long the end may take."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import structlog

log = structlog.get_logger(__name__)

END_SECONDS = 30.0
"""How long a service may take to end that keeps nothing which Kafka and the warehouse do not keep."""

_ENDING = (signal.SIGINT, signal.SIGTERM)
# Where no thread comes to run any more, the kernel ends the process.
_KERNEL_SECONDS = 5


@contextlib.contextmanager
def stop_on_signals(end_within_seconds: float | None = None) -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set, so that a loop can end between two transactions.

    With ``end_within_seconds`` the process ends with code 1 if it still goes on so long after the first signal: a
    client may wait for ever for a server that is gone. Only for what may be killed at any moment. Main thread only.
    """
    stop = threading.Event()
    previous = {each: signal.signal(each, lambda *_: stop.set()) for each in _ENDING}
    try:
        with _limited(end_within_seconds) if end_within_seconds else contextlib.nullcontext():
            yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Watch for the signals beside the main thread, whose own handlers wait until it returns from C."""
    heard, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    threading.Thread(target=_end_after, args=(heard, seconds), name="end-limit", daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(tell)


def _end_after(heard: int, seconds: float) -> None:
    while (told := os.read(heard, 1)) and told[0] not in _ENDING:
        pass
    if not told:
        return
    signal.alarm(int(seconds) + _KERNEL_SECONDS)
    time.sleep(seconds)
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "the end of the interpreter"
    log.warning("end_takes_too_long", seconds=seconds, at=where)
    os._exit(1)
