"""What lies on the desk: groups that share a cause, single letters, and one letter with everything about it."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql
from psycopg.rows import class_row, dict_row

from shop_platform.dead_letters.audit import history
from shop_platform.dead_letters.letters import stored_headers
from shop_platform.dead_letters.pages import desk
from shop_platform.dead_letters.selection import Selection
from shop_platform.errors import ShopError
from shop_platform.events.modes import structured
from shop_platform.settings import Settings

# As the query of groups says it.
_LONG_BEFORE = dt.timedelta(minutes=10)


@dataclass(frozen=True)
class Group:
    """Letters with one cause; ``example`` is the id of one from the middle of them.

    ``earlier`` came more than ten minutes before the middle one, ``with_id`` carry an event id: an order that somebody
    misses may lie among the garbage of a burst.
    """

    letters: int
    open: int
    fixed: int
    replayed: int
    discarded: int
    retracted: int
    error_class: str
    topic: str
    event_type: str | None
    schema_path: str | None
    sentence: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    earlier: int
    with_id: int
    example: int


@dataclass(frozen=True)
class Entry:
    """One letter as a list shows it: no bytes, and the reason without the values it quotes."""

    id: int
    status: str
    outcome: str | None
    error_class: str
    topic: str
    partition: int
    offset: int
    event_type: str | None
    source: str | None
    schema_path: str | None
    sentence: str
    event_id: uuid.UUID | None
    received_at: dt.datetime


_GROUPS: LiteralString = """
with chosen as (
    select
        -- Of one cause; a window compares the missing like values.
        dense_rank() over (order by error_class, topic, event_type, schema_path, error_sentence) as cause,
        dead_letter_id, status, error_class, topic, event_type, schema_path, error_sentence, received_at, event_id
    from ops.dead_letters
    where {}
),

middles as (
    select
        cause,
        percentile_disc(0.5) within group (order by received_at) as received_at,
        percentile_disc(0.5) within group (order by dead_letter_id) as dead_letter_id
    from chosen
    group by cause
)

select
    count(*) as letters,
    count(*) filter (where c.status = 'open') as open,
    count(*) filter (where c.status = 'fixed') as fixed,
    count(*) filter (where c.status = 'replayed') as replayed,
    count(*) filter (where c.status = 'discarded') as discarded,
    count(*) filter (where c.status = 'retracted') as retracted,
    min(c.error_class) as error_class,
    min(c.topic) as topic,
    min(c.event_type) as event_type,
    min(c.schema_path) as schema_path,
    -- Letters are told apart by the masked sentence; a person reads the one of the example, in words.
    (
        select ops.reason_in_words(e.error_class, e.error) from ops.dead_letters as e
        where e.dead_letter_id = m.dead_letter_id
    ) as sentence,
    min(c.received_at) as first_seen,
    max(c.received_at) as last_seen,
    count(*) filter (where c.received_at < m.received_at - interval '10 minutes') as earlier,
    count(c.event_id) as with_id,
    m.dead_letter_id as example
from chosen as c
join middles as m using (cause)
group by c.cause, m.dead_letter_id
order by count(*) desc, min(c.dead_letter_id)
"""


def mixed(found: Sequence[Group]) -> bool:
    """Tell whether some letters of ``found`` differ so much from most that a person should look.

    They came earlier, or carry an event id where most carry none: an order that somebody misses may lie in the garbage.
    """
    with_id, letters = sum(group.with_id for group in found), sum(group.letters for group in found)
    return (
        any(group.earlier for group in found)
        or 0 < with_id < letters
        or any(group.first_seen < found[0].first_seen - _LONG_BEFORE for group in found[1:])
    )


def groups(settings: Settings, selection: Selection) -> list[Group]:
    """Return the selected letters by cause, the most frequent cause first."""
    condition, parameters = selection.condition()
    query = sql.SQL(_GROUPS).format(condition)
    with desk(settings) as connection, connection.cursor(row_factory=class_row(Group)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def entries(settings: Settings, selection: Selection, limit: int) -> list[Entry]:
    """Return the selected letters one by one, oldest first; at most ``limit`` of them (0: all)."""
    condition, parameters = selection.condition()
    query = sql.SQL(
        'select dead_letter_id as id, status, outcome, error_class, topic, partition, "offset", event_type,'
        " source, schema_path, ops.reason_in_words(error_class, error) as sentence, event_id, received_at"
        " from ops.dead_letters where {}"
        " order by dead_letter_id limit nullif(%(limit)s, 0)"
    ).format(condition)
    with desk(settings) as connection, connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(query, parameters | {"limit": limit}).fetchall()


@dataclass(frozen=True)
class Details:
    """One letter: its columns as text or numbers, its values as bytes, its history."""

    columns: dict[str, Any]
    key: bytes | None
    value: bytes | None
    fixed_value: bytes | None
    history: list[dict[str, Any]]

    @property
    def document(self) -> bytes | None:
        """The whole event of a message in binary mode; ``None`` of any other one."""
        return structured(self.value, stored_headers(self.columns["headers"]))

    def as_dict(self) -> dict[str, Any]:
        """Return everything for ``--json``, whole; bytes that are no text as base64."""
        bytes_ = {"key": self.key, "value": self.value, "fixed_value": self.fixed_value, "document": self.document}
        return self.columns | {name: _readable(value) for name, value in bytes_.items()} | {"history": self.history}


def _readable(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def details(settings: Settings, letter_id: int) -> Details:
    """Return everything about one letter; raise :class:`ShopError` when there is none of that id."""
    with desk(settings) as connection:
        with connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(
                'select dead_letter_id as id, status, outcome, topic, topic_id, incarnation, partition, "offset",'
                " ops.id_of_dead_letter(event_id, error_class, error)::text as event_id, event_type, source,"
                " event_time::text, message_time::text, received_at::text,"
                " erased_at::text, error_class, error, schema_path, headers, message_key, message_value, fixed_value"
                " from ops.dead_letters"
                " where dead_letter_id = %s",
                [letter_id],
            ).fetchone()
        if row is None:
            raise ShopError(f"There is no dead letter {letter_id}", "`shop dead-letters list --each` shows the ids.")
        key, value, fixed_value = (row.pop(name) for name in ("message_key", "message_value", "fixed_value"))
        return Details(row, key, value, fixed_value, history(connection, letter_id))
