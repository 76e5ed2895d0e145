"""Invariant I1: distinct produced event ids = landed + dead-lettered, disjoint, none twice; and every hour adds up."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.operations.examples import Example, name_examples
from shop_platform.operations.hours import Hours, count_hours, judge_hours, load_rows, store_hours
from shop_platform.operations.produced import load_letters, load_passed, load_produced
from shop_platform.operations.strangers import credit_repetitions, load_strangers
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]

# The producer flushes its ledger every second: an event may land before its ledger line is on the disk.
_LEDGER_FLUSH_SECONDS = 2.5


@dataclass(frozen=True)
class Reconciliation:
    """The counts behind invariant I1. ``produced`` is ``None`` without any producer's ledger (a real shop).

    All counts are of events whose Kafka offset the warehouse has passed; ``in_flight`` ones are still in Kafka.
    ``given_up`` events were removed from Kafka before they were read, and a person accepted that: they are shown, and
    do not break the invariant. ``expired`` events had landed and were removed by retention. ``foreign`` ones are of
    producers that keep no ledger beside one that does, ``mended`` ones got their id from a person. ``retracted`` are
    those of the dead letters that had landed and that a person took back. ``hours`` is the
    same account by hour of event time, message by message. ``examples`` names, by the name of the count, some of what
    breaks the invariant.
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
    given_up: int = 0
    expired: int = 0
    foreign: int = 0
    mended: int = 0
    retracted: int = 0
    hours: Hours = field(default_factory=Hours)
    examples: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)

    @property
    def ids_hold(self) -> bool:
        """Whether every id is where it should be, once, and the offsets are without a hole."""
        return not (
            self.missing or self.unexpected or self.in_both or self.landed_twice or self.offset_mismatches
        ) and (
            self.produced is None
            or self.produced + self.foreign + self.mended
            == self.landed + self.dead_lettered + self.given_up + self.expired
        )

    @property
    def holds(self) -> bool:
        """Whether the invariant holds: by id, and hour by hour."""
        return self.ids_hold and self.hours.holds

    def as_dict(self) -> dict[str, Any]:
        """Return verdict, counts and examples."""
        counts = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in {"hours", "examples"}
        }
        return {
            "holds": self.holds,
            "ids_hold": self.ids_hold,
            **counts,
            "hours": self.hours.as_dict(),
            "examples": {kind: [each.as_dict() for each in named] for kind, named in self.examples.items()},
        }


def reconcile(settings: Settings, *, record: bool = True) -> Reconciliation:
    """Compare the producers' acknowledged ledgers with what landed and what was dead-lettered.

    Reads one snapshot of the warehouse, so that it may run beside live ingestion; two calls at once run one after the
    other. ``record`` writes the outcome to ``ops.reconciliations`` and ``ops.reconciliation_hours``.
    """
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        # Before the snapshot is taken, which the first query does: two of them would change the same rows.
        connection.execute("lock table ops.reconciliation_hours in share row exclusive mode")
        _load_warehouse(connection)
        outcome = _compare(connection, settings.ledger_dir)
        if outcome.unexpected or any(hour.difference < 0 for hour in outcome.hours.worst):
            time.sleep(_LEDGER_FLUSH_SECONDS)
            outcome = _compare(connection, settings.ledger_dir)
        if record:
            store_hours(connection)
            _record(connection, outcome)
        else:
            connection.rollback()
    return outcome


def _record(connection: Connection, outcome: Reconciliation) -> None:
    connection.execute(
        "insert into ops.reconciliations"
        " (holds, produced, landed, dead_lettered, duplicates, missing, unexpected, given_up, expired,"
        " foreign_events, hours_off, detail)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            outcome.holds,
            outcome.produced,
            outcome.landed,
            outcome.dead_lettered,
            outcome.duplicates,
            outcome.missing,
            outcome.unexpected,
            outcome.given_up,
            outcome.expired,
            outcome.foreign,
            sum(outcome.hours.off.values()),
            json.dumps(outcome.as_dict()),
        ],
    )


def _load_warehouse(connection: Connection) -> None:
    union = sql.SQL(" union all ").join(
        sql.SQL("select event_id from {}").format(sql.Identifier("raw", topic.subject)) for topic in TOPICS
    )
    connection.execute(sql.SQL("create temporary table reconcile_landed on commit drop as {}").format(union))
    # Of two events that landed under one id in two topics one may have been taken back: then the id has landed, once.
    elsewhere = sql.SQL(" or ").join(
        sql.SQL("d.topic <> {} and exists (select from {} as r where r.event_id = d.event_id)").format(
            sql.Literal(topic.name), sql.Identifier("raw", topic.subject)
        )
        for topic in TOPICS
    )
    connection.execute(
        sql.SQL(
            "create temporary table reconcile_dead on commit drop as"
            " select event_id, bool_and(status = 'retracted') as retracted from ops.dead_letters as d"
            " where status <> 'replayed' and event_id is not null and not (status = 'retracted' and ({}))"
            " group by event_id"
        ).format(elsewhere)
    )
    connection.execute("analyze reconcile_landed")
    load_passed(connection)
    load_letters(connection)
    load_rows(connection)


