"""Which events break I1, and where they are: a few of each kind, by id, topic, partition and offset."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shop_platform.events.registry import TOPICS
from shop_platform.operations.produced import Ledgers

Connection = psycopg.Connection[Any]

NAMED = 10
"""So many of each kind are named."""


@dataclass(frozen=True)
class Place:
    """Where an event is, or was sent to. ``what`` says as what, ``told`` what else is known of it there."""

    what: str
    topic: str
    partition: int
    offset: int
    told: str

    def sentence(self) -> str:
        """Return it for a person."""
        return f"{self.what} {self.topic}/{self.partition} at offset {self.offset} ({self.told})"


@dataclass(frozen=True)
class Example:
    """One event with its places, or (without an id) offsets of a partition, in words."""

    event_id: str | None
    places: tuple[Place, ...] = ()
    told: str = ""

    def sentence(self) -> str:
        """Return it for a person."""
        return (
            self.told if self.event_id is None else f"{self.event_id}: {'; '.join(p.sentence() for p in self.places)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        if self.event_id is None:
            return {"told": self.told}
        return {"event_id": self.event_id, "places": [asdict(place) for place in self.places]}


@dataclass(frozen=True)
class _Found:
    event_id: uuid.UUID
    what: str
    topic: str
    partition: int
    offset: int
    told: str


def name_examples(
    connection: Connection, ledgers: Ledgers, faults: Mapping[str, int]
) -> dict[str, tuple[Example, ...]]:
    """Return up to :data:`NAMED` examples for each of ``faults`` that there is.

    Reads the tables that :func:`~shop_platform.operations.reconcile.reconcile` filled.
    """
    find = {
        "missing": lambda: _missing(connection, ledgers, faults["missing"]),
        "unexpected": lambda: _here(connection, _UNEXPECTED),
        "in_both": lambda: _here(connection, _IN_BOTH),
        "landed_twice": lambda: _here(connection, _TWICE),
        "offset_mismatches": lambda: _offsets(connection),
    }
    return {kind: find[kind]() for kind, count in faults.items() if count}


def _ids(connection: Connection, query: LiteralString, limit: int = NAMED) -> list[uuid.UUID]:
    return [row[0] for row in connection.execute(query, [limit])]


def _missing(connection: Connection, ledgers: Ledgers, count: int) -> tuple[Example, ...]:
    ids = _ids(connection, _MISSING, min(count, NAMED))
    found = [
        _Found(
            event_id,
            "acknowledged in",
            topic,
            partition,
            offset,
            f"event of {'an unknown hour' if hour is None else hour}, ledger {ledgers.names[file]}",
        )
        for event_id, topic, partition, offset, hour, file in connection.execute(_SENT, [ids])
    ]
    return _by_id(ids, found)


def _here(connection: Connection, query: LiteralString) -> tuple[Example, ...]:
    """Name ids by their rows in raw and their dead letters."""
    ids = _ids(connection, query)
    rows = sql.SQL(" union all ").join(
        sql.SQL(
            "select event_id, 'landed from' as what, {} as topic, kafka_partition as partition,"
            " kafka_offset as \"offset\", event_type || ' of ' || source as told from {} where event_id = any(%(ids)s)"
        ).format(topic.name, sql.Identifier("raw", topic.subject))
        for topic in TOPICS
    )
    with connection.cursor(row_factory=class_row(_Found)) as cursor:
        found = cursor.execute(sql.SQL("{} union all {}").format(rows, sql.SQL(_LETTERS)), {"ids": ids}).fetchall()
    return _by_id(ids, found)


def _by_id(ids: Sequence[uuid.UUID], found: Sequence[_Found]) -> tuple[Example, ...]:
    return tuple(
        Example(
            str(event_id),
            tuple(
                Place(each.what, each.topic, each.partition, each.offset, each.told)
                for each in found
                if each.event_id == event_id
            ),
        )
        for event_id in ids
    )


def _offsets(connection: Connection) -> tuple[Example, ...]:
    return tuple(Example(None, told=str(told)) for (told,) in connection.execute(_OFFSETS, [NAMED]))


_MISSING: LiteralString = """
select p.event_id from reconcile_produced as p
where p.reached and not p.given_up
    and not exists (select from reconcile_landed as l where l.event_id = p.event_id)
    and not exists (select from reconcile_dead as d where d.event_id = p.event_id)
order by p.expired, p.event_id
limit %s
"""

_SENT: LiteralString = """
select
    event_id, topic, partition, "offset",
    to_char(hour at time zone 'UTC', 'YYYY-MM-DD HH24:00') || ' UTC' as hour,
    file
from reconcile_line
where event_id = any(%s)
order by topic, partition, "offset"
"""

_UNEXPECTED: LiteralString = (
    "select distinct event_id from reconcile_stranger where whose = 'ledger' order by 1 limit %s"
)

_IN_BOTH: LiteralString = (
    "select event_id from reconcile_dead join reconcile_landed using (event_id) order by 1 limit %s"
)

_TWICE: LiteralString = "select event_id from reconcile_landed group by 1 having count(*) > 1 order by 1 limit %s"

_LETTERS: LiteralString = """
select
    event_id, 'dead letter ' || dead_letter_id || ' from' as what, topic, partition, "offset",
    error_class || ', ' || status as told
from ops.dead_letters
where status <> 'replayed' and event_id = any(%(ids)s)
"""

# A batch begins where the one before ended; the stored offset is where the last one ended.
_OFFSETS: LiteralString = """
with wrong as (
    select
        b.topic_id, b.topic, b.partition, b.incarnation, b.next_offset as batches_end, o.next_offset as stored,
        b.topic || '/' || b.partition
        || case when b.incarnation > 0 then ' (incarnation ' || b.incarnation || ')' else '' end as place
    from reconcile_passed as b
    left join ops.ingest_offsets as o
        on (o.topic_id, o.partition, o.incarnation) = (b.topic_id, b.partition, b.incarnation)
    where b.next_offset <> o.next_offset or b.covered <> b.next_offset - b.first_offset
),
steps as (
    select
        w.place, b.first_offset, b.batch_id,
        max(b.next_offset) over (
            partition by b.topic_id, b.partition, b.incarnation order by b.first_offset, b.next_offset, b.batch_id
            rows between unbounded preceding and 1 preceding
        ) as before
    from wrong as w
    join ops.ingest_batches as b
        on (b.topic_id, b.partition, b.incarnation) = (w.topic_id, w.partition, w.incarnation)
)
select told
from (
    select place, batches_end as at, place || ': the batches end before offset ' || batches_end
        || ', the stored offset is ' || stored as told
    from wrong where stored <> batches_end
    union all
    select place, first_offset, place || case
        when first_offset > before then
            ': no batch tells of offsets ' || before || ' to ' || first_offset - 1
        else
            ': offsets ' || first_offset || ' to ' || before - 1 || ' are in batch ' || batch_id
            || ' and in one before it'
    end
    from steps where first_offset <> before
) as told
order by place, at
limit %s
"""
