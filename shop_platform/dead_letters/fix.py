"""Store a corrected value beside a letter's own, if the contract and PostgreSQL take it; landing it is the replay's."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shop_platform.dead_letters.audit import Action, record
from shop_platform.dead_letters.edits import Edits
from shop_platform.dead_letters.letters import WAITING, Letter
from shop_platform.dead_letters.pages import PAGE_LETTERS, demand, desk, in_pages
from shop_platform.dead_letters.reports import MOST_EXAMPLES, Example, FixReport, advice
from shop_platform.dead_letters.selection import Selection
from shop_platform.dead_letters.settle import landed_hours
from shop_platform.dead_letters.verdict import judge
from shop_platform.errors import ShopError
from shop_platform.events.contract import contract_of
from shop_platform.events.decode import Contract, ContractViolation, ErrorClass, Event
from shop_platform.events.numbers import refused_number
from shop_platform.ingest.offsets import Connection
from shop_platform.settings import Settings


@dataclass(frozen=True)
class _Proposal:
    """A letter with a new value that the contract takes."""

    letter: Letter
    value: bytes
    event: Event


def fix_one(
    settings: Settings, letter_id: int, value: bytes, *, actor: str, contract: Contract | None = None
) -> FixReport:
    """Store ``value`` as the corrected value of one letter.

    Raises :class:`ShopError` with the violation (exit code 1, nothing stored) when it is no valid event of the letter's
    topic, has another id than the message is known by, or PostgreSQL refuses it.
    """
    read_by = contract or contract_of(settings)
    with desk(settings) as connection:
        demand(connection, [letter_id], WAITING)

        def work(connection: Connection, letters: list[Letter]) -> FixReport:
            (letter,) = letters
            try:
                proposal = _Proposal(letter, value, judge(letter, value, read_by))
                _admit(connection, [proposal], _raise)
            except ContractViolation as violation:
                raise _refusal(letter, violation) from None
            if letter.value == value and letter.status == "fixed":
                return FixReport(unchanged=1)
            _store(connection, actor, [proposal], [])
            return FixReport(fixed=1)

        report = FixReport()
        for done in in_pages(connection, Selection(ids=(letter_id,)), work):
            report.add(done)
    if not report.fixed and not report.unchanged:
        raise ShopError(
            f"Dead letter {letter_id} was replayed or discarded a moment ago",
            f"See `shop dead-letters show {letter_id}`.",
        )
    return report


def fix_many(
    settings: Settings,
    selection: Selection,
    edits: Edits,
    *,
    actor: str,
    contract: Contract | None = None,
    dry_run: bool = False,
    page: int = PAGE_LETTERS,
) -> FixReport:
    """Apply ``edits`` to the document of every selected letter that waits, and store those that become valid.

    Letters that stay invalid are left as they are and counted with the reason. ``dry_run`` stores nothing.
    """
    report = FixReport()
    read_by = contract or contract_of(settings)
    with desk(settings) as connection:
        if selection.ids:
            demand(connection, selection.ids, WAITING)

        def work(connection: Connection, letters: list[Letter]) -> FixReport:
            return _fix_page(connection, letters, edits, read_by, actor)

        for done in in_pages(connection, selection, work, page=page, keep=not dry_run):
            report.add(done)
    return report


def _fix_page(
    connection: Connection, letters: Sequence[Letter], edits: Edits, contract: Contract, actor: str
) -> FixReport:
    report = FixReport()
    proposals = []
    for letter in letters:
        value = edits.apply(letter)
        if value is None:
            report.no_document += 1
        elif value == letter.value:
            report.unchanged += 1
        else:
            try:
                proposals.append(_Proposal(letter, value, judge(letter, value, contract)))
            except ContractViolation as violation:
                report.refuse(letter, violation)
    accepted = _admit(connection, proposals, report.refuse)
    _store(connection, actor, accepted, edits.paths)
    report.fixed = len(accepted)
    report.examples = [
        Example(each.letter.id, each.letter.document or b"", each.value) for each in accepted[:MOST_EXAMPLES]
    ]
    return report


def _raise(_: Letter, violation: ContractViolation) -> None:
    raise violation


def _refusal(letter: Letter, violation: ContractViolation) -> ShopError:
    hint = f"Nothing was stored. {advice(violation)}"
    if violation.path == "$.id" and letter.event_id is not None:
        hint = (
            f"Nothing was stored. Give it the id '{letter.event_id}': under another one the event would count as"
            " missing and as one that nobody sent."
        )
    if violation.error_class is ErrorClass.WRONG_TOPIC:
        hint = (
            "Nothing was stored. A letter lands in the table of its own topic only: have the producer send the event to"
            " the right one (under the same id, then a replay settles this letter)."
        )
    return ShopError(
        f"The value is not a valid event for dead letter {letter.id} ({violation.error_class.value} at"
        f" {violation.path or '$'}): {violation}",
        hint,
        exit_code=1,
    )


def _admit(
    connection: Connection, proposals: Sequence[_Proposal], refuse: Callable[[Letter, ContractViolation], None]
) -> list[_Proposal]:
    """Return the proposals that PostgreSQL can hold and whose id is not another message's; ``refuse`` the others."""
    if not proposals:
        return []
    rejected = dict(
        connection.execute(
            "select n.place, (pg_input_error_info(n.data, 'jsonb')).message from unnest(%s::text[]) with ordinality"
            " as n (data, place) where not pg_input_is_valid(n.data, 'jsonb')",
            [[bytes(each.event.data).decode() for each in proposals]],
        ).fetchall()
    )
    # A message that nobody could attribute gets its id now, and with it whoever has that id already.
    taken = _taken(connection, [each.event.id for each in proposals if each.letter.event_id is None])
    accepted = []
    for place, proposal in enumerate(proposals, 1):
        letter, event = proposal.letter, proposal.event
        if place in rejected:
            reason = str(rejected[place])
            violation = ContractViolation(ErrorClass.DATABASE_REJECTED, reason, "$.data", event.type)
            refuse(letter, refused_number(bytes(event.data), event.type) or violation)
            continue
        if letter.event_id is None:
            if event.id in taken:
                refuse(letter, _not_its_own(event))
                continue
            taken.add(event.id)
        accepted.append(proposal)
    return accepted


