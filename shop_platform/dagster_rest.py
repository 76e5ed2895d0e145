"""Report to Dagster over REST from a thread of its own: that Dagster is away never slows the work down.

Dagster shows a check as *Not evaluated* as soon as its asset was materialized after it. A service that works all
the time therefore tells what it did as observations, and as a materialization only when the asset is checked next.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 5.0

# Dagster's REST knows text, numbers and JSON as metadata and nothing else. Our storage of Dagster
# (shop_platform/orchestration/reported.py) puts these where they belong.
DESCRIPTION = "description"
"""The metadata of a check that becomes its description."""
LINEAGE = "dagster/column_lineage"
"""The metadata of a materialization that becomes its column lineage: ``{column: [["marts/fct_orders", "id"]]}``."""


class IntervalReporter(ABC):
    """Calls :meth:`flush` every ``interval_seconds`` while the block runs and once at its end; 0: never."""

    def __init__(self, url: str, interval_seconds: float) -> None:
        self._url = url
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dagster-reporter", daemon=True)

    @property
    def enabled(self) -> bool:
        """Whether anything is reported."""
        return self._interval > 0

    def __enter__(self) -> Self:
        if self.enabled:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop after a last report; what cannot be told is left to the warehouse's own tables."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_SECONDS + 1)

    @abstractmethod
    def flush(self) -> int:
        """Report what is pending; return how much was told."""

    def _observation(self, asset: Sequence[str], description: str, metadata: dict[str, Any]) -> None:
        """Raise ``httpx.HTTPError`` when Dagster did not take it."""
        self._post("observation", asset, {"metadata": metadata, "description": description})

    def _materialization(self, asset: Sequence[str], description: str, metadata: dict[str, Any]) -> None:
        """Raise ``httpx.HTTPError`` when Dagster did not take it."""
        self._post("materialization", asset, {"metadata": metadata, "description": description})

    def _check(
        self,
        asset: Sequence[str],
        name: str,
        *,
        passed: bool,
        severity: str,
        metadata: dict[str, Any],
        description: str = "",
    ) -> None:
        """Raise ``httpx.HTTPError`` when Dagster did not take it; ``severity`` is WARN or ERROR."""
        if description:
            metadata = metadata | {DESCRIPTION: description}
        self._post("check", asset, {"check_name": name, "passed": passed, "severity": severity, "metadata": metadata})

    def _post(self, kind: str, asset: Sequence[str], body: dict[str, Any]) -> None:
        url = f"{self._url}/report_asset_{kind}/{'/'.join(asset)}"
        httpx.post(url, json=body, timeout=TIMEOUT_SECONDS).raise_for_status()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.flush()
        self.flush()
