"""Tell Dagster what the continuous service landed, so that the UI shows one story."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import httpx
import structlog

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.write import Written
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

_TIMEOUT_SECONDS = 5.0


class DagsterReporter:
    """Collects counts and reports one materialization per raw asset and interval, from a thread of its own.

    Dagster being away never slows ingestion down: a failed report is tried again with the next interval's counts. Use
    as a context manager; the interval is ``SHOP_INGEST_REPORT_SECONDS``, 0: nothing is reported.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.dagster_url
        self._interval = settings.ingest_report_seconds
        self._lock = threading.Lock()
        self._pending: dict[str, Counter[str]] = {}
        self._places: dict[str, dict[str, int]] = {}
        self._lag: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dagster-reporter", daemon=True)

    def __enter__(self) -> DagsterReporter:
        if self._interval:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop after a last report; what cannot be told is left to the warehouse's own ledger."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_SECONDS + 1)

    def add(self, written: list[Written], lag: dict[str, int]) -> None:
        """Count committed batches; ``lag`` is messages behind per topic, as last known."""
        if not self._interval:
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
                httpx.post(
                    f"{self._url}/report_asset_materialization/raw/{subject}",
                    json={"metadata": metadata, "description": "Landed by the continuous ingest service."},
                    timeout=_TIMEOUT_SECONDS,
                ).raise_for_status()
                told += 1
            except httpx.HTTPError as error:
                log.debug("dagster_report_failed", subject=subject, error=str(error))
                with self._lock:
                    self._pending.setdefault(subject, Counter()).update(counts)
        return told

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.flush()
        self.flush()
