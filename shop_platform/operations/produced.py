"""The producer's ledger in temporary tables: every acknowledged message, and whether the warehouse has passed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from shop_platform.events.registry import TOPICS

Connection = psycopg.Connection[Any]

_CHUNK_BYTES = 1 << 20
# They account for the events that they sent, and for nothing else that their source may send.
_PARTIAL = ("import-", "erase-")


@dataclass(frozen=True)
class Ledgers:
    """The ledgers that were loaded, by name; ``reconcile_ledger.file`` counts them from 0."""

    names: tuple[str, ...]

    @property
    def whole(self) -> tuple[int, ...]:
        """Those of producers that write down every event they send: one that is not there is unexpected."""
        return tuple(number for number, name in enumerate(self.names) if not name.startswith(_PARTIAL))


def load_passed(connection: Connection) -> None:
    """Fill ``reconcile_passed``: per incarnation of a partition the offsets that were passed, from the batches."""
    connection.execute(
        "create temporary table reconcile_passed on commit drop as"
        " select topic_id, topic, partition, incarnation, min(first_offset) as first_offset,"
        " max(next_offset) as next_offset, sum(next_offset - first_offset) as covered,"
        " min(batch_id) as begun from ops.ingest_batches group by topic_id, topic, partition, incarnation"
    )


def load_letters(connection: Connection) -> None:
    """Fill ``reconcile_letter``: at which hour the message of each dead letter is counted, replayed ones as landed.

    That is what could be read of the message, or a person put right; the producer's ledger may say another hour. Of
    replayed ones also the id under which they landed (``landed_as``): a person may have given them another one.
    """
    replayed = sql.SQL(" union all ").join(
        sql.SQL(
            'select d.topic, d.partition, d."offset", r.event_time, d.event_id from ops.dead_letters as d join {} as r'
            " on r.event_id = d.event_id where d.status = 'replayed'"
        ).format(sql.Identifier("raw", topic.subject))
        for topic in TOPICS
    )
    connection.execute(
        sql.SQL(
            'create temporary table reconcile_letter on commit drop as select distinct on (topic, partition, "offset")'
            " topic, partition, \"offset\", date_bin('1 hour', event_time, to_timestamp(0)) as hour, landed_as"
            ' from (select topic, partition, "offset", event_time, null::uuid as landed_as from ops.dead_letters'
            "   where status <> 'replayed' union all {}) as letters"
        ).format(replayed)
    )
    # Without its size the planner may compare every letter of a partition with every message of it.
    connection.execute("analyze reconcile_letter")


def load_produced(connection: Connection, ledger_dir: Path) -> Ledgers:
    """Fill ``reconcile_line`` with the lines below ``ledger_dir``; return which ledgers there are.

    :func:`load_passed` and :func:`load_letters` come first. ``reconcile_line`` is one acknowledged message: event_id,
    topic, partition, offset, file (number of its ledger), hour (null: not counted by hour), passed (the warehouse is
    behind its offset), given_up (passed, but only because a person accepted that Kafka had removed it), read_again
    (readings beyond the first). Replaces what an earlier call loaded; the tables live until the transaction ends.
    """
    connection.execute("drop table if exists reconcile_ledger, reconcile_line, reconcile_span")
    connection.execute(
        "create temporary table reconcile_ledger (event_id uuid not null, topic text not null,"
        ' partition integer not null, "offset" bigint not null, event_time text not null,'
        " file integer not null default 0) on commit drop"
    )
    files = sorted((ledger_dir / "produced").glob("*.tsv"))
    # An erasure that was killed before its event was acknowledged leaves an empty one.
    files = [path for path in files if not path.stem.startswith(_PARTIAL) or path.stat().st_size]
    for number, path in enumerate(files):
        connection.execute(
            sql.SQL("alter table reconcile_ledger alter column file set default {}").format(sql.Literal(number))
        )
        with (
            connection.cursor() as cursor,
            cursor.copy('copy reconcile_ledger (event_id, topic, partition, "offset", event_time) from stdin') as copy,
        ):
            for chunk in _whole_lines(path):
                copy.write(chunk)
    connection.execute(_SPANS)
    connection.execute(_LINES)
    connection.execute("analyze reconcile_line")
    return Ledgers(tuple(path.stem for path in files))


def _whole_lines(path: Path) -> Iterator[bytes]:
    """Yield ``path`` in chunks up to its last line feed: the producer may be in the middle of a line."""
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            head, separator, tail = (rest + chunk).rpartition(b"\n")
            rest = tail
            yield head + separator


# One span per incarnation of a partition: the offsets that were passed in it. Whatever lay below the first offset of
# the very first one was removed before anybody looked, and counts as passed.
_SPANS: LiteralString = """
create temporary table reconcile_span on commit drop as
select
    topic,
    partition,
    case when row_number() over (partition by topic, partition order by begun) = 1 then 0 else first_offset end
        as first_offset,
    next_offset,
    count(*) over (partition by topic, partition) as spans
