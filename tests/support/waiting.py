"""Wait for a condition instead of for a time; a wait that ends without it says what was waited for."""

from __future__ import annotations

import inspect
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from shop_platform.local.processes import Service

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
STILL_SECONDS = 600.0


class WaitedInVainError(AssertionError):
    """A condition did not become true, whatever ended the wait."""


def eventually(
    condition: Callable[[], object], what: str | None = None, *, still_seconds: float = STILL_SECONDS
) -> None:
    """Return soon after ``condition`` has become true.

    It is asked less and less often: what takes minutes is a server that has something better to do than to answer.
    Raises :class:`WaitedInVainError` with ``what`` (else the condition's source) and what it returned last, when that
    has been the same for ``still_seconds``, or when pytest-timeout ends the test meanwhile. A busy machine is slow,
    not wrong: while more than two processes want each core, seconds count less.
    """
    began = time.monotonic()
    pause, still, value = _FIRST_PAUSE, 0.0, condition()
    try:
        while not value:
            if still >= still_seconds:
                raise WaitedInVainError(_told(condition, what, began, value))
            before = time.monotonic()
            time.sleep(pause)
            pause = min(pause * 1.2, _LONGEST_PAUSE)
            last, value = value, condition()
            still = 0.0 if value != last else still + (time.monotonic() - before) * _share()
    except pytest.fail.Exception as error:
        if "Timeout" not in str(error):
            raise
        raise WaitedInVainError(f"{_told(condition, what, began, value)} ({error})") from None


def _share() -> float:
    """Return what part of a second counts."""
    return min(1.0, 2 * (os.cpu_count() or 1) / max(os.getloadavg()[0], 1.0))


def _told(condition: Callable[[], object], what: str | None, began: float, value: object) -> str:
    if what is None:
        try:
            what = " ".join(inspect.getsource(condition).split())
        except (OSError, TypeError):
            what = repr(condition)
    waited = f"waited {time.monotonic() - began:.0f} s in vain for: {what[:500]}"
    return f"{waited}\nwhich returned {value!r:.500} at the end"


def without_limits(services: Iterable[Service]) -> list[Service]:
    """Return the services as they are, but waited for until they are ready or dead."""
    return [replace(service, still_seconds=math.inf) for service in services]
