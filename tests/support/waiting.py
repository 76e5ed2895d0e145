"""Wait for a condition instead of for a time. A busy machine is slow, not wrong: only the test has a limit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from shop_platform.local.processes import Service


def eventually(condition: Callable[[], object]) -> None:
    """Return as soon as ``condition`` is true; pytest-timeout ends a test in which it never is."""
    while not condition():
        time.sleep(0.1)


def without_limits(services: Iterable[Service]) -> list[Service]:
    """Return the services as they are, but waited for until they are ready or dead."""
    return [replace(service, ready_within_seconds=math.inf) for service in services]