from (
    select
        topic,
        partition,
        min(first_offset) as first_offset,
        max(next_offset) as next_offset,
        coalesce(min(begun), 9223372036854775807) as begun
    from (
        select topic_id, topic, partition, incarnation, first_offset, next_offset, begun from reconcile_passed
        union all
        select topic_id, topic, partition, incarnation, next_offset, next_offset, null from ops.ingest_offsets
    ) as passed
    group by topic_id, topic, partition, incarnation
) as incarnations
"""

# Where offsets were used twice, the n-th line of a position is passed when the position was passed n times.
_LINES: LiteralString = """
create temporary table reconcile_line on commit drop as
with
once as (
    select topic, partition, next_offset from reconcile_span where spans = 1
),
often as (
    select
        l.ctid as line,
        row_number() over (partition by l.topic, l.partition, l."offset" order by l.ctid) as nth,
        count(*) over (partition by l.topic, l.partition, l."offset") as lines,
        (
            select count(*) from reconcile_span as s
            where s.topic = l.topic and s.partition = l.partition
                and l."offset" >= s.first_offset and l."offset" < s.next_offset
        ) as readings
    from reconcile_ledger as l
    join (select distinct topic, partition from reconcile_span where spans > 1) as p using (topic, partition)
),
gaps as materialized (
    -- A gap that a person gave up: noted by the acceptance as a batch without messages. One that was closed because
    -- Kafka had the messages again has no such batch.
    select b.topic, b.partition, b.first_offset, b.next_offset
    from ops.ingest_halts as h
    join ops.ingest_batches as b
        on b.topic = h.topic and b.partition = h.partition and b.messages = 0
        and b.first_offset = (h.detail ->> 'first')::bigint and b.next_offset = (h.detail ->> 'last')::bigint + 1
    where h.reason = 'offsets_removed' and h.resolved_at is not null
),
judged as (
    select
        -- Where offsets were used twice, nobody can tell whose letter it is.
        case when once.next_offset is null then l.event_id else coalesce(letter.landed_as, l.event_id) end as event_id,
        l.topic,
        l.partition,
        l."offset",
        l.file,
        case
            when letter.topic is not null then letter.hour
            when l."offset" >= coalesce(since.next_offset, 0)
                then date_bin(
                    '1 hour',
                    -- PostgreSQL reads no displacement beyond 16 hours; the contract lets 23:59 through.
                    case
                        when l.event_time like '%Z' then cast(l.event_time as timestamptz)
                        else cast(left(l.event_time, -6) as timestamp) at time zone 'UTC'
                            - cast(right(l.event_time, 6) as interval)
                    end,
                    to_timestamp(0)
                )
        end as hour,
        coalesce(often.nth <= often.readings, l."offset" < once.next_offset, false) as passed,
        case when often.nth = often.lines then greatest(often.readings - often.lines, 0) else 0 end as read_again
    from reconcile_ledger as l
    left join once on once.topic = l.topic and once.partition = l.partition
    left join often on often.line = l.ctid
    left join reconcile_letter as letter
        on letter.topic = l.topic and letter.partition = l.partition and letter."offset" = l."offset"
    left join ops.ingest_hours_since as since on since.topic = l.topic and since.partition = l.partition
)
select
    event_id,
    topic,
    partition,
    "offset",
    file,
    hour,
    passed,
    passed and exists (
        select from gaps
        where gaps.topic = judged.topic and gaps.partition = judged.partition
            and judged."offset" >= gaps.first_offset and judged."offset" < gaps.next_offset
    ) as given_up,
    read_again
from judged
"""
