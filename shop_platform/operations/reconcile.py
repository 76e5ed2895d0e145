"""Invariant I1: distinct produced event ids = landed + dead-lettered, disjoint, none twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]

# The producer flushes its ledger every second: an event may land before its ledger line is on the disk.
_LEDGER_FLUSH_SECONDS = 2.5
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Reconciliation:
    """The counts behind invariant I1. ``produced`` is ``None`` without a producer's ledger (a real shop).

    All counts are of events whose Kafka offset the warehouse has passed; ``in_flight`` ones are still in Kafka.
    """

    produced: int | None
    landed: int
    dead_lettered: int
    duplicates: int
    in_flight: int
    missing: int
    unexpected: int
    in_both: int
    landed_twice: int
    unattributed_dead_letters: int
    offset_mismatches: int

    @property
    def holds(self) -> bool:
        """Whether the invariant holds."""
        return not (
            self.missing or self.unexpected or self.in_both or self.landed_twice or self.offset_mismatches
        ) and (self.produced is None or self.produced == self.landed + self.dead_lettered)

    def as_dict(self) -> dict[str, Any]:
        """Return verdict and counts."""
        return {"holds": self.holds, **asdict(self)}


def reconcile(settings: Settings, *, record: bool = True) -> Reconciliation:
    """Compare the producer's acknowledged ledger with what landed and what was dead-lettered.

    Reads one snapshot of the warehouse, so that it may run beside live ingestion; ``record`` writes the outcome to
    ``ops.reconciliations``.
    """
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        _load_warehouse(connection)
        outcome = _compare(connection, settings.ledger_dir)
        if outcome.unexpected:
            time.sleep(_LEDGER_FLUSH_SECONDS)
            connection.execute("truncate reconcile_ledger")
            outcome = _compare(connection, settings.ledger_dir)
        connection.rollback()
    if record:
        with connect(settings, Role.ORCHESTRATOR) as connection:
            connection.execute(
                "insert into ops.reconciliations"
                " (holds, produced, landed, dead_lettered, duplicates, missing, unexpected, detail)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    outcome.holds,
                    outcome.produced,
                    outcome.landed,
                    outcome.dead_lettered,
                    outcome.duplicates,
                    outcome.missing,
                    outcome.unexpected,
                    json.dumps(outcome.as_dict()),
                ],
            )
    return outcome


def _load_warehouse(connection: Connection) -> None:
    union = sql.SQL(" union all ").join(
        sql.SQL("select event_id from {}").format(sql.Identifier("raw", topic.subject)) for topic in TOPICS
    )
    connection.execute(sql.SQL("create temporary table reconcile_landed on commit drop as {}").format(union))
    connection.execute(
        "create temporary table reconcile_dead on commit drop as"
        " select distinct event_id from ops.dead_letters where status <> 'replayed' and event_id is not null"
    )
    connection.execute(
        "create temporary table reconcile_ledger (event_id uuid not null, topic text not null,"
        ' partition integer not null, "offset" bigint not null, event_time text) on commit drop'
    )
    connection.execute("analyze reconcile_landed")


def _compare(connection: Connection, ledger_dir: Path) -> Reconciliation:
    with_ledger = _load_ledger(connection, ledger_dir)
    # A malformed copy may carry the id of nothing else, so the three sets are compared as sets of ids.
    connection.execute(
        "create temporary table reconcile_produced on commit drop as"
        " select l.event_id, bool_or(l.offset < o.next_offset) as reached from reconcile_ledger as l"
        " left join ops.ingest_offsets as o on o.topic = l.topic and o.partition = l.partition group by l.event_id"
    )
    connection.execute("analyze reconcile_produced")
    produced, in_flight = _row(
        connection,
        "select count(*) filter (where reached), count(*) filter (where not coalesce(reached, false))"
        " from reconcile_produced",
    )
    (missing,) = _row(
        connection,
        "select count(*) from reconcile_produced as p where p.reached"
        " and not exists (select from reconcile_landed as l where l.event_id = p.event_id)"
        " and not exists (select from reconcile_dead as d where d.event_id = p.event_id)",
    )
    (unexpected,) = _row(
        connection,
        "select count(*) from (select event_id from reconcile_landed union select event_id from reconcile_dead) as w"
        " where not exists (select from reconcile_produced as p where p.event_id = w.event_id)",
    )
    (landed, distinct_landed) = _row(connection, "select count(*), count(distinct event_id) from reconcile_landed")
    (dead,) = _row(connection, "select count(*) from reconcile_dead")
    (in_both,) = _row(
        connection, "select count(*) from reconcile_dead as d join reconcile_landed as l on l.event_id = d.event_id"
    )
    (unattributed,) = _row(connection, "select count(*) from ops.dead_letters where event_id is null")
    (duplicates,) = _row(connection, "select coalesce(sum(duplicates), 0) from ops.ingest_batches")
    # Batch by batch each partition must be covered without a hole up to the stored offset.
    (mismatches,) = _row(
        connection,
        "select count(*) from ops.ingest_offsets as o join (select topic_id, partition, max(next_offset) as reached,"
        " sum(next_offset - first_offset) as covered, min(first_offset) as first from ops.ingest_batches"
        " group by topic_id, partition) as b using (topic_id, partition)"
        " where b.reached <> o.next_offset or b.covered <> b.reached - b.first",
    )
    connection.execute("drop table reconcile_produced")
    return Reconciliation(
        produced=produced if with_ledger else None,
        landed=landed,
        dead_lettered=dead,
        duplicates=duplicates,
        in_flight=in_flight,
        missing=missing,
        unexpected=unexpected if with_ledger else 0,
        in_both=in_both,
        landed_twice=landed - distinct_landed,
        unattributed_dead_letters=unattributed,
        offset_mismatches=mismatches,
    )


def _load_ledger(connection: Connection, ledger_dir: Path) -> bool:
    files = sorted((ledger_dir / "produced").glob("*.tsv"))
    with (
        connection.cursor() as cursor,
        cursor.copy('copy reconcile_ledger (event_id, topic, partition, "offset", event_time) from stdin') as copy,
    ):
        for path in files:
            for chunk in _whole_lines(path):
                copy.write(chunk)
    return bool(files)


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield ``path`` in chunks up to its last line feed: the producer may be in the middle of a line."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            head, separator, tail = (rest + chunk).rpartition(b"\n")
            rest = tail
            yield head + separator


def _row(connection: Connection, query: LiteralString) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
