"""The feed of dead letters for producers' teams: by source and type, or letter by letter, without content."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shop_platform.dead_letters.selection import NOBODY, STATUSES, Selection
from shop_platform.dead_letters.visible import one_line
from shop_platform.errors import ShopError
from shop_platform.events.places import quote
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_SOURCES_NAMED = 5
_CURSOR = re.compile(r"(\d{1,20})-(\d{1,19})")


@dataclass(frozen=True)
class Told:
    """One dead letter. ``cause`` is the same for letters that share one; ``cursor`` is where to read on."""

    cursor: str
    id: int
    received_at: dt.datetime
    source: str | None
    event_type: str | None
    topic: str
    partition: int
    offset: int
    event_id: uuid.UUID | None
    event_time: str | None
    error_class: str
    schema_path: str | None
    reason: str
    cause: str
    status: str


@dataclass(frozen=True)
class Cause:
    """Dead letters of one source and type with one cause; ``event_id`` and ``example`` are those of the newest."""

    source: str | None
    event_type: str | None
    topic: str
    error_class: str
    schema_path: str | None
    reason: str
    cause: str
    letters: int
    waiting: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    event_id: uuid.UUID | None
    example: int


_EACH: LiteralString = """
select
    _xid || '-' || dead_letter_id as cursor, dead_letter_id as id, received_at, source, event_type, topic, partition,
    "offset", event_id, event_time::text, error_class, schema_path, reason, cause, status
from ops.dead_letter_feed
where {} and {}
order by _xid, dead_letter_id
limit nullif(%(limit)s, 0)
"""
_CAUSES: LiteralString = """
with causes as (
    select
        source, event_type, cause, count(*) as letters,
        count(*) filter (where status in ('open', 'fixed')) as waiting,
        min(received_at) as first_seen, max(received_at) as last_seen, max(dead_letter_id) as example
    from ops.dead_letter_feed
    where {} and {}
    group by source, event_type, cause
)
select
    c.source, c.event_type, f.topic, f.error_class, f.schema_path, f.reason, c.cause, c.letters, c.waiting,
    c.first_seen, c.last_seen, f.event_id, c.example
from causes as c
join ops.dead_letter_feed as f on f.dead_letter_id = c.example
order by c.source nulls last, c.event_type nulls last, c.letters desc, c.example
"""


_SOURCES: LiteralString = """
select source from ops.dead_letter_feed where source is not null group by source order by count(*) desc, source
"""


def each(settings: Settings, selection: Selection, *, after: str | None = None, limit: int = 0) -> list[Told]:
    """Return letters in the order in which they came, those behind the cursor ``after``; at most ``limit`` (0: all)."""
    return _rows(settings, Told, _EACH, selection, after, {"limit": limit})


def causes(settings: Settings, selection: Selection, *, after: str | None = None) -> list[Cause]:
    """Return letters by source, type and cause."""
    return _rows(settings, Cause, _CAUSES, selection, after, {})


def nothing_lines(settings: Settings, selection: Selection, *, after: str | None = None) -> Iterator[str]:
    """Yield what is true where nothing was found: of a source that the feed has never heard of, that too."""
    source = selection.source
    others = replace(selection, source=None, statuses=STATUSES)
    is_narrow = not others.is_everything or after is not None or selection.statuses != STATUSES
    such = "No such dead letters" if is_narrow else "No dead letters"
    if source is None:
        yield f"{such}."
        return
    yield f"{such} without a source." if source == NOBODY else f"{such} of {quote(source)}."
    if source == NOBODY:
        return
    with _reader(settings) as connection:
        known = [str(row[0]) for row in connection.execute(_SOURCES).fetchall()]
    if source not in known:
        shown = ", ".join(one_line(quote(each)) for each in known[:_SOURCES_NAMED])
        more = f" and {len(known) - _SOURCES_NAMED:,} more" if len(known) > _SOURCES_NAMED else ""
        has = f"it has letters of {shown}{more}" if known else "it has none of any other source either"
        yield f"The feed knows no letter of that source at all: {has}. Is it spelled as your events spell it?"


def _rows(
    settings: Settings,
    kind: type[Any],
    query: LiteralString,
    selection: Selection,
    after: str | None,
    more: dict[str, Any],
) -> list[Any]:
    condition, parameters = selection.condition()
    behind: sql.Composable = sql.SQL("true")
    if after is not None:
        found = _CURSOR.fullmatch(after)
        if found is None:
            raise ShopError(f"'{after}' is no place in the feed", "Give the `cursor` of the last line that you read.")
        behind = sql.SQL("(_xid, dead_letter_id) > (%(xid)s::xid8, %(after)s)")
        parameters |= {"xid": found[1], "after": int(found[2])}
    with _reader(settings) as connection, connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(sql.SQL(query).format(condition, behind), parameters | more).fetchall()


@contextmanager
def _reader(settings: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with connect(settings, Role.PRODUCER, application="shop-feed", autocommit=True) as connection:
        try:
            yield connection
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege) as error:
            raise ShopError(
                "The warehouse has no feed for producers yet", "Its operator runs `shop migrate` of this version."
            ) from error
        except (psycopg.errors.DataError, psycopg.OperationalError) as error:
            raise ShopError(
                f"PostgreSQL did not give the feed: {str(error).strip().splitlines()[0]}",
                "Run the command again; --since and --limit ask for less.",
            ) from error


def each_lines(letters: Sequence[Told], limit: int) -> Iterator[str]:
    """Yield two lines per letter, and where to read on."""
    for letter in letters:
        where = "  ".join(map(one_line, (letter.source, letter.event_type, letter.error_class, letter.schema_path)))
        yield f"{letter.received_at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}  {where}  event {letter.event_id or '-'}"
        yield f"    {one_line(letter.reason)}"
    if letters and len(letters) == limit:
        yield f"At most {limit} are shown; go on with --after {letters[-1].cursor}."


def cause_lines(found: Sequence[Cause]) -> Iterator[str]:
    """Yield a heading per source and type, below it three lines per cause."""
    before = None
    for cause in found:
        if (cause.source, cause.event_type) != before:
            before = cause.source, cause.event_type
            yield f"{one_line(cause.source)}  {one_line(cause.event_type)}"
        yield f"{cause.letters:>9,}  {cause.error_class}  {one_line(cause.schema_path)}  in {cause.topic}"
        yield f"           {one_line(cause.reason)}"
        wait = {cause.letters: "all wait", 0: "none waits any more"}.get(cause.waiting, f"{cause.waiting:,} wait")
        yield (
            f"           {wait}; first {_time(cause.first_seen)}, last {_time(cause.last_seen)} UTC; for example event"
            f" {cause.event_id or 'without an id'} (dead letter {cause.example})"
        )


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"
