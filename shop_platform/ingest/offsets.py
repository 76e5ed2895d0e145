"""Where reading goes on: offsets kept in PostgreSQL, checked against what Kafka still has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from shop_platform.ingest.encode import epoch_us
from shop_platform.warehouse.locks import ERASURE_LOCK

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, order=True)
class Position:
    """The next offset to read of one partition, and the newest event time that landed from it (µs since 1970)."""

    topic: str
    partition: int
    topic_id: str
    next_offset: int
    incarnation: int = 0
    watermark_us: int = 0


@dataclass(frozen=True)
class Mismatch:
    """One disagreement between Kafka and the warehouse, with the numbers and the command that resolves it.

    ``reason`` is one of those of ``ops.ingest_halts``; ``partition`` is ``None`` when the whole topic is meant.
    """

    reason: str
    topic: str
    partition: int | None
    message: str
    resolution: str
    detail: dict[str, Any]


class FencedOutError(Exception):
    """Another writer moved a partition on; this one must read its position again."""


@dataclass(frozen=True)
class Stored:
    """What the warehouse knows of one partition."""

    topic_id: str
    partition: int
    next_offset: int
    incarnation: int
    watermark_us: int


def accept_command(topic: str, partition: int | None = None) -> str:
    """Return the command by which a person accepts a mismatch."""
    place = topic if partition is None else f"{topic} --partition {partition}"
    return f"`shop offsets accept {place} --because '...'`"


def stored_positions(connection: Connection, topic: str) -> list[Stored]:
    """Return what the warehouse knows of a topic's partitions; rows of topics that were given up are left out."""
    rows = connection.execute(
        "select topic_id, partition, next_offset, incarnation, watermark from ops.ingest_offsets"
        " where topic = %s and not retired order by partition",
        [topic],
    ).fetchall()
    return [
        Stored(topic_id, partition, offset, incarnation, epoch_us(watermark) if watermark is not None else 0)
        for topic_id, partition, offset, incarnation, watermark in rows
    ]


def judge_topic(topic: str, topic_id: str, partitions: int, stored: Sequence[Stored]) -> Mismatch | None:
    """Return why the topic in Kafka is not the one that was read, if it is not."""
    others = sorted({row.topic_id for row in stored} - {topic_id})
    if others:
        read = {str(row.partition): row.next_offset for row in stored}
        places = ", ".join(f"{partition} up to offset {offset}" for partition, offset in read.items())
        return Mismatch(
            "topic_recreated",
            topic,
            None,
            f"Topic {topic} was recreated: the warehouse read topic id {', '.join(others)} (partition {places}),"
            f" the cluster now has id {topic_id}",
            f"Find out who recreated it. {accept_command(topic)} reads the new topic from its start;"
            " events that already landed are recognised by their id.",
            {"read_topic_ids": others, "topic_id": topic_id, "read_up_to": read},
        )
    missing = sorted(row.partition for row in stored if row.partition >= partitions)
    if missing:
        return Mismatch(
            "partitions_missing",
            topic,
            None,
            f"Topic {topic} has {partitions} partitions, but the warehouse has read partition"
            f" {', '.join(map(str, missing))} of the same topic",
            f"Kafka never takes partitions away: does SHOP_KAFKA_BOOTSTRAP point at the right cluster? If it does,"
            f" {accept_command(topic)} gives the missing partitions up.",
            {"partitions": partitions, "missing": missing},
        )
    return None


def judge_missing(topic: str) -> Mismatch:
    """Return what is said of a topic that Kafka does not have."""
    return Mismatch(
        "topic_missing",
        topic,
        None,
        f"Kafka has no topic {topic}: it was deleted or never made",
        "Does SHOP_KAFKA_BOOTSTRAP point at the right cluster? If it does, `shop topics` makes the topic, and reading"
        " goes on by itself.",
        {},
    )


