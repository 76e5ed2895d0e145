"""Tell Dagster what the continuous service landed, so that the UI shows one story."""

from __future__ import annotations

import threading
import time
from collections import Counter

import httpx
import structlog

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.write import Written
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

_INTERVAL_SECONDS = 30.0
_TIMEOUT_SECONDS = 5.0


class DagsterReporter:
    """Collects counts and reports one materialization per raw asset and interval, from a thread of its own.

    Dagster being away never slows ingestion down: a failed report is tried again with the next interval's counts.
    """

    def __init__(self, settings: Settings, *, interval_seconds: float = _INTERVAL_SECONDS) -> None:
        self._settings = settings
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._pending: dict[str, Counter[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dagster-reporter", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what was not yet reported is left to the warehouse's own ledger."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_TIMEOUT_SECONDS + 1)

    def add(self, written: list[Written]) -> None:
        """Count committed batches."""
        with self._lock:
            for done in written:
                subject = TOPIC_BY_NAME[done.position.topic].subject
                self._pending.setdefault(subject, Counter()).update(
                    rows=done.landed, duplicates=done.duplicates, dead_letters=done.dead, messages=done.messages
                )

    def flush(self) -> int:
        """Report what is pending; return how many assets were told of."""
        with self._lock:
            pending, self._pending = self._pending, {}
        told = 0
        for subject, counts in pending.items():
            try:
                httpx.post(
                    f"{self._settings.dagster_url}/report_asset_materialization/raw/{subject}",
                    json={"metadata": dict(counts), "description": "Landed by the continuous ingest service."},
                    timeout=_TIMEOUT_SECONDS,
                ).raise_for_status()
                told += 1
            except httpx.HTTPError as error:
                log.debug("dagster_report_failed", subject=subject, error=str(error))
                with self._lock:
                    self._pending.setdefault(subject, Counter()).update(counts)
        return told

    def _run(self) -> None:
        next_at = time.monotonic() + self._interval
        while not self._stop.wait(max(next_at - time.monotonic(), 0)):
            self.flush()
            next_at = time.monotonic() + self._interval
