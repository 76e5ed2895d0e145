"""How old the data is, judged against the service level. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from dashboard.data.rows import SubjectFreshness

# The promise: the newest event in the marts is at most this old. Three times as old is an incident.
SERVICE_LEVEL = timedelta(minutes=5)
_LATE = SERVICE_LEVEL * 3


class Health(Enum):
    """Where the lag stands against the service level; the value is the CSS modifier."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Freshness:
    """The newest event the marts know of (in the time zone of ``now``), its age, and what to think of it."""

    as_of: datetime | None
    lag_seconds: float
    health: Health


def judge(subjects: Sequence[SubjectFreshness], now: datetime) -> Freshness:
    """Return the freshness of the whole: its newest event counts, for a quiet subject is not a late one."""
    newest = max((row.latest_event for row in subjects if row.latest_event is not None), default=None)
    if newest is None:
        return Freshness(None, 0.0, Health.NONE)
    lag = now - newest
    health = Health.GOOD if lag <= SERVICE_LEVEL else Health.WARN if lag <= _LATE else Health.BAD
    return Freshness(newest.astimezone(now.tzinfo), max(lag.total_seconds(), 0.0), health)
