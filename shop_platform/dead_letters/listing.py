"""What lies on the desk: groups that share a cause, single letters, and one letter with everything about it."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import class_row, dict_row

from shop_platform.dead_letters.audit import history
from shop_platform.dead_letters.pages import desk
from shop_platform.dead_letters.selection import Selection
from shop_platform.errors import ShopError
from shop_platform.settings import Settings


@dataclass(frozen=True)
class Group:
    """Letters with one cause; ``example`` is the lowest id."""

    letters: int
    open: int
    fixed: int
    replayed: int
    discarded: int
    error_class: str
    topic: str
    event_type: str | None
    schema_path: str | None
    sentence: str
    first_seen: dt.datetime
    last_seen: dt.datetime
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
    schema_path: str | None
    sentence: str
    event_id: uuid.UUID | None
    received_at: dt.datetime


def groups(settings: Settings, selection: Selection) -> list[Group]:
    """Return the selected letters by cause, the most frequent cause first."""
    condition, parameters = selection.condition()
    query = sql.SQL(
        "select count(*) as letters, count(*) filter (where status = 'open') as open,"
        " count(*) filter (where status = 'fixed') as fixed, count(*) filter (where status = 'replayed') as replayed,"
        " count(*) filter (where status = 'discarded') as discarded, error_class, topic, event_type, schema_path,"
        " error_sentence as sentence, min(received_at) as first_seen, max(received_at) as last_seen,"
        " min(dead_letter_id) as example"
        " from ops.dead_letters where {} group by error_class, topic, event_type, schema_path, error_sentence"
        " order by count(*) desc, min(dead_letter_id)"
    ).format(condition)
    with desk(settings) as connection, connection.cursor(row_factory=class_row(Group)) as cursor:
        return cursor.execute(query, parameters).fetchall()


def entries(settings: Settings, selection: Selection, limit: int) -> list[Entry]:
    """Return the selected letters one by one, oldest first; at most ``limit`` of them (0: all)."""
    condition, parameters = selection.condition()
    query = sql.SQL(
        'select dead_letter_id as id, status, outcome, error_class, topic, partition, "offset", event_type,'
        " schema_path, error_sentence as sentence, event_id, received_at from ops.dead_letters where {}"
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

    def as_dict(self) -> dict[str, Any]:
        """Return everything for ``--json``; bytes that are no text as base64."""
        bytes_ = {"key": self.key, "value": self.value, "fixed_value": self.fixed_value}
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
                " event_id::text, event_type, event_time::text, message_time::text, received_at::text,"
                " erased_at::text, error_class, error, schema_path, headers, message_key, message_value, fixed_value"
                " from ops.dead_letters"
                " where dead_letter_id = %s",
                [letter_id],
            ).fetchone()
        if row is None:
            raise ShopError(f"There is no dead letter {letter_id}", "`shop dead-letters list --each` shows the ids.")
        key, value, fixed_value = (row.pop(name) for name in ("message_key", "message_value", "fixed_value"))
        return Details(row, key, value, fixed_value, history(connection, letter_id))
