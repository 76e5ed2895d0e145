"""The service levels: how old data may become before someone is told, one table with reasons.

Two ages are judged. ``warn`` and ``fail`` limit the time since an asset was last materialized (Dagster's freshness
policy: has the platform done its work?). ``event_age`` limits the age of the newest event in a raw table (an asset
check: does the shop still send?).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import dagster as dg


@dataclass(frozen=True)
class ServiceLevel:
    """One promise; ``reason`` says why the limits are what they are."""

    warn: timedelta
    fail: timedelta
    reason: str
    event_age: timedelta | None = None

    def policy(self) -> dg.FreshnessPolicy:
        """Return the promise as Dagster's freshness policy."""
        return dg.FreshnessPolicy.time_window(fail_window=self.fail, warn_window=self.warn)


_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)

_STEADY = ServiceLevel(
    warn=15 * _MINUTE,
    fail=_HOUR,
    event_age=15 * _MINUTE,
    reason="Visitors come and buy round the clock; a quarter of an hour without one is unusual in any shop.",
)
_OCCASIONAL = ServiceLevel(
    warn=6 * _HOUR,
    fail=24 * _HOUR,
    event_age=6 * _HOUR,
    reason="New customers, stock movements, returns and campaign touches come several times a day, not at night.",
)
_RARE = ServiceLevel(
    warn=36 * _HOUR,
    fail=72 * _HOUR,
    event_age=14 * 24 * _HOUR,
    reason="The catalogue changes when a buyer changes it; the daily job proves that ingestion still looks.",
)

BY_SUBJECT: dict[str, ServiceLevel] = {
    "web": _STEADY,
    "orders": _STEADY,
    "customers": _OCCASIONAL,
    "inventory": _OCCASIONAL,
    "marketing": _OCCASIONAL,
    "returns": _OCCASIONAL,
    "products": _RARE,
}

LEDGER = ServiceLevel(
    warn=36 * _HOUR,
    fail=72 * _HOUR,
    reason="Every batch writes it; it is reported when it is compared with what was produced, which happens daily.",
)
MODELS = ServiceLevel(
    warn=30 * _MINUTE,
    fail=2 * _HOUR,
    reason="The watermark sensor rebuilds within a minute of new rows, so half an hour means several failed runs.",
)
NIGHTLY = ServiceLevel(
    warn=26 * _HOUR,
    fail=50 * _HOUR,
    reason="Built once after the business day; two hours' grace, and one night may fail before it is an incident.",
)
SCREENS = ServiceLevel(
    warn=30 * _MINUTE,
    fail=2 * _HOUR,
    reason="A screen is as fresh as the marts it reads; it counts as renewed when all of them were rebuilt.",
)

# What whoever is called reads first about a layer (the first part of an asset's key) that is late.
LAYERS: dict[str, str] = {
    "kafka": "Nothing new came to these topics: does the shop still send?",
    "raw": "The topics were not read: is an ingest service or the sensor `ingest_on_lag` alive?",
    "ops": LEDGER.reason,
    "staging": MODELS.reason,
    "intermediate": MODELS.reason,
    "marts": MODELS.reason,
    "dashboard": SCREENS.reason,
    "grafana": SCREENS.reason,
}
