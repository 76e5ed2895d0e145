"""Tell Dagster what the continuous service landed, so that the UI shows one story."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import structlog

from shop_platform.dagster_rest import IntervalReporter
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.write import Written
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)


class DagsterReporter(IntervalReporter):
    """Collects counts and reports one materialization per raw asset and interval (``SHOP_INGEST_REPORT_SECONDS``).

    A failed report is tried again with the next interval's counts.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.dagster_url, settings.ingest_report_seconds)
        self._pending: dict[str, Counter[str]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._lag: dict[str, int] = {}

    def add(self, written: list[Written], lag: dict[str, int]) -> None:
        """Count committed batches; ``lag`` is messages behind per topic, as last known."""
        if not self.enabled:
            return
        with self._lock:
            for done in written:
                subject = TOPIC_BY_NAME[done.position.topic].subject
                self._pending.setdefault(subject, Counter()).update(
                    rows=done.landed, duplicates=done.duplicates, dead_letters=done.dead, messages=done.messages
                )
                self._places.setdefault(subject, {})[str(done.position.partition)] = done.position.next_offset
            for topic, behind in lag.items():
                self._lag[TOPIC_BY_NAME[topic].subject] = behind

    def flush(self) -> int:
        """Report what is pending; return how many assets were told of."""
        with self._lock:
            pending, self._pending = self._pending, {}
        told = 0
        for subject, counts in pending.items():
            metadata: dict[str, Any] = dict(counts)
            metadata["next_offsets"] = dict(self._places.get(subject, {}))
            if subject in self._lag:
                metadata["lag"] = self._lag[subject]
            try:
                self._materialization(["raw", subject], "Landed by the continuous ingest service.", metadata)
                told += 1
            except httpx.HTTPError as error:
                log.debug("dagster_report_failed", subject=subject, error=str(error))
                with self._lock:
                    self._pending.setdefault(subject, Counter()).update(counts)
        return told
