"""Write one batch in one transaction: rows, dead letters, ledger and offsets, or nothing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from shop_platform.events.decode import ContractViolation, ErrorClass
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.batch import DeadLetter, PartitionSlice, Row, dead_letter
from shop_platform.ingest.offsets import Connection, Position, advance, lock_positions

_COLUMNS = "event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset"


@dataclass(frozen=True)
class Written:
    """What one committed batch did to one partition."""

    position: Position
    messages: int
    landed: int
    duplicates: int
    dead: int
    max_event_time: dt.datetime | None


def write_batch(
    connection: Connection,
    slices: Sequence[PartitionSlice],
    positions: dict[tuple[str, int], Position],
    *,
    writer: str,
    started_at: dt.datetime,
) -> list[Written]:
    """Commit ``slices`` and move ``positions`` on; return the new positions with counts.

    Raises :class:`~shop_platform.ingest.offsets.FencedOutError` (nothing written) when another writer moved one of
    the partitions.
    """
    written = []
    with connection.transaction():
        lock_positions(connection, [positions[part.topic, part.partition] for part in slices])
        for topic in sorted({part.topic for part in slices}):
            parts = [part for part in slices if part.topic == topic]
            landed, rejected = _land(connection, topic, [row for part in parts for row in part.rows])
            for part in parts:
                dead = part.dead + [letter for letter in rejected if letter.partition == part.partition]
                count = landed.get(part.partition, 0)
                position = positions[topic, part.partition]
                written.append(
                    Written(
                        position=Position(topic, part.partition, position.topic_id, part.next_offset),
                        messages=part.messages,
                        landed=count,
                        duplicates=part.messages - count - len(dead),
                        dead=len(dead),
                        max_event_time=part.max_event_time,
                    )
                )
                _bury(connection, position.topic_id, dead)
                _note(connection, part, position, written[-1], writer, started_at)
                advance(connection, position, part.next_offset, writer)
    return written


def _land(connection: Connection, topic: str, rows: list[Row]) -> tuple[dict[int, int], list[DeadLetter]]:
    """Put rows into the raw table of ``topic``; return landed rows per partition and rows PostgreSQL refuses."""
    if not rows:
        return {}, []
    table = sql.Identifier("raw", TOPIC_BY_NAME[topic].subject)
    # Producers repeat themselves in nearly every batch: looking the ids up costs less than a COPY that fails.
    rows = _not_yet_landed(connection, table, rows)
    try:
        with connection.transaction():
            _copy(connection, table, rows)
        return _per_partition(row.message.partition() for row in rows), []
    except errors.UniqueViolation:
        pass  # another writer landed one of the ids just now: sort it out in a stage
    except psycopg.DataError:
        return _land_one_by_one(connection, table, rows)
    try:
        with connection.transaction():
            return _land_through_stage(connection, table, rows), []
    except psycopg.DataError:
        return _land_one_by_one(connection, table, rows)


def _not_yet_landed(connection: Connection, table: sql.Identifier, rows: list[Row]) -> list[Row]:
    found = connection.execute(
        sql.SQL("select event_id::text from {} where event_id = any(%s::uuid[])").format(table),
        [[row.event.event_id for row in rows]],
    ).fetchall()
    landed = {event_id for (event_id,) in found}
    return [row for row in rows if row.event.event_id not in landed] if landed else rows


def _land_through_stage(connection: Connection, table: sql.Identifier, rows: list[Row]) -> dict[int, int]:
    stage = sql.Identifier("pg_temp", "ingest_stage")
    connection.execute(sql.SQL("create temporary table ingest_stage (like {}) on commit drop").format(table))
    connection.execute(
        "alter table ingest_stage alter column _xid drop not null, alter column ingested_at drop not null"
    )
    _copy(connection, stage, rows)
    inserted = connection.execute(
        sql.SQL(
            "with landed as (insert into {table} ({columns}) select {columns} from {stage}"
            " on conflict (event_id) do nothing returning kafka_partition)"
            " select kafka_partition, count(*) from landed group by kafka_partition"
        ).format(table=table, columns=sql.SQL(_COLUMNS), stage=stage)
    ).fetchall()
    connection.execute("drop table ingest_stage")
    return dict(inserted)


def _land_one_by_one(
    connection: Connection, table: sql.Identifier, rows: list[Row]
) -> tuple[dict[int, int], list[DeadLetter]]:
    """Halve the batch until the rows stand alone that PostgreSQL refuses: the last resort against a poison row."""
    if len(rows) == 1:
        try:
            with connection.transaction():
                return _land_through_stage(connection, table, rows), []
        except psycopg.DataError as error:
            reason = error.diag.message_primary or str(error)
            violation = ContractViolation(ErrorClass.DATABASE_REJECTED, reason, "$.data", rows[0].event.event_type)
            return {}, [dead_letter(rows[0].message, violation)]
    landed: dict[int, int] = {}
    rejected: list[DeadLetter] = []
    middle = len(rows) // 2
    for half in (rows[:middle], rows[middle:]):
        try:
            with connection.transaction():
                counts = _land_through_stage(connection, table, half)
        except psycopg.DataError:
            counts, letters = _land_one_by_one(connection, table, half)
            rejected += letters
        for partition, count in counts.items():
            landed[partition] = landed.get(partition, 0) + count
    return landed, rejected


def _copy(connection: Connection, table: sql.Identifier, rows: Iterable[Row]) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(table, sql.SQL(_COLUMNS))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write("".join(map(_line, rows)))


def _line(row: Row) -> str:
    """Return a row as a line of COPY's text format. Only ``data`` can hold characters that need escaping."""
    event, message = row.event, row.message
    data = event.data
    if "\\" in data:
        data = data.replace("\\", "\\\\")
    if "\n" in data or "\r" in data or "\t" in data:  # only between tokens: JSON escapes them inside strings
        data = data.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    return (
        f"{event.event_id}\t{event.event_type}\t{event.source}\t{event.subject}\t{event.time.isoformat()}\t{data}\t"
        f"{message.partition()}\t{message.offset()}\n"
    )


