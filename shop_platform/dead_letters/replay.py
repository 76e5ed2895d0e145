"""Send dead letters once more through the decoder and into raw, in place and under their own id, or tell why not."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from shop_platform.dead_letters.letters import WAITING, Letter, StoredMessage
from shop_platform.dead_letters.pages import PAGE_LETTERS, demand, desk, in_pages, load
from shop_platform.dead_letters.reports import ReplayReport
from shop_platform.dead_letters.selection import Selection
from shop_platform.dead_letters.settle import Outcomes, Settled, landed_hours, lock_places, settle
from shop_platform.dead_letters.verdict import check_id
from shop_platform.events.contract import contract_of
from shop_platform.events.decode import Contract, ContractViolation
from shop_platform.ingest.batch import Mark, People, Row, sort_messages
from shop_platform.ingest.content import reuse, reused_places
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.erase import forget, hold_alone
from shop_platform.ingest.land import land_carefully
from shop_platform.ingest.offsets import Connection
from shop_platform.settings import Settings


def replay(
    settings: Settings,
    selection: Selection,
    *,
    actor: str,
    contract: Contract | None = None,
    dry_run: bool = False,
    page: int = PAGE_LETTERS,
    progress: Callable[[int], None] | None = None,
) -> ReplayReport:
    """Replay the selected letters that wait and return what became of them; ``dry_run`` does the same and undoes it.

    Every page of letters is one transaction with the rows in raw, the letters' states, their record and the ledger: a
    replay that is killed has done whole pages, and a second one at the same time takes other letters. ``progress`` gets
    the number of letters done. Raises :class:`ShopError` for ids that are unknown or discarded.
    """
    selection = replace(selection, statuses=WAITING)
    read_by = contract or contract_of(settings)
    report = ReplayReport()
    handled: set[int] = set()
    with desk(settings) as connection:
        waiting = 0
        if selection.ids:
            states = demand(connection, selection.ids, (*WAITING, "replayed"))
            report.replayed_before = states.get("replayed", 0)
            waiting = len(selection.ids) - report.replayed_before

        def work(connection: Connection, letters: list[Letter]) -> Outcomes:
            # Undone pages leave letters waiting that a committed one would have settled on the way.
            todo = [letter for letter in letters if letter.id not in handled]
            return _replay_page(connection, todo, read_by, actor) if todo else Outcomes()

        for outcomes in in_pages(connection, selection, work, page=page, skip_locked=True, keep=not dry_run):
            report.add(outcomes)
            if dry_run:
                handled.update(each.letter.id for each in outcomes.duplicates)
            if progress:
                progress(report.looked_at)
        if selection.ids:
            report.busy = _still_waiting(connection, selection.ids, waiting, report, dry_run=dry_run)
    return report


def _still_waiting(
    connection: Connection, ids: tuple[int, ...], waiting: int, report: ReplayReport, *, dry_run: bool
) -> int:
    if dry_run:
        return 0
    row = connection.execute(
        "select count(*) from ops.dead_letters where dead_letter_id = any(%s) and status in ('open', 'fixed')",
        [list(ids)],
    ).fetchone()
    left = int(row[0]) if row else 0
    return max(min(left, waiting) - report.still_invalid, 0)


def _replay_page(connection: Connection, letters: list[Letter], contract: Contract, actor: str) -> Outcomes:
    siblings = _lock_siblings(connection, letters)
    lock_places(connection, letters + siblings)
    hold_alone(connection)  # nobody knows yet what is in the letters
    outcomes, people = Outcomes(), People()
    hours: dict[uuid.UUID, int] = {}
    # Offsets of different incarnations of a topic overlap, and the decoder's sorting takes them for one sequence.
    for _, group in itertools.groupby(sorted(letters, key=_order), key=lambda each: _order(each)[:3]):
        left = list(group)
        while left:
            left = _land(connection, left, contract, outcomes, hours, people)
    _settle_known(connection, siblings, outcomes, hours)
    settle(connection, actor, "replay", outcomes)
    forget(connection, people)
    return outcomes


def _order(letter: Letter) -> tuple[str, str, int, int, int]:
    return letter.topic, letter.topic_id, letter.incarnation, letter.partition, letter.offset


def _lock_siblings(connection: Connection, letters: list[Letter]) -> list[Letter]:
    """Return, locked, the other letters that are known by an id of this page: one event, one place, not two."""
    ids = connection.execute(
        "select dead_letter_id from ops.dead_letters where event_id = any(%s)"
        " and status not in ('replayed', 'retracted') and dead_letter_id <> all(%s) order by dead_letter_id for update",
        [[letter.event_id for letter in letters if letter.event_id], [letter.id for letter in letters]],
    ).fetchall()
    return load(connection, [letter_id for (letter_id,) in ids])


def _land(
    connection: Connection,
    letters: list[Letter],
    contract: Contract,
    outcomes: Outcomes,
    hours: dict[uuid.UUID, int],
    people: People,
) -> list[Letter]:
    """Decode and land letters of one topic; return those that repeat an id of another one that did not land.

    ``hours`` collects the hour of each id that is in raw now, ``people`` whom the events are about.
    """
    marks = {(letter.topic, letter.partition): Mark() for letter in letters}
    batch = sort_messages([StoredMessage(letter) for letter in letters], marks, contract=contract)
    people.add(batch.people)
    decided: set[int] = set()
    by_place = {(letter.partition, letter.offset): letter for letter in letters}
    for part in batch.slices.values():
        for dead in part.dead:
            letter = by_place[dead.partition, dead.offset]
            outcomes.invalid.append((letter, _violation(dead)))
            decided.add(letter.id)
    for topic, found in batch.topics.items():
        rows = []
        for row in found.rows:
            letter = _letter(row)
            decided.add(letter.id)
            try:
                check_id(letter, row.event)
            except ContractViolation as violation:
                outcomes.invalid.append((letter, violation))
            else:
                rows.append(row)
        if rows:
            _land_rows(connection, topic, rows, outcomes, hours)
    left = []
    for letter in letters:
        if letter.id in decided:
            continue
        if letter.event_id in hours:
            outcomes.duplicates.append(Settled(letter, letter.event_id, hours[letter.event_id]))
        else:
            left.append(letter)
    return left


def _land_rows(
    connection: Connection, topic: str, rows: list[Row], outcomes: Outcomes, hours: dict[uuid.UUID, int]
) -> None:
    known, refused = land_carefully(connection, topic, rows)
    why = {row.event_id: dead for row, dead in refused}
    # A letter that is known by its id is settled by whatever landed under that id: the producer sent it again. Any
    # other one must say the same as what landed.
    strangers = [row for row in rows if row.event_id in known and _letter(row).event_id is None]
    if strangers:
        reused = reused_places(connection, topic, strangers)
        why |= {strangers[n].event_id: reuse(strangers[n].message, strangers[n].event) for n in reused}
    for row in rows:
        letter = _letter(row)
        if row.event_id in why:
            outcomes.invalid.append((letter, _violation(why[row.event_id])))
            continue
        hours[row.event.id] = row.hour
        settled = Settled(letter, row.event.id, row.hour)
        (outcomes.duplicates if row.event_id in known else outcomes.landed).append(settled)


def _letter(row: Row) -> Letter:
    return cast(StoredMessage, row.message).letter


def _violation(dead: DeadLetter) -> ContractViolation:
    return ContractViolation(dead.error_class, dead.error, dead.schema_path, dead.event_type)


def _settle_known(
    connection: Connection, siblings: list[Letter], outcomes: Outcomes, hours: dict[uuid.UUID, int]
) -> None:
    """Count as duplicates the letters, valid or not, whose event is in raw: the producer sent it again, and rightly."""
    hours |= landed_hours(
        connection, {letter.event_id for letter, _ in outcomes.invalid if letter.event_id} - hours.keys()
    )
    invalid, outcomes.invalid = outcomes.invalid, []
    for letter, violation in invalid:
        if letter.event_id in hours:
            outcomes.duplicates.append(Settled(letter, letter.event_id, hours[letter.event_id]))
        else:
            outcomes.invalid.append((letter, violation))
    for letter in siblings:
        if letter.event_id in hours:
            outcomes.duplicates.append(Settled(letter, letter.event_id, hours[letter.event_id]))
