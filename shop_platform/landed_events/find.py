"""Find landed and retracted events: one by one with where they landed, or counted by what they are."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from shop_platform.dead_letters.pages import desk
from shop_platform.errors import ShopError
from shop_platform.events.personal import ERASURE
from shop_platform.ingest.offsets import Connection
from shop_platform.landed_events.selection import Selection
from shop_platform.settings import Settings


@dataclass(frozen=True)
class Landed:
    """An event as raw holds it, without its personal fields, and who took it back when and why, if somebody did."""

    event_id: uuid.UUID
    event_type: str
    source: str
    subject: str
    event_time: dt.datetime
    data: dict[str, Any]
    topic: str
    partition: int
    offset: int
    ingested_at: dt.datetime
    dead_letter_id: int | None
    retracted_at: dt.datetime | None
    retracted_by: str | None
    because: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Kind:
    """Events of one type and source: how many, and the first and the last by the time in the event."""

    events: int
    event_type: str
    source: str
    days: int
    first: dt.datetime
    last: dt.datetime


@dataclass(frozen=True)
class Twice:
    """One id under which several topics hold an event: the contract forbids it, and a producer did it."""

    event_id: uuid.UUID
    topics: list[str]


_LANDED = sql.SQL(
    "select event_id, event_type, source, subject, event_time, data, {topic} as topic, kafka_partition as partition,"
    ' kafka_offset as "offset", ingested_at, null::bigint as dead_letter_id, null::timestamptz as retracted_at,'
    " null::text as retracted_by, null::text as because from {table} where {condition}"
)
_RETRACTED = sql.SQL(
    "select event_id, event_type, source, subject, event_time, data, topic, kafka_partition as partition,"
    ' kafka_offset as "offset", ingested_at, dead_letter_id, retracted_at, retracted_by, because from ops.retractions'
    " where {condition}"
)


def _all(selection: Selection) -> tuple[sql.Composed, dict[str, Any]]:
    condition, _ = selection.condition()
    tables = [
        _LANDED.format(topic=sql.Literal(f"shop.{name}"), table=sql.Identifier("raw", name), condition=condition)
        for name in selection.topics
    ]
    standing, parameters = selection.retracted()
    return sql.SQL(" union all ").join([*tables, _RETRACTED.format(condition=standing)]), parameters


def show(settings: Settings, selection: Selection, limit: int) -> tuple[list[Landed], int]:
    """Return the first ``limit`` selected events by their time, and how many there are; unknown ids are an error."""
    query, parameters = _all(selection)
    with desk(settings) as connection:
        with connection.cursor(row_factory=class_row(Landed)) as cursor:
            found = cursor.execute(
                sql.SQL("select * from ({}) as e order by event_time, event_id limit %(limit)s").format(query),
                parameters | {"limit": limit},
            ).fetchall()
        total = len(found)
        if total == limit:
            count = connection.execute(sql.SQL("select count(*) from ({}) as e").format(query), parameters).fetchone()
            total = int(count[0]) if count else total
        demand_known(connection, selection)
    return found, total


def kinds(connection: Connection, selection: Selection, zone: str) -> list[Kind]:
    """Return the selected events that are in raw, counted by type and source; days are the shop's."""
    query, parameters = _places(selection)
    return _kinds(connection, query, parameters, zone)


def retracted_kinds(connection: Connection, selection: Selection, zone: str) -> list[Kind]:
    """Return the selected events that stand retracted, counted by type and source; days are the shop's."""
    query, parameters = _retracted_places(selection)
    return _kinds(connection, query, parameters, zone)


def in_several_topics(connection: Connection, selection: Selection, *, retracted: bool = False) -> list[Twice]:
    """Return the named ids under which several topics hold a landed (or retracted) event that is selected."""
    if not selection.ids:
        return []
    query, parameters = _retracted_places(selection) if retracted else _places(selection)
    rows = connection.execute(
        sql.SQL(
            "select event_id, array_agg(topic order by topic) from ({}) as e group by event_id having count(*) > 1"
            " order by event_id"
        ).format(query),
        parameters,
    ).fetchall()
    return [Twice(event_id, topics) for event_id, topics in rows]


def _places(selection: Selection) -> tuple[sql.Composed, dict[str, Any]]:
    condition, parameters = selection.condition()
    tables = [
        sql.SQL("select event_id, {} as topic, event_type, source, event_time from {} where {}").format(
            sql.Literal(f"shop.{name}"), sql.Identifier("raw", name), condition
        )
        for name in selection.topics
    ]
    nothing = sql.SQL("select event_id, topic, event_type, source, event_time from ops.retractions where false")
    return sql.SQL(" union all ").join([*tables, nothing]), parameters


def _retracted_places(selection: Selection) -> tuple[sql.Composed, dict[str, Any]]:
    condition, parameters = selection.retracted()
    return (
        sql.SQL("select event_id, topic, event_type, source, event_time from ops.retractions where {}").format(
            condition
        ),
        parameters,
    )


def _kinds(connection: Connection, query: sql.Composed, parameters: dict[str, Any], zone: str) -> list[Kind]:
    with connection.cursor(row_factory=class_row(Kind)) as cursor:
        return cursor.execute(
            sql.SQL(
                "select count(*) as events, event_type, source,"
                " count(distinct (event_time at time zone %(zone)s)::date) as days, min(event_time) as first,"
                " max(event_time) as last from ({}) as e group by event_type, source order by 1 desc, 2, 3"
            ).format(query),
            parameters | {"zone": zone},
        ).fetchall()


def ids_in_raw(connection: Connection, selection: Selection) -> Iterator[tuple[str, list[uuid.UUID]]]:
    """Yield each table's name and the ids of the selected events in it, in their order; erasures are left out."""
    condition, parameters = selection.condition()
    for name in selection.topics:
        rows = connection.execute(
            sql.SQL("select event_id from {} where {} and not starts_with(event_type, {}) order by event_id").format(
                sql.Identifier("raw", name), condition, sql.Literal(f"{ERASURE}.v")
            ),
            parameters,
        ).fetchall()
        if rows:
            yield name, [event_id for (event_id,) in rows]


def demand_known(connection: Connection, selection: Selection) -> None:
    """Raise :class:`ShopError` for an id of ``selection`` that is neither in raw nor retracted."""
    if not selection.ids:
        return
    query, parameters = _all(selection)
    known = {row[0] for row in connection.execute(sql.SQL("select event_id from ({}) as e").format(query), parameters)}
    for event_id in selection.ids:
        if event_id in known:
            continue
        if selection.topic is not None:
            query, parameters = _all(Selection((event_id,)))
            rows = connection.execute(sql.SQL("select distinct topic from ({}) as e").format(query), parameters)
            if elsewhere := sorted(str(topic) for (topic,) in rows):
                raise ShopError(
                    f"Event {event_id} is not in {selection.topic}: it is in {', '.join(elsewhere)}",
                    "Name that one with --topic, or none.",
                )
        letter = connection.execute(
            "select dead_letter_id from ops.dead_letters where event_id = %s order by 1 limit 1", [event_id]
        ).fetchone()
        if letter:
            raise ShopError(
                f"Event {event_id} has not landed: it is dead letter {letter[0]}",
                f"See `shop dead-letters show {letter[0]}`.",
            )
        raise ShopError(
            f"There is no landed event {event_id}",
            "`shop events show` finds events by --topic, --source, --type, --subject, --since and --until.",
        )