def _not_its_own(event: Event) -> ContractViolation:
    return ContractViolation(
        ErrorClass.ENVELOPE_INVALID,
        f"id '{event.id}' belongs to another message already. If this is the same event, discard the letter; if not,"
        " give it an id of its own (--give-id)",
        "$.id",
        event.type,
    )


def _taken(connection: Connection, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    if not ids:
        return set()
    rows = connection.execute("select event_id from ops.dead_letters where event_id = any(%s)", [list(ids)]).fetchall()
    return {event_id for (event_id,) in rows} | landed_hours(connection, ids).keys()


def _store(connection: Connection, actor: str, proposals: Sequence[_Proposal], paths: Sequence[str]) -> None:
    if not proposals:
        return
    connection.execute(
        "update ops.dead_letters as d set status = 'fixed', fixed_value = n.value, event_id = n.event_id"
        " from unnest(%s::bigint[], %s::bytea[], %s::uuid[]) as n (dead_letter_id, value, event_id)"
        " where d.dead_letter_id = n.dead_letter_id",
        [
            [each.letter.id for each in proposals],
            [each.value for each in proposals],
            [each.event.id for each in proposals],
        ],
    )
    actions = []
    for each in proposals:
        detail: dict[str, Any] = {"bytes": len(each.value), "sha256": hashlib.sha256(each.value).hexdigest()}
        if paths:
            detail["changed"] = list(paths)
        if each.letter.event_id is None:
            detail["attributed_to"] = str(each.event.id)
        actions.append(Action(each.letter.id, "fix", "fixed", detail=detail))
    record(connection, actor, actions)