def judge_position(topic: str, row: Stored, low: int, high: int) -> Mismatch | None:
    """Return why reading cannot go on at the stored offset, given Kafka's watermarks, if it cannot."""
    place, at = f"{topic}/{row.partition}", row.next_offset
    if at < low:
        return Mismatch(
            "offsets_removed",
            topic,
            row.partition,
            f"{place}: offsets {at} to {low - 1} ({low - at} messages) were removed from Kafka before they were"
            " ingested",
            f"Restore them from the producer or a backup (`shop import`), or give them up with"
            f" {accept_command(topic, row.partition)}.",
            {"first": at, "last": low - 1, "messages": low - at},
        )
    if at > high:
        return Mismatch(
            "log_ends_early",
            topic,
            row.partition,
            f"{place}: the warehouse has read up to offset {at}, but the log ends at {high} ({at - high} messages are"
            " gone from Kafka)",
            "Kafka lost data or another cluster answers: does SHOP_KAFKA_BOOTSTRAP point at the right one? If it does,"
            f" {accept_command(topic, row.partition)} reads what is left from its start; events that already landed"
            " are recognised by their id.",
            {"next_offset": at, "log_end": high, "messages": at - high},
        )
    return None


def begin_partition(
    connection: Connection, topic: str, partition: int, topic_id: str, low: int, writer: str
) -> Position:
    """Record a partition that is seen for the first time, at its ``low`` watermark; safe twice at once."""
    connection.execute(
        "insert into ops.ingest_offsets (topic_id, topic, partition, next_offset, writer)"
        " values (%s, %s, %s, %s, %s) on conflict do nothing",
        [topic_id, topic, partition, low, writer],
    )
    row = next(row for row in stored_positions(connection, topic) if row.partition == partition)
    return Position(topic, partition, row.topic_id, row.next_offset, row.incarnation, row.watermark_us)


def lock_positions(connection: Connection, expected: Sequence[Position]) -> None:
    """Lock the offset rows for this transaction and check that each stands where this writer left it.

    Rows are locked in a fixed order, so that two writers cannot deadlock. Raises :class:`FencedOutError` when one has
    moved: the rows in hand may have been written by somebody else already.
    """
    rows = connection.execute(
        "select topic_id, partition, incarnation, next_offset from ops.ingest_offsets"
        " where (topic_id, partition) in (select * from unnest(%s::text[], %s::int[])) and not retired"
        " order by topic_id, partition for update",
        [[position.topic_id for position in expected], [position.partition for position in expected]],
    ).fetchall()
    found = {(topic_id, partition): (incarnation, offset) for topic_id, partition, incarnation, offset in rows}
    for position in expected:
        stands = found.get((position.topic_id, position.partition))
        if stands != (position.incarnation, position.next_offset):
            raise FencedOutError(
                f"{position.topic}/{position.partition}: expected {position.next_offset}, found {stands and stands[1]}"
            )


def end_silent_holders(connection: Connection, expected: Sequence[Position]) -> list[int]:
    """End the sessions of this role that keep ``expected`` or the lock of erasures while their client is silent.

    Returns their pids.

    No timeout of PostgreSQL's ends a COPY whose client was stopped or cut off: its partitions would be blocked for as
    long as that lasts. Silent is who has been waiting for its client longer than the lock timeout.
    """
    rows = connection.execute(
        "select a.pid from pg_stat_activity as a where (a.backend_xid in (select o.xmax from ops.ingest_offsets as o"
        " where (o.topic_id, o.partition) in (select * from unnest(%s::text[], %s::int[])))"
        " or a.pid in (select l.pid from pg_locks as l where l.locktype = 'advisory' and l.granted"
        " and l.database = (select d.oid from pg_database as d where d.datname = current_database())"
        " and l.classid = 0 and l.objid = %s and l.objsubid = 1))"
        " and a.usename = current_user and a.pid <> pg_backend_pid() and a.wait_event = 'ClientRead'"
        " and a.state_change < clock_timestamp() - current_setting('lock_timeout')::interval"
        " group by a.pid having pg_terminate_backend(a.pid, 5000)",
        [
            [position.topic_id for position in expected],
            [position.partition for position in expected],
            ERASURE_LOCK,
        ],
    ).fetchall()
    return [pid for (pid,) in rows]


def move_on(connection: Connection, positions: Sequence[Position], writer: str) -> None:
    """Store ``positions`` of locked partitions, in the transaction that writes the rows."""
    connection.execute(
        "update ops.ingest_offsets as o set next_offset = n.next_offset, writer = %s, updated_at = clock_timestamp(),"
        " watermark = case when n.watermark > 0 then to_timestamp(n.watermark::numeric / 1000000) end"
        " from unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])"
        " as n (topic_id, partition, next_offset, watermark)"
        " where o.topic_id = n.topic_id and o.partition = n.partition",
        [
            writer,
            [position.topic_id for position in positions],
            [position.partition for position in positions],
            [position.next_offset for position in positions],
            [position.watermark_us for position in positions],
        ],
    )
