"""What retracting and restoring share: the locks, the letters of events, and the ledger by hour."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql
from psycopg.rows import class_row

from shop_platform.ingest.ledger import Hours, note_hours
from shop_platform.ingest.offsets import Connection, Position
from shop_platform.operations.hours import COUNTED_HOUR
from shop_platform.warehouse.locks import ERASURE_LOCK

CHUNK_EVENTS = 5_000


@dataclass(frozen=True)
class Retraction:
    """A row of ``ops.retractions``; ``place_hour`` is where the ledger counts its landing (``None``: without an hour).

    ``topic_id`` and ``incarnation`` say in which log the message stood.
    """

    retraction_id: int
    event_id: uuid.UUID
    topic: str
    event_type: str
    subject: str
    customer_id: str | None
    session_id: str | None
    kafka_partition: int
    kafka_offset: int
    because: str
    dead_letter_id: int | None
    document: str
    topic_id: str
    incarnation: int
    hour: int
    counted_hour: int | None


_READ: LiteralString = """
select
    r.retraction_id, r.event_id, r.topic, r.event_type, r.subject, r.customer_id, r.session_id, r.kafka_partition,
    r.kafka_offset, r.because, r.dead_letter_id,
    json_build_object(
        'specversion', '1.0', 'id', r.event_id, 'source', r.source, 'type', r.event_type,
        'time', to_char(r.event_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'subject', r.subject,
        'datacontenttype', 'application/json', 'data', r.data
    )::text as document,
    coalesce(l.topic_id, b.topic_id, o.topic_id, '') as topic_id,
    coalesce(l.incarnation, b.incarnation, o.incarnation, 0) as incarnation,
    floor(extract(epoch from r.event_time) / 3600)::bigint as hour,
    floor(extract(epoch from {hour}) / 3600)::bigint as counted_hour
from (
    select *, retractions.kafka_offset as "offset" from ops.retractions
) as r
left join ops.ingest_hours_since as c on c.topic = r.topic and c.partition = r.kafka_partition
-- A replayed event has its letter, any other the line of the batch that landed it in one transaction.
left join lateral (
    select d.topic_id, d.incarnation from ops.dead_letters as d
    where d.event_id = r.event_id and d.topic = r.topic and d.partition = r.kafka_partition
        and d."offset" = r.kafka_offset and (d.outcome = 'landed' or d.status = 'retracted')
    order by d.dead_letter_id desc limit 1
) as l on true
left join lateral (
    select b.topic_id, b.incarnation from ops.ingest_batches as b
    where b.topic = r.topic and b.partition = r.kafka_partition and b.first_offset <= r.kafka_offset
        and b.next_offset > r.kafka_offset
    order by b._xid = r.landed_xid desc, b.batch_id desc limit 1
) as b on true
left join lateral (
    select o.topic_id, o.incarnation from ops.ingest_offsets as o
    where o.topic = r.topic and o.partition = r.kafka_partition
    order by o.retired, o.updated_at desc limit 1
) as o on true
where r.retraction_id = any(%s)
order by r.retraction_id
"""


def read(connection: Connection, retractions: Collection[int]) -> list[Retraction]:
    """Return these rows of ``ops.retractions``."""
    with connection.cursor(row_factory=class_row(Retraction)) as cursor:
        return cursor.execute(sql.SQL(_READ).format(hour=sql.SQL(COUNTED_HOUR)), [list(retractions)]).fetchall()


def lock(connection: Connection, topic: str) -> None:
    """Keep the ingestion of ``topic`` waiting, and whoever erases, in the order in which the ingestion locks."""
    connection.execute(
        "select from ops.ingest_offsets where topic = %s order by topic_id, partition for update", [topic]
    )
    connection.execute("select pg_advisory_xact_lock_shared(%s)", [ERASURE_LOCK])


def keep_letters(connection: Connection, rows: Sequence[Retraction]) -> dict[int, int]:
    """Make a dead letter of each event, or take the one up that it was before it landed; return ids by retraction.

    The message as it came is gone, so the letter holds the event as raw held it, without its personal fields. A letter
    that was replayed keeps what Kafka delivered.
    """
    found = connection.execute(
        'insert into ops.dead_letters as d (topic_id, incarnation, topic, partition, "offset", message_key,'
        " message_value, error_class, error, event_id, event_type, event_time, source, status)"
        " select n.topic_id, n.incarnation, r.topic, r.kafka_partition, r.kafka_offset, convert_to(r.subject, 'UTF8'),"
        " convert_to(n.document, 'UTF8'), 'retracted', 'taken back by ' || r.retracted_by || ': ' || r.because,"
        " r.event_id, r.event_type, r.event_time, r.source, 'retracted'"
        " from unnest(%s::bigint[], %s::text[], %s::int[], %s::text[])"
        " as n (retraction_id, topic_id, incarnation, document) join ops.retractions as r using (retraction_id)"
        " order by r.retraction_id"
        " on conflict on constraint dead_letters_position do update set status = 'retracted', outcome = null,"
        " error_class = 'retracted', error = excluded.error, schema_path = null, event_id = excluded.event_id,"
        " event_type = excluded.event_type, event_time = excluded.event_time, source = excluded.source"
        " returning d.dead_letter_id, d.event_id",
        [
            [row.retraction_id for row in rows],
            [row.topic_id for row in rows],
            [row.incarnation for row in rows],
            [row.document for row in rows],
        ],
    ).fetchall()
    by_event = {event_id: letter_id for letter_id, event_id in found}
    letters = {row.retraction_id: int(by_event[row.event_id]) for row in rows}
    connection.execute(
        "update ops.retractions as r set dead_letter_id = n.letter_id"
        " from unnest(%s::bigint[], %s::bigint[]) as n (retraction_id, letter_id)"
        " where r.retraction_id = n.retraction_id",
        [list(letters), list(letters.values())],
    )
    return letters


def move_hours(connection: Connection, rows: Sequence[Retraction], *, landed: int) -> None:
    """Count each event as one landed less and one dead letter more (``landed`` -1), or the reverse (1)."""
    moved: dict[tuple[str, str, int, int], Hours] = defaultdict(
        lambda: Hours(Counter(), Counter(), Counter(), Counter())
    )
    # A row that was counted without an hour goes where it was counted; what lands again is counted under its hour.
    uncounted: Counter[tuple[str, str, int, int]] = Counter()
    for row in rows:
        place = (row.topic_id, row.topic, row.kafka_partition, row.incarnation)
        if landed < 0 and row.counted_hour is None:
            uncounted[place] += 1
        else:
            moved[place].landed[row.hour] += landed
        moved[place].dead[row.hour] -= landed
    note_hours(
        connection,
        [
            (Position(topic, partition, topic_id, 0, incarnation), counts)
            for (topic_id, topic, partition, incarnation), counts in sorted(moved.items())
        ],
    )
    for (topic_id, topic, partition, incarnation), count in sorted(uncounted.items()):
        connection.execute(
            "update ops.ingest_hours set landed = landed - %s where topic_id = %s and topic = %s and partition = %s"
            " and incarnation = %s and event_hour is null",
            [count, topic_id, topic, partition, incarnation],
        )
