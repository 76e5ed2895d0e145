"""Give letters up, with a reason, or take that back; their bytes stay either way."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from shop_platform.dead_letters.audit import Action, record
from shop_platform.dead_letters.letters import WAITING, Letter
from shop_platform.dead_letters.pages import PAGE_LETTERS, demand, desk, in_pages
from shop_platform.dead_letters.selection import Selection
from shop_platform.dead_letters.settle import Outcomes, Settled, landed_hours, lock_places, settle
from shop_platform.errors import ShopError
from shop_platform.ingest.offsets import Connection
from shop_platform.settings import Settings


@dataclass
class DiscardReport:
    """What was given up or taken back. ``duplicates`` were not discarded: their event is in the warehouse.

    ``unchanged`` letters were in that state before; ``erased`` ones have no content left that could be taken up again.
    """

    discarded: int = 0
    duplicates: int = 0
    reopened: int = 0
    unchanged: int = 0
    erased: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        return asdict(self)


def discard(
    settings: Settings,
    selection: Selection,
    *,
    actor: str,
    because: str,
    page: int = PAGE_LETTERS,
    dry_run: bool = False,
) -> DiscardReport:
    """Give up the selected letters that wait; ``dry_run`` counts them and changes nothing.

    A letter whose event has landed meanwhile is settled as a duplicate instead, as a replay would. Raises
    :class:`ShopError` without a reason, without any condition, and for ids that are unknown or replayed.
    """
    because = because.strip()
    if not because:
        raise ShopError("Letters are only discarded for a reason", "Say why with --because.")
    if selection.is_everything:
        raise ShopError("Nothing says which letters to discard", "Name their ids, or give a filter such as --class.")
    report = DiscardReport()

    def work(connection: Connection, letters: list[Letter]) -> tuple[int, int]:
        lock_places(connection, letters)
        hours = landed_hours(connection, {letter.event_id for letter in letters if letter.event_id})
        outcomes = Outcomes()
        given_up = []
        for letter in letters:
            if letter.event_id in hours:
                outcomes.duplicates.append(Settled(letter, letter.event_id, hours[letter.event_id]))
            else:
                given_up.append(letter.id)
        settle(connection, actor, "discard", outcomes, reason=because)
        connection.execute(
            "update ops.dead_letters set status = 'discarded' where dead_letter_id = any(%s)", [given_up]
        )
        record(connection, actor, [Action(letter_id, "discard", "discarded", because) for letter_id in given_up])
        return len(given_up), len(outcomes.duplicates)

    with desk(settings) as connection:
        if selection.ids:
            report.unchanged = demand(connection, selection.ids, (*WAITING, "discarded")).get("discarded", 0)
        for given_up, duplicates in in_pages(
            connection, replace(selection, statuses=WAITING), work, page=page, keep=not dry_run
        ):
            report.discarded += given_up
            report.duplicates += duplicates
    return report


def reopen(
    settings: Settings,
    selection: Selection,
    *,
    actor: str,
    because: str = "",
    page: int = PAGE_LETTERS,
    dry_run: bool = False,
) -> DiscardReport:
    """Take the discarding of the selected letters back: they wait again, with the corrected value if they had one.

    ``dry_run`` counts them and changes nothing.

    Letters whose content was erased stay discarded.

    Raises :class:`ShopError` without any condition, and for ids that are unknown or replayed.
    """
    if selection.is_everything:
        raise ShopError("Nothing says which letters to reopen", "Name their ids, or give a filter such as --class.")
    report = DiscardReport()

    def work(connection: Connection, letters: list[Letter]) -> tuple[int, int]:
        rows = connection.execute(
            "update ops.dead_letters set status = case when fixed_value is null then 'open' else 'fixed' end"
            " where dead_letter_id = any(%s) and erased_at is null returning dead_letter_id",
            [[letter.id for letter in letters]],
        ).fetchall()
        ids = sorted(letter_id for (letter_id,) in rows)
        record(connection, actor, [Action(each, "reopen", "reopened", because.strip() or None) for each in ids])
        return len(ids), len(letters) - len(ids)

    with desk(settings) as connection:
        if selection.ids:
            states = demand(connection, selection.ids, (*WAITING, "discarded"))
            report.unchanged = sum(states.get(status, 0) for status in WAITING)
        for count, erased in in_pages(
            connection, replace(selection, statuses=("discarded",)), work, page=page, keep=not dry_run
        ):
            report.reopened += count
            report.erased += erased
    return report
