"""The ingestion's two ledgers, per batch and per hour of event time, written with the rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shop_platform.ingest.offsets import Connection, Position

if TYPE_CHECKING:
    from shop_platform.ingest.write import Written


class Hours(NamedTuple):
    """Messages of one partition per hour of event time (hours since 1970; ``None``: nobody can read the time)."""

    landed: Counter[int]
    duplicates: Counter[int]
    dead: Counter[int | None]
    late: Counter[int]


def note_batch(
    connection: Connection, moves: Sequence[tuple[Position, Written]], writer: str, started_at: dt.datetime
) -> None:
    """Write one line per partition: which offsets, and what became of their messages."""
    columns = zip(
        *(
            (
                before.topic_id,
                before.topic,
                before.partition,
                before.incarnation,
                before.next_offset,
                done.position.next_offset,
                done.messages,
                done.landed,
                done.duplicates,
                done.dead,
                done.min_event_time,
                done.max_event_time,
            )
            for before, done in moves
        ),
        strict=True,
    )
    connection.execute(
        "insert into ops.ingest_batches (topic_id, topic, partition, incarnation, first_offset, next_offset, messages,"
        " landed, duplicates, dead, min_event_time, max_event_time, writer, started_at)"
        " select *, %s, %s from unnest(%s::text[], %s::text[], %s::int[], %s::int[], %s::bigint[], %s::bigint[],"
        " %s::int[], %s::int[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[])",
        [writer, started_at, *map(list, columns)],
    )


def note_hours(connection: Connection, hours: Sequence[tuple[Position, Hours]]) -> None:
    """Add to the counts per hour of event time; the positions' rows are locked, so no two writers meet."""
    rows: list[tuple[str, str, int, int, int | None, int, int, int, int]] = []
    for position, (landed, duplicates, dead, late) in hours:
        place = (position.topic_id, position.topic, position.partition, position.incarnation)
        if duplicates or dead or late:
            for hour in {*landed, *duplicates, *dead}:
                timed = (0, 0, 0) if hour is None else (landed[hour], duplicates[hour], late[hour])
                rows.append((*place, hour, timed[0], timed[1], dead[hour], timed[2]))
        else:
            rows += [(*place, hour, count, 0, 0, 0) for hour, count in landed.items()]
    if not rows:
        return
    # One JSON document: a catch-up over months has thousands of hours, and arrays are made element by element.
    connection.execute(
        "insert into ops.ingest_hours as h (topic_id, topic, partition, incarnation, event_hour, landed, duplicates,"
        " dead, late)"
        " select n ->> 0, n ->> 1, (n ->> 2)::int, (n ->> 3)::int, to_timestamp((n ->> 4)::float8 * 3600),"
        " (n ->> 5)::bigint, (n ->> 6)::bigint, (n ->> 7)::bigint, (n ->> 8)::bigint from json_array_elements(%s) as n"
        " on conflict on constraint ingest_hours_grain do update set landed = h.landed + excluded.landed,"
        " duplicates = h.duplicates + excluded.duplicates, dead = h.dead + excluded.dead,"
        " late = h.late + excluded.late",
        [msgspec.json.encode(rows).decode()],
    )
