"""Where reading goes on: offsets kept in PostgreSQL, checked against what Kafka still has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from shop_platform.errors import ShopError

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, order=True)
class Position:
    """The next offset to read of one partition."""

    topic: str
    partition: int
    topic_id: str
    next_offset: int


class OffsetMismatchError(ShopError):
    """Kafka and the warehouse disagree; nothing is skipped or read again without a decision."""

    exit_code = 3


class FencedOutError(Exception):
    """Another writer moved a partition on; this one must read its position again."""


def resume_position(
    connection: Connection, topic: str, partition: int, topic_id: str, low: int, high: int, writer: str
) -> Position:
    """Return where to go on, recording a partition that is seen for the first time at its ``low`` watermark.

    Raises :class:`OffsetMismatchError` when the topic was recreated, when retention passed the stored offset (with the
    exact gap) or when the log ends below it.
    """
    rows = connection.execute(
        "select topic_id, next_offset from ops.ingest_offsets where topic = %s and partition = %s", [topic, partition]
    ).fetchall()
    stored = dict(rows)
    if stored and topic_id not in stored:
        raise OffsetMismatchError(
            f"Topic {topic} was recreated: the warehouse read partition {partition} up to offset"
            f" {max(stored.values())} of topic id {', '.join(stored)}, the cluster now has id {topic_id}",
            "Find out who recreated it. To read the new topic from its start, delete the old rows of this topic from"
            " ops.ingest_offsets; events that already landed are recognised by their id.",
        )
    if not stored:
        connection.execute(
            "insert into ops.ingest_offsets (topic_id, topic, partition, next_offset, writer)"
            " values (%s, %s, %s, %s, %s) on conflict do nothing",
            [topic_id, topic, partition, low, writer],
        )
        return Position(topic, partition, topic_id, low)
    next_offset = stored[topic_id]
    if next_offset < low:
        raise OffsetMismatchError(
            f"{topic}/{partition}: offsets {next_offset} to {low - 1} ({low - next_offset} messages) were removed from"
            " Kafka before they were ingested",
            "Restore them from the producer or a backup, or accept the gap: set next_offset of this partition in"
            f" ops.ingest_offsets to {low}.",
        )
    if next_offset > high:
        raise OffsetMismatchError(
            f"{topic}/{partition}: the warehouse has read up to offset {next_offset}, but the log ends at {high}"
            f" ({next_offset - high} messages are gone from Kafka)",
            "Kafka lost data or another cluster answers. Point SHOP_KAFKA_BOOTSTRAP at the right one or restore Kafka.",
        )
    return Position(topic, partition, topic_id, next_offset)


def lock_positions(connection: Connection, expected: list[Position]) -> None:
    """Lock the offset rows for this transaction and check that each stands where this writer left it.

    Raises :class:`FencedOutError` otherwise: the rows in hand may have been written by somebody else already.
    """
    for position in sorted(expected):
        row = connection.execute(
            "select next_offset from ops.ingest_offsets where topic_id = %s and partition = %s for update",
            [position.topic_id, position.partition],
        ).fetchone()
        if row is None or row[0] != position.next_offset:
            raise FencedOutError(
                f"{position.topic}/{position.partition}: expected {position.next_offset}, found {row and row[0]}"
            )


def advance(connection: Connection, position: Position, next_offset: int, writer: str) -> None:
    """Move a locked position on, in the transaction that writes the rows."""
    connection.execute(
        "update ops.ingest_offsets set next_offset = %s, writer = %s, updated_at = clock_timestamp()"
        " where topic_id = %s and partition = %s",
        [next_offset, writer, position.topic_id, position.partition],
    )
