"""A short memory of query results that forgets everything when the data version changes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class VersionedCache:
    """Results by key for one data version, computed once however many threads ask at the same time.

    ``read_version`` is asked at most every ``recheck_seconds``; the oldest of more than ``size`` entries go first.
    """

    def __init__(self, read_version: Callable[[], str], *, recheck_seconds: float = 1.0, size: int = 128) -> None:
        self._read_version = read_version
        self._recheck_seconds = recheck_seconds
        self._size = size
        self._lock = threading.Lock()
        self._version_lock = threading.Lock()
        self._version: str | None = None
        self._version_until = 0.0
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()

    def version(self) -> str:
        """Return the data version; raises what ``read_version`` raises."""
        with self._version_lock:
            if self._version is None or time.monotonic() >= self._version_until:
                try:
                    found = self._read_version()
                except Exception:
                    # Whoever asks during an outage must hear of it, not get yesterday's answer as today's.
                    self._version_until = 0.0
                    raise
                if found != self._version:
                    with self._lock:
                        self._entries.clear()
                self._version = found
                self._version_until = time.monotonic() + self._recheck_seconds
            return self._version

    def get(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result under ``key`` for the present version; what ``compute`` raises is not remembered."""
        whole_key = (self.version(), key)
        with self._lock:
            entry = self._entries.setdefault(whole_key, _Entry())
            self._entries.move_to_end(whole_key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
        value: T = entry.get(compute)
        return value


class _Entry:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done = False
        self._value: Any = None

    def get(self, compute: Callable[[], Any]) -> Any:
        with self._lock:
            if not self._done:
                self._value = compute()
                self._done = True
            return self._value