def _per_partition(partitions: Iterable[int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for partition in partitions:
        counts[partition] = counts.get(partition, 0) + 1
    return counts


def _bury(connection: Connection, topic_id: str, letters: list[DeadLetter]) -> None:
    if not letters:
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            'insert into ops.dead_letters (topic_id, topic, partition, "offset", message_key, message_value, headers,'
            " message_time, error_class, error, schema_path, event_id, event_type)"
            " values (%s, %s, %s, %s, %s, %s, %s, to_timestamp(%s::double precision / 1000), %s, %s, %s, %s, %s)"
            ' on conflict (topic_id, partition, "offset") do nothing',
            [
                (
                    topic_id,
                    letter.topic,
                    letter.partition,
                    letter.offset,
                    letter.key,
                    letter.value,
                    _headers_json(letter),
                    letter.message_time_ms,
                    letter.error_class.value,
                    _printable(letter.error),
                    _printable(letter.schema_path),
                    letter.event_id,
                    _printable(letter.event_type),
                )
                for letter in letters
            ],
        )


def _headers_json(letter: DeadLetter) -> str:
    """Return headers as JSON pairs; a value that is not printable text is kept as hexadecimal."""
    pairs = []
    for name, value in letter.headers:
        try:
            content: object = None if value is None else value.decode()
        except UnicodeDecodeError:
            content = {"hex": (value or b"").hex()}
        if isinstance(content, str) and "\x00" in content:
            content = {"hex": (value or b"").hex()}
        pairs.append([_printable(name), content])
    return json.dumps(pairs)


def _printable(text: str | None) -> str | None:
    """Return ``text`` as PostgreSQL can store it: an error message may quote the poison."""
    return None if text is None else text.replace("\x00", "\\u0000").encode(errors="backslashreplace").decode()


def _note(
    connection: Connection,
    part: PartitionSlice,
    position: Position,
    written: Written,
    writer: str,
    started_at: dt.datetime,
) -> None:
    connection.execute(
        "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages, landed,"
        " duplicates, dead, min_event_time, max_event_time, writer, started_at)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            position.topic_id,
            part.topic,
            part.partition,
            position.next_offset,
            part.next_offset,
            written.messages,
            written.landed,
            written.duplicates,
            written.dead,
            part.min_event_time,
            part.max_event_time,
            writer,
            started_at,
        ],
    )
