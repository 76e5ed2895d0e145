"""Walk through selected letters in transactions of bounded size, each letter locked while it is worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from psycopg import OperationalError, errors, sql

from shop_platform.dead_letters.letters import COLUMNS, Letter
from shop_platform.dead_letters.selection import Selection
from shop_platform.errors import ShopError
from shop_platform.ingest.land import prepare
from shop_platform.ingest.offsets import Connection
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

PAGE_LETTERS = 5_000
# A letter may hold a megabyte and more: a page ends before this many bytes of values (with one letter at least).
_PAGE_BYTES = 32 * 1024 * 1024
_DEADLOCK_TRIES = 5
_T = TypeVar("_T")


@contextmanager
def desk(settings: Settings) -> Iterator[Connection]:
    """Give a connection that may write to the desk; a server that goes away becomes a :class:`ShopError`."""
    with connect(settings, Role.INGEST, autocommit=True) as connection:
        prepare(connection)
        try:
            yield connection
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction) as error:
            raise ShopError(
                f"The warehouse has no dead-letter desk yet: {_reason(error)}", "Run `shop migrate`."
            ) from error
        except OperationalError as error:
            raise ShopError(
                f"PostgreSQL did not finish the work: {_reason(error)}",
                "Every transaction that was committed is kept, the last one was undone whole. Run the command again: it"
                " goes on with what is left.",
            ) from error


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def in_pages(
    connection: Connection,
    selection: Selection,
    work: Callable[[Connection, list[Letter]], _T],
    *,
    page: int = PAGE_LETTERS,
    skip_locked: bool = False,
    keep: bool = True,
) -> Iterator[_T]:
    """Do ``work`` on one page of letters after the other and yield what it returned, once it is committed.

    With ``skip_locked`` letters that another process works on are left out instead of waited for. With ``keep`` false
    every page is rolled back. A page that a deadlock undid is done again, so ``work`` may only change the database.
    """
    after = 0
    while True:
        for attempt in range(1, _DEADLOCK_TRIES + 1):
            try:
                with connection.transaction(force_rollback=not keep):
                    letters = _take(connection, selection, after, page, skip_locked=skip_locked)
                    done = work(connection, letters) if letters else None
                break
            except errors.DeadlockDetected:
                if attempt == _DEADLOCK_TRIES:
                    raise
        if not letters or done is None:
            return
        yield done
        after = letters[-1].id


def _take(connection: Connection, selection: Selection, after: int, page: int, *, skip_locked: bool) -> list[Letter]:
    condition, parameters = selection.condition()
    sizes = connection.execute(
        sql.SQL(
            "select dead_letter_id, coalesce(octet_length(coalesce(fixed_value, message_value)), 0)"
            " from ops.dead_letters where {} and dead_letter_id > %(after)s order by dead_letter_id limit %(page)s"
            " for update {}"
        ).format(condition, sql.SQL("skip locked" if skip_locked else "")),
        parameters | {"after": after, "page": page},
    ).fetchall()
    chosen: list[int] = []
    room = _PAGE_BYTES
    for letter_id, size in sizes:
        room -= size
        if chosen and room < 0:
            break
        chosen.append(letter_id)
    return load(connection, chosen)


def load(connection: Connection, ids: Sequence[int]) -> list[Letter]:
    """Return the letters with these ids, in the order of the ids."""
    if not ids:
        return []
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(
            sql.SQL("select {} from ops.dead_letters where dead_letter_id = any(%s) order by dead_letter_id").format(
                sql.SQL(COLUMNS)
            ),
            [list(ids)],
        ).fetchall()
    return [Letter(*row) for row in rows]


def demand(connection: Connection, ids: Sequence[int], allowed: Sequence[str]) -> dict[str, int]:
    """Return how many of ``ids`` are in each state; raise :class:`ShopError` for unknown ids and states not allowed."""
    found = dict(
        connection.execute(
            "select dead_letter_id, status from ops.dead_letters where dead_letter_id = any(%s)", [list(ids)]
        ).fetchall()
    )
    missing = [letter_id for letter_id in ids if letter_id not in found]
    if missing:
        raise ShopError(
            f"There is no dead letter {', '.join(map(str, missing[:10]))}",
            "`shop dead-letters list --each` shows the ids.",
        )
    for letter_id, status in found.items():
        if status not in allowed:
            raise ShopError(f"Dead letter {letter_id} is {status}", _WAY_OUT[status])
    return {status: list(found.values()).count(status) for status in set(found.values())}


_WAY_OUT = {
    "open": "It waits already: `fix`, `replay` or `discard` it.",
    "fixed": "It waits already: `replay` it, or `discard` it.",
    "replayed": "Its event is in the warehouse; there is nothing left to do.",
    "discarded": "`shop dead-letters reopen` takes that back.",
    "retracted": "A person took its event back; `shop events restore` lands it again, `shop events show` says why.",
}
