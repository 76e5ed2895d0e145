"""Why a topic waits for a person's decision: written down, shown, closed when the reason has gone."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from shop_platform.commands import as_called_here
from shop_platform.errors import ShopError
from shop_platform.ingest.batch import Place
from shop_platform.ingest.offsets import Connection, Mismatch
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

log = structlog.get_logger(__name__)

BURST = "dead_letter_burst"
MISSING = "topic_missing"


@dataclass(frozen=True)
class Halt:
    """An open row of ``ops.ingest_halts``."""

    halt_id: int
    reason: str
    topic: str
    partition: int | None
    detail: dict[str, Any]
    message: str
    resolution: str


class HaltError(ShopError):
    """Topics wait for a person's decision; nothing of them was skipped or read again."""

    exit_code = 3

    def __init__(self, halts: Sequence[Halt]) -> None:
        super().__init__(
            "\n".join(halt.message for halt in halts), "\n".join(dict.fromkeys(halt.resolution for halt in halts))
        )


def record_halt(settings: Settings, mismatch: Mismatch) -> None:
    """Write down why a topic is held; the same reason again only renews the row. Never raises."""
    log.error("ingest_halted", reason=mismatch.reason, topic=mismatch.topic, partition=mismatch.partition)
    try:
        with connect(settings, Role.INGEST) as connection:
            connection.execute(
                "insert into ops.ingest_halts (reason, topic, partition, detail, message, resolution)"
                " values (%s, %s, %s, %s, %s, %s)"
                " on conflict (reason, topic, coalesce(partition, -1)) where resolved_at is null do update set"
                " detail = excluded.detail, message = excluded.message, last_seen_at = clock_timestamp()",
                [
                    mismatch.reason,
                    mismatch.topic,
                    mismatch.partition,
                    json.dumps(mismatch.detail),
                    mismatch.message,
                    as_called_here(settings, mismatch.resolution),
                ],
            )
    except (ShopError, psycopg.Error) as error:
        log.warning("halt_not_recorded", error=str(error).splitlines()[0])


def open_halts(connection: Connection, topic: str | None = None) -> list[Halt]:
    """Return the halts nobody has resolved, the oldest first."""
    rows = connection.execute(
        "select halt_id, reason, topic, partition, detail, message, resolution from ops.ingest_halts"
        " where resolved_at is null and (%(topic)s::text is null or topic = %(topic)s) order by halt_id",
        {"topic": topic},
    ).fetchall()
    return [Halt(*row) for row in rows]


def held_by(halts: Collection[Halt], places: Iterable[Place]) -> set[Place]:
    """Return those of ``places`` that are not read because of ``halts``."""
    topics = {halt.topic for halt in halts if halt.partition is None}
    partitions = {(halt.topic, halt.partition) for halt in halts}
    return {place for place in places if place[0] in topics or place in partitions}


def close_halt(connection: Connection, halt_id: int, by: str, because: str) -> None:
    """Mark a halt as resolved by a person or by the facts."""
    connection.execute(
        "update ops.ingest_halts set resolved_at = clock_timestamp(), resolved_by = %s, resolved_because = %s"
        " where halt_id = %s and resolved_at is null",
        [by, because, halt_id],
    )


def close_gone(connection: Connection, places: Collection[Place], writer: str) -> None:
    """Close the halts of partitions that can be read again although nobody accepted anything (Kafka was restored)."""
    topics = {topic for topic, _ in places}
    for halt in open_halts(connection):
        if halt.reason in {BURST, MISSING} or halt.topic not in topics:
            continue
        if halt.partition is None or (halt.topic, halt.partition) in places:
            close_halt(connection, halt.halt_id, writer, "Kafka and the warehouse agree again")
