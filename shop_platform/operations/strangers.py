"""Events that no ledger knows: those that should be in their producer's, and those of producers without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.generator.ledger import SOURCES
from shop_platform.operations.erase import SOURCE as ERASURE
from shop_platform.operations.hours import COUNTED_HOUR
from shop_platform.operations.produced import Ledgers

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Strangers:
    """How many ids no ledger knows.

    ``unexpected``: their producer keeps a ledger, so they should be in it. ``foreign``: it keeps none. ``mended``: a
    person gave the event that id when a dead letter was fixed.
    """

    unexpected: int
    foreign: int
    mended: int


def load_strangers(connection: Connection, ledgers: Ledgers) -> Strangers:
    """Count the ids that no ledger knows, and tell whose they are.

    A landed event is its source's. A source is accounted for when the platform sends under that name, or when a ledger
    that tells everything (:attr:`Ledgers.whole`) has an event of it. A dead letter need not tell a source, and whoever
    sent it, it is there: it is expected unless the ledger says that another message stood at its place.

    ``reconcile_landed``, ``reconcile_dead``, ``reconcile_produced`` and the ledger's tables come first. Fills
    ``reconcile_stranger``, one row or letter of such an id (event_id, landed, topic, partition, offset, hour,
    event_type, source, whose: ``ledger``, ``nobody`` or ``desk``), and ``reconcile_foreign``, one message that no
    ledger has at its place (topic, partition, hour): that of a row, or of a dead letter with or without an id. Both
    stay empty when no ledger tells everything: then nothing is unexpected, and hours are not compared with what was
    produced. Replaces what an earlier call filled.
    """
    connection.execute("drop table if exists reconcile_stranger_id, reconcile_stranger, reconcile_foreign")
    connection.execute(_EMPTY)
    if not ledgers.whole:
        (foreign,) = _count(connection, _COUNT)
        return Strangers(0, foreign, 0)
    connection.execute(_IDS)
    connection.execute("analyze reconcile_stranger_id")
    _load_rows(connection)
    connection.execute(_LETTERS)
    sources = _sources_with_a_ledger(connection, ledgers)
    connection.execute("analyze reconcile_stranger")
    for judgement in _JUDGE:
        connection.execute(judgement, {"sources": sources})
    connection.execute(_FOREIGN)
    unexpected, foreign, mended = _count(connection, _COUNT_EACH)
    return Strangers(unexpected, foreign, mended)


def credit_repetitions(connection: Connection) -> None:
    """Count in ``reconcile_hour`` as produced what producers without a ledger sent twice, or retention removed of them.

    Of such a message nothing is left but a count by hour. How many there were is known by partition: messages that were
    read, less those in the ledger, less those that are still there. If that is enough for what the partition's hours
    have too much, and each hour has so many repetitions, nothing is wrong with them. Only for topics to which somebody
    without a ledger sends events.
    """
    connection.execute(_CREDIT)


def _load_rows(connection: Connection) -> None:
    rows = sql.SQL(" union all ").join(
        sql.SQL(
            'select event_id, true, {topic}, r.kafka_partition, r.kafka_offset as "offset", {hour}, r.event_type,'
            " r.source from reconcile_stranger_id join {table} as r using (event_id)"
            " left join ops.ingest_hours_since as c on c.topic = {topic} and c.partition = r.kafka_partition"
        ).format(topic=topic.name, hour=sql.SQL(COUNTED_HOUR), table=sql.Identifier("raw", topic.subject))
        for topic in TOPICS
    )
    connection.execute(
        sql.SQL(
            'insert into reconcile_stranger (event_id, landed, topic, partition, "offset", hour, event_type, source) {}'
        ).format(rows)
    )


def _sources_with_a_ledger(connection: Connection, ledgers: Ledgers) -> list[str]:
    known = SOURCES | {ERASURE}
    rows = connection.execute("select distinct source from reconcile_stranger where source is not null").fetchall()
    if not (asked := sorted({str(source) for (source,) in rows} - known)):
        return sorted(known)
    found = sql.SQL(" union ").join(
        sql.SQL(
            "select distinct r.source from {} as r where r.source = any(%(asked)s) and exists ("
            " select from reconcile_line as l where l.event_id = r.event_id and l.file = any(%(whole)s))"
        ).format(sql.Identifier("raw", topic.subject))
        for topic in TOPICS
    )
    learned = connection.execute(found, {"asked": asked, "whole": list(ledgers.whole)}).fetchall()
    return sorted(known | {str(source) for (source,) in learned})


def _count(connection: Connection, query: LiteralString) -> tuple[int, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)


_EMPTY: LiteralString = """
create temporary table reconcile_stranger (
    event_id uuid, landed boolean, topic text, partition integer, "offset" bigint, hour timestamptz, event_type text,
    source text, whose text
) on commit drop;
create temporary table reconcile_foreign (topic text, partition integer, hour timestamptz) on commit drop
"""

_COUNT: LiteralString = """
select count(*)
from (select event_id from reconcile_landed union select event_id from reconcile_dead) as here
where not exists (select from reconcile_produced as p where p.event_id = here.event_id)
"""

_IDS: LiteralString = """
create temporary table reconcile_stranger_id on commit drop as
select event_id
from (select event_id from reconcile_landed union select event_id from reconcile_dead) as here
where not exists (select from reconcile_produced as p where p.event_id = here.event_id)
"""

_LETTERS: LiteralString = """
insert into reconcile_stranger (event_id, landed, topic, partition, "offset", hour, event_type)
select
    event_id, false, d.topic, d.partition, d."offset", date_bin('1 hour', d.event_time, to_timestamp(0)), d.event_type
