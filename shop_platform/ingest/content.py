"""Tell a repetition from an id that is used again: the same id with other content is no repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec
from psycopg import sql

from shop_platform.events.apart import take_apart
from shop_platform.events.decode import ContractViolation, ErrorClass, Event
from shop_platform.events.envelope import content_of
from shop_platform.events.numbers import decode_exactly
from shop_platform.events.personal import KEPT_TEXTS, PARAMETERS_SUFFIX, Kept, family, treatment
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.events.spelling import REMOVED
from shop_platform.events.urls import source_path
from shop_platform.ingest.dead import DeadLetter, Message, dead_letter
from shop_platform.ingest.offsets import Connection

if TYPE_CHECKING:
    from shop_platform.ingest.batch import Row

_decode = msgspec.json.decode


class _Body(msgspec.Struct):
    """The part of a message in structured mode that holds ``data``."""

    specversion: str
    data: msgspec.Raw


_decode_body = msgspec.json.Decoder(_Body).decode


def reuse(message: Message, event: Event) -> DeadLetter:
    """Return the dead letter of a valid ``event`` whose id is that of another event.

    It is known by no id: under this one it would count as an event that landed and lies here at once.
    """
    violation = ContractViolation(
        ErrorClass.ID_REUSED,
        f"`id` '{event.id}' is that of another event of this topic, with other content; every event needs an id of its"
        " own, and a repetition must repeat everything",
        "$.id",
        event.type,
    )
    return replace(dead_letter(message, violation), event_id=None, event_time=event.time)


def is_repetition(event: Event, message: Message, first: Event, first_message: Message) -> bool:
    """Tell whether two events of one id say the same; whitespace and the order of fields do not matter."""
    if message.value() == first_message.value():
        return True
    try:
        return content_of(event, decode_exactly(_data(message))) == content_of(
            first, decode_exactly(_data(first_message))
        )
    except (msgspec.MsgspecError, RecursionError):
        return False


def _data(message: Message) -> bytes:
    """Return ``data`` of a valid event as it came: in binary mode it is the whole value."""
    value = message.value() or b""
    try:
        return bytes(_decode_body(value).data)
    except msgspec.MsgspecError:
        return value


def reused_places(connection: Connection, topic: str, rows: Sequence[Row]) -> set[int]:
    """Return the places in ``rows`` of those that do not say what landed under their id.

    Personal fields and texts are compared too, as long as they are there: an erasure takes them. Nothing may have
    landed: PostgreSQL refused the first event of that id.
    """
    personal = [_personal(row) for row in rows]
    found = connection.execute(
        sql.SQL(_DIFFERENT).format(table=sql.Identifier("raw", TOPIC_BY_NAME[topic].subject), topic=topic),
        [
            [row.event.id for row in rows],
            [row.event.type for row in rows],
            [source_path(row.event.source) for row in rows],
            [row.event.subject for row in rows],
            [row.event.time for row in rows],
            [bytes(row.event.data).decode() for row in rows],
            personal,
        ],
    ).fetchall()
    return {
        int(place) - 1
        for place, landed, is_retracted in found
        if not _has_lost_texts(landed, rows[place - 1].event, is_retracted=is_retracted)
    }


def _has_lost_texts(landed: str | None, event: Event, *, is_retracted: bool) -> bool:
    """Tell whether what landed differs from ``event`` in nothing but texts that were taken out of it.

    An erasure takes the texts of an event together, of which some must be there; one that is missing alone was never
    told. A code that it takes is marked, but in an event that was retracted.
    """
    texts = KEPT_TEXTS.get(family(event.type))
    if landed is None or not texts:
        return False
    try:
        first, told = _decode(landed), _decode(event.data)
    except (msgspec.MsgspecError, RecursionError):
        return False
    paths = [
        name.split(".")
        for path, how in texts.items()
        for name in ((path, path + PARAMETERS_SUFFIX) if how is Kept.PATH else (path,))
        if how in {Kept.PATH, Kept.UNTIL_ERASED}
    ]
    if all(_at(first, path) is None for path in paths):
        for path in paths:
            _take_out(told, path)
    for code in (path for path, how in texts.items() if how is Kept.CODE):
        if first.get(code) == REMOVED or (is_retracted and first.get(code) is None):
            first.pop(code, None)
            told.pop(code, None)
    return bool(first == told)


def _at(data: Any, path: list[str]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _take_out(data: dict[str, Any], path: list[str]) -> None:
    *above, name = path
    inner = _at(data, above)
    if isinstance(inner, dict):
        inner.pop(name, None)


def _personal(row: Row) -> str | None:
    treated = treatment(row.event.type)
    if treated is None:
        return None
    taken = take_apart(_data(row.message), treated)[1]
    return None if taken is None else taken.decode()


# What a person took back is compared too: it may be told again, and stays away. A value that PostgreSQL refuses cannot
# be what landed. With what landed, where nothing but the data differs.
_DIFFERENT: LiteralString = """
select n.place, case when first.event_type is not null and not o.differs and pg_input_is_valid(n.data, 'jsonb') then
    first.data::text end, coalesce(first.is_retracted, false)
from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[])
    with ordinality as n (event_id, event_type, source, subject, event_time, data, personal, place)
left join lateral (
    select r.event_type, r.source, r.subject, r.event_time, r.data, false as is_retracted
    from {table} as r where r.event_id = n.event_id
    union all
    select t.event_type, t.source, t.subject, t.event_time, t.data, true from ops.retractions as t
    where t.event_id = n.event_id and t.topic = {topic} and t.restored_at is null
    limit 1
) as first on true
left join pii.personal_data as p on (p.event_id, p.event_type) = (n.event_id, n.event_type)
cross join lateral (
    select (first.event_type, first.source, first.subject) is distinct from (n.event_type, n.source, n.subject)
        or (first.event_time <> n.event_time and first.data -> 'time_estimated' is distinct from 'true'::jsonb)
        or coalesce(case when pg_input_is_valid(n.personal, 'jsonb') then p.data <> n.personal::jsonb end, false)
        as differs
) as o
where o.differs or case when pg_input_is_valid(n.data, 'jsonb') then first.data <> n.data::jsonb else true end
"""
