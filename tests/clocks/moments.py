"""The moments around which the lane runs."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """An instant at which a date or the clock changes; half of a run comes before it and half after it."""

    name: str
    at: dt.datetime
    in_every_run: bool = False
    """Whether each run of the tests takes it; the others run at night (``make test-clocks``)."""

    @property
    def begin(self) -> dt.datetime:
        """When a run begins: early enough to be through with the half before, on any machine."""
        return self.at - dt.timedelta(minutes=29)


def _utc(*when: int) -> dt.datetime:
    return dt.datetime(*when, tzinfo=dt.UTC)  # type: ignore[arg-type]


MOMENTS = (
    # From 22:00 UTC on it is tomorrow in Berlin. What is seeded by the server's day and asked by the shop's fails.
    Moment("midnight in Berlin in summer", _utc(2027, 7, 14, 22), in_every_run=True),
    # 02:00 becomes 03:00: a day of 23 hours, and an hour that does not exist.
    Moment("summer time begins in Berlin", _utc(2027, 3, 28, 1)),
    # Berlin goes on to 1 March while it is still 29 February in UTC: no year before has that day.
    Moment("29 February ends in Berlin", _utc(2028, 2, 29, 23)),
    # For an hour the shop's year is ahead of the server's; partitions are made by UTC's.
    Moment("New Year in Berlin", _utc(2027, 12, 31, 23)),
    # Midnight in UTC: before it Berlin is a day ahead, after it both have the same.
    Moment("New Year in UTC", _utc(2028, 1, 1)),
)
