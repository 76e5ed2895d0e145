"""What is unusual about what landed: hours with far more or fewer events than usual, and fields nobody knows."""

from __future__ import annotations

import datetime as dt
import statistics
from collections import defaultdict
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
import psycopg
from psycopg import sql

from shop_platform.events.registry import TOPIC_BY_NAME, Topic

WEEKS = 4
# A median of fewer hours than this says little.
_WEEKS_NEEDED = 2
# An hour may be judged when it has been over for this long: what is on its way has landed by then.
_SETTLED = dt.timedelta(minutes=10)
# Beyond half or twice the usual number, and beyond what chance does to a count (three standard deviations of a Poisson
# variable are three square roots of its mean) or twenty events, whichever is more.
_FACTOR, _DEVIATIONS, _FEW = 2, 3, 20
_NEWEST_ROWS = 500

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Volume:
    """Events of one subject in ``hour`` (of event time) and in the same hour of earlier weeks, the last week first."""

    hour: dt.datetime
    events: int
    earlier: tuple[int, ...]

    @property
    def usual(self) -> float | None:
        """The median of the earlier weeks; ``None`` while there are too few."""
        return statistics.median(self.earlier) if len(self.earlier) >= _WEEKS_NEEDED else None

    @property
    def is_unusual(self) -> bool:
        """Whether the hour lies outside of what its usual number allows."""
        usual = self.usual
        if usual is None or abs(self.events - usual) <= max(_FEW, _DEVIATIONS * usual**0.5):
            return False
        return self.events * _FACTOR < usual or self.events > usual * _FACTOR


def hours_to_compare(now: dt.datetime, zone: ZoneInfo) -> list[dt.datetime]:
    """Return the start of the last settled hour and of the same hour of each earlier week, in UTC.

    The same hour by the shop's clock: people keep to it when the clocks change.
    """
    latest = (now - _SETTLED).astimezone(zone).replace(minute=0, second=0, microsecond=0)
    last = (latest.astimezone(dt.UTC) - dt.timedelta(hours=1)).astimezone(zone)
    # Subtracting whole days keeps the time on the clock.
    return [(last - dt.timedelta(weeks=week)).astimezone(dt.UTC) for week in range(WEEKS + 1)]


def volumes(connection: Connection, now: dt.datetime, zone: ZoneInfo) -> dict[str, Volume]:
    """Return the volume of every subject that has landed anything; weeks before its first event do not count."""
    hours = hours_to_compare(now, zone)
    rows = connection.execute(
        "select topic, event_hour, sum(landed)::bigint from ops.ingest_hours where event_hour = any(%s) group by 1, 2",
        [hours],
    ).fetchall()
    counted = {(str(topic), hour): int(str(landed)) for topic, hour, landed in rows}
    began = connection.execute(
        "select topic, min(event_hour) from ops.ingest_hours where event_hour is not null and landed > 0 group by 1"
    ).fetchall()
    return {
        TOPIC_BY_NAME[str(topic)].subject: Volume(
            hours[0],
            counted.get((str(topic), hours[0]), 0),
            tuple(
                counted.get((str(topic), hour), 0)
                for hour in hours[1:]
                if isinstance(first, dt.datetime) and hour >= first
            ),
        )
        for topic, first in began
        if str(topic) in TOPIC_BY_NAME
    }


def unknown_fields(connection: Connection, topic: Topic) -> dict[str, list[str]]:
    """Return, by event type, the fields of the newest rows that the contract does not name.

    They are kept in raw and stop nothing; somebody sends something that no model reads.
    """
    known = {
        kind.name: {field.encode_name for field in msgspec.structs.fields(kind.payload)} for kind in topic.event_types
    }
    rows = connection.execute(
        sql.SQL(
            "select distinct event_type, jsonb_object_keys(data) from"
            " (select event_type, data from {} order by _xid desc limit {}) as newest"
        ).format(sql.Identifier("raw", topic.subject), sql.Literal(_NEWEST_ROWS))
    ).fetchall()
    found: dict[str, list[str]] = defaultdict(list)
    for event_type, field in sorted((str(a), str(b)) for a, b in rows):
        if field not in known.get(event_type, set()):
            found[event_type].append(field)
    return dict(found)
