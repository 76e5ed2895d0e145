"""Tell Dagster what the continuous service landed, so that the UI shows one story."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import structlog

from shop_platform.dagster_rest import IntervalReporter
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.write import Written
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

MATERIALIZED_EVERY_SECONDS = 600
"""The schedule ``checks_every_ten_minutes`` judges the raw tables as often, at full tens of minutes."""

# A report comes every half minute, so the materialization is there when the checks begin, and not long before.
_AHEAD_SECONDS = 45


class DagsterReporter(IntervalReporter):
    """Collects counts and reports an observation per raw asset and interval (``SHOP_INGEST_REPORT_SECONDS``).

    Every ten minutes by the clock, shortly before Dagster checks the raw tables, the report is a materialization with
    the counts since the last one. A failed report is tried again with the next interval's counts.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        super().__init__(settings.dagster_url, settings.ingest_report_seconds)
        self._clock = clock
        self._round = self._round_now()
        self._pending: dict[str, Counter[str]] = {}
        self._unmaterialized: dict[str, Counter[str]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._lag: dict[str, int] = {}

    def add(self, written: list[Written], lag: dict[str, int]) -> None:
        """Count committed batches; ``lag`` is messages behind per topic, as last known."""
        if not self.enabled:
            return
        with self._lock:
            for done in written:
                subject = TOPIC_BY_NAME[done.position.topic].subject
                for counts in (self._pending, self._unmaterialized):
                    counts.setdefault(subject, Counter()).update(
                        rows=done.landed, duplicates=done.duplicates, dead_letters=done.dead, messages=done.messages
                    )
                self._places.setdefault(subject, {})[str(done.position.partition)] = done.position.next_offset
            for topic, behind in lag.items():
                self._lag[TOPIC_BY_NAME[topic].subject] = behind

    def flush(self) -> int:
        """Report what is pending; return how many assets were told of."""
        this_round = self._round_now()
        due = this_round != self._round
        with self._lock:
            counted, self._pending = self._pending, {}
            if due:
                counted, self._unmaterialized = self._unmaterialized, {}
        failed = {subject: counts for subject, counts in counted.items() if not self._tell(subject, counts, due)}
        with self._lock:
            again = self._unmaterialized if due else self._pending
            for subject, counts in failed.items():
                again.setdefault(subject, Counter()).update(counts)
        if not failed:
            self._round = this_round
        return len(counted) - len(failed)

    def _tell(self, subject: str, counts: Counter[str], materialized: bool) -> bool:
        metadata: dict[str, Any] = dict(counts)
        metadata["next_offsets"] = dict(self._places.get(subject, {}))
        if subject in self._lag:
            metadata["lag"] = self._lag[subject]
        tell = self._materialization if materialized else self._observation
        try:
            tell(["raw", subject], "Landed by the continuous ingest service.", metadata)
        except httpx.HTTPError as error:
            log.debug("dagster_report_failed", subject=subject, error=str(error))
            return False
        return True

    def _round_now(self) -> int:
        return int((self._clock() + _AHEAD_SECONDS) // MATERIALIZED_EVERY_SECONDS)
