"""Drop whole partitions of a raw table: years that are over and that every mart has read."""

from __future__ import annotations

import datetime as dt
from typing import LiteralString

from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.operations.hours import COUNTED_HOUR
from shop_platform.operations.retention_record import Connection, Removal, record, removed_until

_TOPIC_OF = {topic.subject: topic.name for topic in TOPICS}

# A random id may lie in any range, and a clock may have gone wrong: a row goes when its id and its time both say so.
_TIMED: LiteralString = "coalesce(uuid_extract_version(event_id), 0) in (7, 8)"


def shorten_raw(connection: Connection, table: str, months: int, *, now: dt.datetime, actor: str) -> Removal:
    """Drop the partitions of ``raw.<table>`` that end ``months`` before ``now`` or earlier, and record what went.

    Rows of theirs with an id that holds no time, or with a later time, stay in the first partition, which from then on
    refuses older events. Personal fields go with their events. ``connection`` is the administrator's, in a transaction,
    while no model is built.
    """
    relation = f"raw.{table}"
    horizon = _months_before(now, months)
    parts, edge = _due(connection, relation, horizon)
    if edge is None:
        return Removal(relation, None, note=f"no partition ends before {horizon:%Y-%m-%d}")
    if removed_until(connection, relation) == edge:
        return Removal(relation, edge, note="removed before")
    names = [sql.Identifier("raw", part) for part in parts]
    # Nobody adds to them from here on; who reads goes on until they are dropped.
    connection.execute(sql.SQL("lock table {} in share row exclusive mode").format(sql.SQL(", ").join(names)))
    if unread := _unread(connection, names):
        return Removal(relation, edge, note=unread, blocked=True)
    size = _number(connection, "select coalesce(sum(pg_total_relation_size(p.partition_oid)), 0)::bigint"
                               " from ops.partitions as p where p.relation = %s and p.partition = any(%s)",
                   [relation, parts])  # fmt: skip
    rows = _count_hours(connection, table, names, edge)
    personal = _forget_personal(connection, table, edge)
    kept = _replace(connection, table, names, edge)
    detail = {"partitions": parts, "bytes": size, "rows_kept": kept, "personal_data": personal}
    removal = Removal(relation, edge, rows, f"kept for {months} months", detail=detail)
    record(connection, removal, actor)
    return removal


def _months_before(now: dt.datetime, months: int) -> dt.datetime:
    """Return the first instant (UTC) of the month ``months`` before that of ``now``."""
    count = now.astimezone(dt.UTC).year * 12 + now.astimezone(dt.UTC).month - 1 - months
    return dt.datetime(count // 12, count % 12 + 1, 1, tzinfo=dt.UTC)


def _due(connection: Connection, relation: str, horizon: dt.datetime) -> tuple[list[str], dt.datetime | None]:
    found = connection.execute(
        "select partition, until_time from ops.partitions where relation = %s and until_time <= %s order by until_time",
        [relation, horizon],
    ).fetchall()
    return [str(name) for name, _ in found], max((until for _, until in found), default=None)


def _unread(connection: Connection, names: list[sql.Identifier]) -> str:
    """Return which mart lacks rows of ``names``, as a sentence; empty when all marts have read all of them."""
    behind = connection.execute(
        "select model, ceiling::text from ops.model_watermarks where model like 'marts.%'"
        " order by ceiling, model limit 1"
    ).fetchone()
    if behind is None:
        return "no mart has read it yet: build the models first (`shop demo`, or the job 'transform')"
    model, ceiling = behind
    for name in names:
        newer = connection.execute(
            sql.SQL("select exists (select from {} where _xid >= %s::xid8)").format(name), [ceiling]
        ).fetchone()
        if newer == (True,):
            return (
                f"{model} has not read all of it: build it (job 'transform'), or, if there is no such model any more,"
                " delete its row from ops.model_watermarks"
            )
    return ""


def _going(names: list[sql.Identifier]) -> sql.Composed:
    """Return a query for the rows of ``names`` that go; the parameter is the edge."""
    return sql.SQL(" union all ").join(
        sql.SQL("select * from {} where {} and event_time < %(edge)s").format(name, sql.SQL(_TIMED)) for name in names
    )


def _count_hours(connection: Connection, table: str, names: list[sql.Identifier], edge: dt.datetime) -> int:
    topic = _TOPIC_OF[table]
    counted = connection.execute(
        sql.SQL(
            "with going as ({going}),"
            " hours as (select r.kafka_partition, {hour} as event_hour, count(*) as rows_removed from going as r"
            "   left join ops.ingest_hours_since as c on c.topic = %(topic)s and c.partition = r.kafka_partition"
            "   group by 1, 2),"
            " noted as (insert into ops.retention_hours as h (topic, partition, event_hour, rows_removed)"
            "   select %(topic)s, kafka_partition, event_hour, rows_removed from hours"
            "   on conflict on constraint retention_hours_grain"
            "   do update set rows_removed = h.rows_removed + excluded.rows_removed)"
            " select coalesce(sum(rows_removed), 0)::bigint from hours"
        ).format(going=_going(names), hour=sql.SQL(COUNTED_HOUR)),
        {"edge": edge, "topic": topic},
    ).fetchone()
    return int(counted[0]) if counted else 0


def _forget_personal(connection: Connection, table: str, edge: dt.datetime) -> int:
    return connection.execute(
        sql.SQL(
            "delete from pii.personal_data where event_id < ops.first_id_at(%(edge)s) and {timed}"
            " and event_time < %(edge)s and starts_with(event_type, %(types)s)"
        ).format(timed=sql.SQL(_TIMED)),
        {"edge": edge, "types": f"shop.{table}."},
    ).rowcount


def _replace(connection: Connection, table: str, names: list[sql.Identifier], edge: dt.datetime) -> int:
    """Put a first partition up to ``edge`` in the place of ``names``, with the rows that stay; return how many."""
    parent, first, stays = sql.Identifier("raw", table), f"{table}_before", sql.Identifier("raw", f"{table}_stays")
    connection.execute(sql.SQL("create table {} (like {} including defaults including storage)").format(stays, parent))
    kept = 0
    for name in names:
        kept += connection.execute(
            sql.SQL("insert into {} select * from {} where not ({} and event_time < %s)").format(
                stays, name, sql.SQL(_TIMED)
            ),
            [edge],
        ).rowcount
    connection.execute(sql.SQL("drop table {}").format(sql.SQL(", ").join(names)))
    connection.execute(sql.SQL("alter table {} rename to {}").format(stays, sql.Identifier(first)))
    before = sql.Identifier("raw", first)
    connection.execute(
        sql.SQL("alter table {} add constraint {} check (not ({} and event_time < {}))").format(
            before, sql.Identifier(f"not_before_{edge:%Y_%m_%d}"), sql.SQL(_TIMED), sql.Literal(edge)
        )
    )
    until = connection.execute("select ops.first_id_at(%s)::text", [edge]).fetchone()
    assert until is not None
    connection.execute(
        sql.SQL("alter table {} attach partition {} for values from (minvalue) to ({})").format(
            parent, before, sql.Literal(until[0])
        )
    )
    connection.execute(
        sql.SQL("comment on table {} is {}").format(
            before,
            sql.Literal(
                f"Events of {table} below the first year with a partition. Those before {edge:%Y-%m-%d} were removed by"
                " retention; one that still arrives is refused and becomes a dead letter."
            ),
        )
    )
    return kept


def _number(connection: Connection, query: LiteralString, parameters: list[object]) -> int:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return int(row[0])
