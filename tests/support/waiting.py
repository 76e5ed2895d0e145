"""Wait for a condition instead of for a time. A busy machine is slow, not wrong: only the test has a limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from shop_platform.local.processes import Service

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


def eventually(condition: Callable[[], object]) -> None:
    """Return soon after ``condition`` has become true; pytest-timeout ends a test in which it never does.

    It is asked less and less often: what takes minutes is a server that has something better to do than to answer.
    """
    pause = _FIRST_PAUSE
    while not condition():
        time.sleep(pause)
        pause = min(pause * 1.2, _LONGEST_PAUSE)


def without_limits(services: Iterable[Service]) -> list[Service]:
    """Return the services as they are, but waited for until they are ready or dead."""
    return [replace(service, still_seconds=math.inf) for service in services]
