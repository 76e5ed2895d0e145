"""Put rows into a raw table by COPY, each event id once, personal fields apart; find the rows that are refused."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, LiteralString

import psycopg
from psycopg import pq, sql
from psycopg.adapt import Buffer, Dumper

from shop_platform.events.decode import ContractViolation, ErrorClass
from shop_platform.events.numbers import refused_number
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.batch import Row, TopicRows
from shop_platform.ingest.dead import DeadLetter, dead_letter
from shop_platform.ingest.encode import COLUMNS, COPY_HEADER, COPY_TRAILER, PERSONAL_COLUMNS
from shop_platform.ingest.offsets import Connection

PERSONAL_DATA = sql.Identifier("pii", "personal_data")
# A value that PostgreSQL cannot hold, or an event of a time that retention has removed: landing it would build its
# session again from a part of its events.
REFUSALS = (psycopg.DataError, psycopg.errors.CheckViolation)
_UUID_OID, _UUID_ARRAY_OID = 2950, 2951


class _Ids:
    """Event ids of 16 bytes each, as a parameter of type uuid[]."""

    def __init__(self, ids: Collection[bytes]) -> None:
        self.ids = ids


class _IdsDumper(Dumper):
    """Writes :class:`_Ids` in PostgreSQL's binary array format: some thirty times cheaper than a list of UUIDs."""

    format = pq.Format.BINARY
    oid = _UUID_ARRAY_OID

    def dump(self, obj: _Ids) -> Buffer | None:
        ints = (1, 0, _UUID_OID, len(obj.ids), 1)  # dimensions, no nulls, type, length, first index
        head = b"".join(number.to_bytes(4, "big") for number in ints)
        length = b"\x00\x00\x00\x10"
        return head + b"".join([length + event_id for event_id in obj.ids])


def prepare(connection: Connection) -> None:
    """Teach ``connection`` what landing needs; once, before the first call of the other functions."""
    connection.adapters.register_dumper(_Ids, _IdsDumper)


def raw_table(topic: str) -> sql.Identifier:
    """Return the raw table that ``topic`` lands in."""
    return sql.Identifier("raw", TOPIC_BY_NAME[topic].subject)


def highest_id(connection: Connection, topic: str, ceiling: bytes) -> bytes:
    """Return the highest event id below ``ceiling`` in the raw table of ``topic``; empty when there is none."""
    row = connection.execute(
        sql.SQL("select event_id from {} where event_id < %s order by event_id desc limit 1").format(raw_table(topic)),
        [uuid.UUID(bytes=ceiling)],
    ).fetchone()
    return row[0].bytes if row else b""


def landed_ids(connection: Connection, topic: str, ids: Collection[bytes]) -> set[bytes]:
    """Return those of ``ids`` that the raw table of ``topic`` holds already."""
    if not ids:
        return set()
    found = connection.execute(
        sql.SQL("select event_id from {} where event_id = any(%b)").format(raw_table(topic)), [_Ids(ids)]
    ).fetchall()
    return {event_id.bytes for (event_id,) in found}


def anything_retracted(connection: Connection) -> bool:
    """Return whether any event stands retracted; asked behind the fence, or a retraction could commit in between."""
    query = "select exists (select from ops.retractions where restored_at is null)"
    return connection.execute(query).fetchone() == (True,)


def retracted_ids(connection: Connection, topic: str, ids: Collection[bytes]) -> set[bytes]:
    """Return those of ``ids`` that had landed and were taken back by a person: they must not land again."""
    found = connection.execute(
        "select event_id from ops.retractions where restored_at is null and topic = %s and event_id = any(%b)",
        [topic, _Ids(ids)],
    ).fetchall()
    return {event_id.bytes for (event_id,) in found}


def land(connection: Connection, topic: str, rows: TopicRows, *, retracted: bool = False) -> set[bytes]:
    """Copy ``rows`` into the raw table of ``topic``; return the ids that had landed before and were left out.

    The personal fields of those that land go to ``pii.personal_data``.

    Only the suspects are looked up; with ``retracted``, all ids among the events that a person took back, too. Raises
    :class:`psycopg.errors.UniqueViolation` when another id had landed, or one of :data:`REFUSALS` when PostgreSQL
    refuses a row: the transaction is lost then, and :func:`land_carefully` has to be used in a new one.
    """
    known = landed_ids(connection, topic, rows.suspects)
    if retracted:
        known |= retracted_ids(connection, topic, rows.ids)
    copies = rows.copies
    if known:
        copies = [copy for event_id, copy in zip(rows.ids, copies, strict=True) if event_id not in known]
    if copies:
        _send(connection, raw_table(topic), COLUMNS, copies)
    if rows.personal:
        personal = [copy for event_id, copy in rows.personal.values() if event_id not in known]
        _send(connection, PERSONAL_DATA, PERSONAL_COLUMNS, personal)
    return known


