"""Since when the oldest unread message of each partition waits, looked up beside the reading."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Mapping

import structlog

from shop_platform.ingest.batch import Place
from shop_platform.ingest.lag import measure_behind_since
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 10.0
_TIMEOUT_SECONDS = 3.0


class BehindWatch:
    """Asks Kafka every ten seconds, in a thread of its own and only while something waits; never raises."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next = 0.0
        self._thread: threading.Thread | None = None
        self._since: dict[Place, dt.datetime] = {}

    def since(self, waiting: Mapping[Place, int]) -> dict[Place, dt.datetime]:
        """Return what is known of the partitions in ``waiting`` (their next offsets); ask for more if it is time."""
        now = time.monotonic()
        if waiting and now >= self._next and (self._thread is None or not self._thread.is_alive()):
            self._next = now + _EVERY_SECONDS
            self._thread = threading.Thread(target=self._look, args=(dict(waiting),), name="ingest-behind", daemon=True)
            self._thread.start()
        return {place: time for place, time in self._since.items() if place in waiting}

    def _look(self, waiting: dict[Place, int]) -> None:
        try:
            self._since = measure_behind_since(self._settings, waiting, timeout_seconds=_TIMEOUT_SECONDS)
        except Exception as error:
            log.debug("behind_since_unknown", error=str(error))