def _compare(connection: Connection, ledger_dir: Path) -> Reconciliation:
    ledgers = load_produced(connection, ledger_dir)
    # A malformed copy may carry the id of nothing else, so the three sets are compared as sets of ids.
    connection.execute("drop table if exists reconcile_produced")
    connection.execute(
        "create temporary table reconcile_produced on commit drop as"
        " select event_id, bool_or(passed) as reached, bool_or(given_up) as given_up, bool_or(expired) as expired"
        " from (select l.*, r.until is not null and coalesce(uuid_extract_version(l.event_id), 0) in (7, 8)"
        "   and l.event_id < ops.first_id_at(r.until) and coalesce(l.hour < r.until, true) as expired"
        "   from reconcile_line as l left join (select 'shop.' || split_part(relation, '.', 2) as topic,"
        "     max(older_than) as until from ops.retention_runs where relation like 'raw.%' group by 1"
        "   ) as r using (topic)"
        " ) as lines group by 1"
    )
    connection.execute("analyze reconcile_produced")
    connection.execute(_LETTERS_WITHOUT_ID)
    produced, in_flight = _row(
        connection,
        "select count(*) filter (where reached), count(*) filter (where not reached) from reconcile_produced",
    )
    nowhere, given_up, gone = _row(
        connection,
        "select count(*), count(*) filter (where p.given_up), count(*) filter (where p.expired and not p.given_up)"
        " from reconcile_produced as p where p.reached"
        " and not exists (select from reconcile_landed as l where l.event_id = p.event_id)"
        " and not exists (select from reconcile_dead as d where d.event_id = p.event_id)",
    )
    strangers = load_strangers(connection, ledgers)
    (landed, distinct_landed) = _row(connection, "select count(*), count(distinct event_id) from reconcile_landed")
    dead, retracted = _row(connection, "select count(*), count(*) filter (where retracted) from reconcile_dead")
    (in_both,) = _row(
        connection, "select count(*) from reconcile_dead as d join reconcile_landed as l on l.event_id = d.event_id"
    )
    (unattributed,) = _row(
        connection, "select count(*) from ops.dead_letters where event_id is null and status <> 'replayed'"
    )
    (removed,) = _row(connection, "select coalesce(sum(rows_removed), 0)::bigint from ops.retention_hours")
    # No more than retention noted: what was lost before it removed the rest of that time is still missing.
    gone = min(gone, removed)
    (duplicates,) = _row(connection, "select coalesce(sum(duplicates), 0) from ops.ingest_hours")
    # Batch by batch every incarnation must be covered without a hole, a stored one up to its offset.
    (mismatches,) = _row(
        connection,
        "select count(*) from reconcile_passed as b left join ops.ingest_offsets as o"
        " on (o.topic_id, o.partition, o.incarnation) = (b.topic_id, b.partition, b.incarnation)"
        " where b.next_offset <> o.next_offset or b.covered <> b.next_offset - b.first_offset",
    )
    faults = {
        "missing": nowhere - given_up - gone,
        "unexpected": strangers.unexpected,
        "in_both": in_both,
        "landed_twice": landed - distinct_landed,
        "offset_mismatches": mismatches,
    }
    count_hours(connection, with_ledger=bool(ledgers.whole))
    if strangers.foreign and ledgers.whole:
        credit_repetitions(connection)
    return Reconciliation(
        produced=produced if ledgers.names else None,
        landed=landed,
        dead_lettered=dead,
        duplicates=duplicates,
        in_flight=in_flight,
        unattributed_dead_letters=unattributed,
        given_up=given_up,
        expired=gone if ledgers.names else removed,
        foreign=strangers.foreign if ledgers.names else 0,
        mended=strangers.mended,
        retracted=retracted,
        hours=judge_hours(connection),
        examples=name_examples(connection, ledgers, faults),
        **faults,
    )


# The ledger knows the id of a message that itself told none, or one that another event has.
_LETTERS_WITHOUT_ID: LiteralString = """
insert into reconcile_dead (event_id, retracted)
select distinct l.event_id, false
from ops.dead_letters as d
join reconcile_line as l on l.topic = d.topic and l.partition = d.partition and l."offset" = d."offset"
where d.event_id is null and d.status <> 'replayed' and l.passed
    and not exists (select from reconcile_landed as r where r.event_id = l.event_id)
    and not exists (select from reconcile_dead as other where other.event_id = l.event_id)
"""


def _row(connection: Connection, query: LiteralString) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)