from reconcile_stranger_id join ops.dead_letters as d using (event_id)
where d.status <> 'replayed'
"""

# An event that is unexpected once is, wherever else its id is.
_COUNT_EACH: LiteralString = """
select
    count(*) filter (where unexpected), count(*) filter (where not unexpected and not mended),
    count(*) filter (where not unexpected and mended)
from (
    select bool_or(whose = 'ledger') as unexpected, bool_or(whose = 'desk') as mended
    from reconcile_stranger group by event_id
) as ids
"""

_JUDGE: tuple[LiteralString, ...] = (
    """
    update reconcile_stranger
    set whose = case when landed and source = any(%(sources)s) then 'ledger' else 'nobody' end
    """,
    """
    update reconcile_stranger as s set whose = 'ledger'
    from reconcile_line as l
    where not s.landed and l.topic = s.topic and l.partition = s.partition and l."offset" = s."offset"
    """,
    # Whoever mends a message gives it an id, and may copy the source of another event.
    """
    update reconcile_stranger as s set whose = 'desk'
    from ops.dead_letters as d
    where s.landed and s.whose = 'ledger' and d.event_id = s.event_id and d.status = 'replayed'
        and d.topic = s.topic and d.partition = s.partition and d."offset" = s."offset"
    """,
)

_FOREIGN: LiteralString = """
insert into reconcile_foreign (topic, partition, hour)
select topic, partition, hour
from (
    select topic, partition, "offset", hour from reconcile_stranger where whose <> 'ledger'
    union all
    select topic, partition, "offset", date_bin('1 hour', event_time, to_timestamp(0))
    from ops.dead_letters where event_id is null and status <> 'replayed'
) as here
where not exists (
    select from reconcile_line as l
    where l.topic = here.topic and l.partition = here.partition and l."offset" = here."offset"
)
"""

_CREDIT: LiteralString = """
with unaccounted as (
    select topic, partition, sum(messages) as messages
    from (
        select topic, partition, messages from ops.ingest_batches
        union all
        select topic, partition, -read_again - case when passed and not given_up then 1 else 0 end from reconcile_line
        union all
        select topic, partition, -1 from reconcile_stranger where whose = 'ledger'
        union all
        select topic, partition, -1 from reconcile_foreign
    ) as counted
    where topic in (select s.topic from reconcile_stranger as s where s.whose = 'nobody')
    group by topic, partition
),
surplus as (
    select h.topic, h.partition, h.event_hour, -h.difference as messages
    from reconcile_hour as h
    left join ops.retention_hours as r
        on r.topic = h.topic and r.partition = h.partition and r.event_hour is not distinct from h.event_hour
    where h.difference < 0 and -h.difference <= h.duplicates + coalesce(r.rows_removed, 0)
),
explained as (
    select topic, partition
    from surplus join unaccounted as u using (topic, partition)
    group by topic, partition, u.messages
    having sum(surplus.messages) <= u.messages
)
update reconcile_hour as h set produced = h.produced + s.messages
from surplus as s join explained using (topic, partition)
where h.topic = s.topic and h.partition = s.partition and h.event_hour is not distinct from s.event_hour
"""
