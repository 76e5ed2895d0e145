"""Take landed events back for a reason: out of raw, dead letters from now on, everything they touched built again."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from psycopg import errors, sql

from shop_platform.dead_letters.audit import Action, record
from shop_platform.dead_letters.pages import desk
from shop_platform.errors import ShopError
from shop_platform.ingest.batch import People
from shop_platform.ingest.bury import printable
from shop_platform.ingest.erase import forget
from shop_platform.ingest.offsets import Connection
from shop_platform.landed_events.books import CHUNK_EVENTS, keep_letters, lock, move_hours, read
from shop_platform.landed_events.find import Kind, Twice, demand_known, ids_in_raw, in_several_topics, kinds
from shop_platform.landed_events.selection import Selection
from shop_platform.settings import Settings
from shop_platform.warehouse.locks import transform_lock

_DEADLOCK_TRIES = 5
# A session may go on for so long after it began, when its beginning may be gone already.
_LONGEST_SESSION = dt.timedelta(days=1)


@dataclass
class RetractReport:
    """What was taken back. ``unchanged`` had been before; ``erasures`` are wishes to be forgotten, which stay;
    ``expired`` ones belong to sessions whose beginning retention has removed, and stay too. ``twice`` are named ids
    under which several topics hold an event: all of them are meant, unless the selection names a topic.
    """

    retracted: int = 0
    unchanged: int = 0
    erasures: int = 0
    expired: int = 0
    kinds: list[Kind] = field(default_factory=list)
    twice: list[Twice] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return asdict(self)


def look(settings: Settings, selection: Selection) -> RetractReport:
    """Return what :func:`retract` would do, ``retracted`` being how many it would take back."""
    report = RetractReport()
    with desk(settings) as connection:
        demand_known(connection, selection)
        report.kinds = kinds(connection, selection, settings.shop_tz)
        report.twice = in_several_topics(connection, selection)
        for topic, ids in ids_in_raw(connection, selection):
            report.expired += len(_of_expired_sessions(connection, topic, ids))
            report.retracted += len(ids)
        report.retracted -= report.expired
        report.unchanged = _retracted_before(connection, selection)
    report.erasures = sum(kind.events for kind in report.kinds) - report.retracted - report.expired
    return report


def retract(
    settings: Settings,
    selection: Selection,
    *,
    actor: str,
    because: str,
    chunk: int = CHUNK_EVENTS,
    progress: Callable[[int], None] | None = None,
) -> RetractReport:
    """Take the selected events back; every chunk is one transaction with the letters, their record and the ledger.

    No mart is built meanwhile: it would read rows that are gone before the next model looks. A second call goes on
    where an interrupted one ended. Raises :class:`ShopError` without a reason, and for ids that have not landed.
    """
    because = because.strip()
    if not because:
        raise ShopError("Events are only taken back for a reason", "Say why with --reason.")
    report = RetractReport()
    with transform_lock(settings), desk(settings) as connection:
        demand_known(connection, selection)
        report.kinds = kinds(connection, selection, settings.shop_tz)
        report.twice = in_several_topics(connection, selection)
        report.unchanged = _retracted_before(connection, selection)
        for topic, found in ids_in_raw(connection, selection):
            expired = _of_expired_sessions(connection, topic, found)
            report.expired += len(expired)
            ids = iter([event_id for event_id in found if event_id not in expired])
            while part := list(itertools.islice(ids, chunk)):
                report.retracted += in_transaction(connection, partial(_chunk, connection, topic, part, actor, because))
                if progress:
                    progress(report.retracted)
    report.erasures = sum(kind.events for kind in report.kinds) - report.retracted - report.expired
    return report


def in_transaction(connection: Connection, work: Callable[[], int]) -> int:
    """Do ``work`` in one transaction and return its count; once more when a deadlock undid it."""
    for attempt in range(1, _DEADLOCK_TRIES + 1):
        try:
            with connection.transaction():
                return work()
        except errors.DeadlockDetected:
            if attempt == _DEADLOCK_TRIES:
                raise
    raise AssertionError("unreachable")


def _chunk(connection: Connection, topic: str, ids: Sequence[uuid.UUID], actor: str, because: str) -> int:
    lock(connection, f"shop.{topic}")
    made = connection.execute(
        "select retraction_id from ops.retract(%s, %s, %s, %s)",
        [topic, list(ids), printable(actor), printable(because)],
    ).fetchall()
    rows = read(connection, [retraction_id for (retraction_id,) in made])
    if not rows:
        return 0
    letters = keep_letters(connection, rows)
    move_hours(connection, rows, landed=-1)
    record(
        connection,
        actor,
        [
            Action(letters[row.retraction_id], "retract", "retracted", because, {"event_id": str(row.event_id)})
            for row in rows
        ],
    )
    # The new letters may mention somebody who asked to be forgotten.
    forget(connection, People(named={row.customer_id for row in rows if row.customer_id}))
    return len(rows)


def _retracted_before(connection: Connection, selection: Selection) -> int:
    if not selection.ids:
        return 0
    condition, parameters = selection.retracted()
    row = connection.execute(
        sql.SQL("select count(*) from ops.retractions where {}").format(condition), parameters
    ).fetchone()
    return int(row[0]) if row else 0


def _of_expired_sessions(connection: Connection, topic: str, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of ``ids`` whose session began before what retention has left of it.

    Marts keep such a session and cannot build it again: without the event they would lose it, or keep its order.
    """
    if topic not in {"web", "orders"}:
        return set()
    session = sql.SQL("subject" if topic == "web" else "data ->> 'session_id'")
    rows = connection.execute(
        sql.SQL(
            "select e.event_id from {table} as e, (select max(older_than) as edge from ops.retention_runs"
            " where relation = 'raw.web') as r where e.event_id = any(%(ids)s) and e.event_time < r.edge + %(longest)s"
            " and {session} is not null and not exists (select from raw.web as s where s.subject = {session}"
            " and starts_with(s.event_type, 'shop.web.session_started.v'))"
        ).format(
            table=sql.Identifier("raw", topic),
            session=sql.SQL("e.") + session,
        ),
        {"ids": list(ids), "longest": _LONGEST_SESSION},
    ).fetchall()
    return {event_id for (event_id,) in rows}