def land_carefully(
    connection: Connection, topic: str, rows: Sequence[Row]
) -> tuple[set[bytes], list[tuple[Row, DeadLetter]]]:
    """Land ``rows`` whatever happens; return ids that had landed before, and refused rows with their dead letters.

    Every id is looked up. When PostgreSQL refuses a value the rows are halved until the poison stands alone; its
    neighbours land.
    """
    ids = [row.event_id for row in rows]
    known = landed_ids(connection, topic, ids)
    if anything_retracted(connection):
        known |= retracted_ids(connection, topic, ids)
    # In the order of their ids: two writers that are careful at the same time cannot deadlock.
    fresh = sorted((row for row in rows if row.event_id not in known), key=itemgetter(0))
    refused: list[tuple[Row, DeadLetter]] = []
    _land_halves(connection, topic, fresh, known, refused)
    return known, refused


def _land_halves(
    connection: Connection, topic: str, rows: Sequence[Row], known: set[bytes], refused: list[tuple[Row, DeadLetter]]
) -> None:
    if not rows:
        return
    try:
        with connection.transaction():
            known |= _land_through_stage(connection, topic, rows)
        return
    except REFUSALS as error:
        if len(rows) == 1:
            reason = error.diag.message_primary or str(error)
            event = rows[0].event
            violation = ContractViolation(ErrorClass.DATABASE_REJECTED, reason, "$.data", event.type)
            if isinstance(error, psycopg.DataError):
                violation = refused_number(bytes(event.data), event.type) or violation
            letter = dead_letter(rows[0].message, violation)
            # As the contract's reader read them, where nobody else can.
            event_id, event_time = letter.event_id or str(event.id), letter.event_time or event.time
            refused.append((rows[0], replace(letter, event_id=event_id, event_time=event_time)))
            return
    middle = len(rows) // 2
    _land_halves(connection, topic, rows[:middle], known, refused)
    _land_halves(connection, topic, rows[middle:], known, refused)


def _land_through_stage(connection: Connection, topic: str, rows: Sequence[Row]) -> set[bytes]:
    """Land through a temporary table, so that an id another writer landed a moment ago is left out, not an error."""
    stage = sql.Identifier("pg_temp", "ingest_stage")
    connection.execute(sql.SQL("create temporary table ingest_stage (like {}) on commit drop").format(raw_table(topic)))
    connection.execute(
        "alter table ingest_stage alter column _xid drop not null, alter column ingested_at drop not null"
    )
    copy_rows(connection, stage, rows)
    inserted: list[tuple[Any]] = connection.execute(
        sql.SQL(
            "insert into {table} ({columns}) select {columns} from {stage}"
            " on conflict (event_id) do nothing returning event_id"
        ).format(table=raw_table(topic), columns=sql.SQL(COLUMNS), stage=stage)
    ).fetchall()
    connection.execute("drop table ingest_stage")
    landed = {event_id.bytes for (event_id,) in inserted}
    personal = [row.personal for row in rows if row.personal is not None and row.event_id in landed]
    if personal:
        _land_personal_through_stage(connection, personal)
    if len(inserted) == len(rows):
        return set()
    return {row.event_id for row in rows} - landed


def _land_personal_through_stage(connection: Connection, copies: list[bytes]) -> None:
    """The same for personal fields; a row that is there although its event was not is left as it is."""
    stage = sql.Identifier("pg_temp", "ingest_personal")
    connection.execute(
        sql.SQL("create temporary table ingest_personal on commit drop as select {} from {} with no data").format(
            sql.SQL(PERSONAL_COLUMNS), PERSONAL_DATA
        )
    )
    _send(connection, stage, PERSONAL_COLUMNS, copies)
    connection.execute(
        sql.SQL("insert into {table} ({columns}) select {columns} from {stage} on conflict do nothing").format(
            table=PERSONAL_DATA, columns=sql.SQL(PERSONAL_COLUMNS), stage=stage
        )
    )
    connection.execute("drop table ingest_personal")


def copy_rows(connection: Connection, table: sql.Identifier, rows: Iterable[Row]) -> None:
    """Copy ``rows`` into ``table``; what PostgreSQL refuses is raised as it comes."""
    _send(connection, table, COLUMNS, [row.copy for row in rows])


def _send(connection: Connection, table: sql.Identifier, columns: LiteralString, copies: list[bytes]) -> None:
    """Send COPY tuples in one piece: few system calls, and the interpreter is free meanwhile."""
    statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(table, sql.SQL(columns))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(b"".join((COPY_HEADER, *copies, COPY_TRAILER)))
