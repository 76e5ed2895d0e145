"""Land retracted events again, under their ids and in their places, on record."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from psycopg import errors, sql

from shop_platform.dead_letters.audit import Action, record
from shop_platform.dead_letters.pages import desk
from shop_platform.errors import ShopError
from shop_platform.events.personal import treatment
from shop_platform.ingest.batch import People
from shop_platform.ingest.bury import printable
from shop_platform.ingest.encode import COLUMNS
from shop_platform.ingest.erase import forget
from shop_platform.ingest.offsets import Connection
from shop_platform.landed_events.books import CHUNK_EVENTS, lock, move_hours, read
from shop_platform.landed_events.find import Kind, Twice, demand_known, in_several_topics, retracted_kinds
from shop_platform.landed_events.retract import in_transaction
from shop_platform.landed_events.selection import Selection
from shop_platform.settings import Settings
from shop_platform.warehouse.locks import transform_lock


@dataclass
class RestoreReport:
    """What landed again; ``unchanged`` events are in raw anyhow. ``twice`` are named ids under which events of several
    topics stand retracted: all of them are meant, unless the selection names a topic.
    """

    restored: int = 0
    unchanged: int = 0
    kinds: list[Kind] = field(default_factory=list)
    twice: list[Twice] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return asdict(self)


def look(settings: Settings, selection: Selection) -> RestoreReport:
    """Return what :func:`restore` would do, ``restored`` being how many would land again."""
    with desk(settings) as connection:
        report = _found(connection, selection, settings.shop_tz)
    report.restored = sum(kind.events for kind in report.kinds)
    return report


def _found(connection: Connection, selection: Selection, zone: str) -> RestoreReport:
    demand_known(connection, selection)
    report = RestoreReport(
        kinds=retracted_kinds(connection, selection, zone),
        twice=in_several_topics(connection, selection, retracted=True),
    )
    if selection.ids:
        condition, parameters = selection.retracted()
        row = connection.execute(
            sql.SQL("select count(distinct event_id) from ops.retractions where {}").format(condition), parameters
        ).fetchone()
        report.unchanged = len(selection.ids) - (int(row[0]) if row else 0)
    return report


def restore(
    settings: Settings,
    selection: Selection,
    *,
    actor: str,
    because: str,
    chunk: int = CHUNK_EVENTS,
    progress: Callable[[int], None] | None = None,
) -> RestoreReport:
    """Land the selected events again that stand retracted; every chunk is one transaction with their letters.

    What was personal about them has waited beside raw. If somebody asked to be forgotten meanwhile it is gone, and the
    event lands without it, as every event of theirs that had landed. Raises :class:`ShopError` without a reason, and
    for ids that are unknown.
    """
    because = because.strip()
    if not because:
        raise ShopError("Events are only restored for a reason", "Say why with --reason.")
    with transform_lock(settings), desk(settings) as connection:
        report = _found(connection, selection, settings.shop_tz)
        condition, parameters = selection.retracted()
        standing: dict[str, list[int]] = defaultdict(list)
        for topic, retraction_id in connection.execute(
            sql.SQL("select topic, retraction_id from ops.retractions where {} order by retraction_id").format(
                condition
            ),
            parameters,
        ).fetchall():
            standing[topic].append(retraction_id)
        for topic, found in sorted(standing.items()):
            left = iter(found)
            while part := list(itertools.islice(left, chunk)):
                report.restored += in_transaction(connection, partial(_chunk, connection, topic, part, actor, because))
                if progress:
                    progress(report.restored)
    return report


def _chunk(connection: Connection, topic: str, retractions: Sequence[int], actor: str, because: str) -> int:
    lock(connection, topic)
    standing = connection.execute(
        "select retraction_id from ops.retractions where retraction_id = any(%s) and restored_at is null"
        " order by retraction_id for update",
        [list(retractions)],
    ).fetchall()
    rows = read(connection, [retraction_id for (retraction_id,) in standing])
    if not rows:
        return 0
    ids = [row.retraction_id for row in rows]
    try:
        connection.execute(
            sql.SQL(
                "insert into {} ({columns}) select {columns} from ops.retractions where retraction_id = any(%s)"
            ).format(sql.Identifier("raw", topic.rpartition(".")[2]), columns=sql.SQL(COLUMNS)),
            [ids],
        )
    except errors.CheckViolation as error:
        raise ShopError(
            "One of these events is of a time that retention has removed since; nothing of its part was restored",
            "Its session would be built again from a part of its events. Leave it retracted.",
        ) from error
    connection.execute(
        "update ops.retractions set restored_at = clock_timestamp(), restored_by = %s, restored_because = %s,"
        " restored_xid = pg_current_xact_id() where retraction_id = any(%s)",
        [printable(actor), printable(because), ids],
    )
    letters = [row.dead_letter_id for row in rows if row.dead_letter_id is not None]
    connection.execute(
        "update ops.dead_letters set status = 'replayed', outcome = 'landed' where dead_letter_id = any(%s)", [letters]
    )
    record(
        connection,
        actor,
        [
            Action(row.dead_letter_id, "restore", "restored", because, {"event_id": str(row.event_id)})
            for row in rows
            if row.dead_letter_id is not None
        ],
    )
    move_hours(connection, rows, landed=1)
    searching = {
        row.subject for row in rows if (needs := treatment(row.event_type)) and needs.fields and not needs.of_customer
    }
    forget(connection, People(named={row.customer_id for row in rows if row.customer_id}, searching=searching))
    return len(rows)
