"""From one entity to the messages of its events, checked by the contract's own decoder, or to the reasons why not."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from shop_platform.events.decode import CONTRACT, Contract, ContractViolation
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from shop_platform.importing.amounts import AmountsError, split_refunds
from shop_platform.importing.contract import Building
from shop_platform.importing.ids import event_id
from shop_platform.importing.money import amounts_in, cents_of
from shop_platform.importing.orders import COMPUTED, Order
from shop_platform.importing.plan import PLACED, REFUND, EventRule, Plan
from shop_platform.importing.records import Entity, Problem, Row, Scope, ValueProblemError, shorten
from shop_platform.importing.scope import scoped
from shop_platform.importing.times import iso
from shop_platform.importing.values import Found, Value

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Outgoing(NamedTuple):
    """One event, ready for Kafka."""

    topic: str
    key: bytes
    value: bytes
    event_id: str
    event_time: str
    time_ms: int
    event_type: str
    row: int
    thing: str
    is_estimated: bool


@dataclass
class Built:
    """What came of one entity: its events, or why there are none (then there is none at all).

    ``left_out`` is the reason why the map leaves it out, and ``subject`` the order that it then is. ``ordered_at`` is
    the time of an order, in UTC, with the zone that the file told.
    """

    entity: Entity
    events: list[Outgoing] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    left_out: str | None = None
    subject: str | None = None
    ordered_at: dt.datetime | None = None
    notes: Counter[str] = field(default_factory=Counter)


@dataclass
class _Draft:
    rule: EventRule
    scope: Scope
    time: dt.datetime
    data: dict[str, Any]
    refund: int = 0


def build(plan: Plan, entity: Entity, contract: Contract = CONTRACT) -> Built:
    """Return the events of ``entity``. Pure: the same rows and the same map give the same bytes."""
    with amounts_in(_currency(plan, entity)):
        return _build(plan, entity, contract)


def _currency(plan: Plan, entity: Entity) -> str:
    """Return the currency by which the entity's amounts are read; one that cannot be found is told with its event."""
    try:
        found = plan.currency.find(Scope(entity)) if plan.currency else None
    except ValueProblemError:
        found = None
    return str(found.value) if found else ""


def _build(plan: Plan, entity: Entity, contract: Contract) -> Built:
    built = Built(entity)
    built.problems += [Problem(row.number, row.problem) for row in entity.rows if row.problem]
    if built.problems:
        return built
    problems = built.problems
    try:
        built.left_out = plan.reason_to_leave_out(Scope(entity))
        if built.left_out is not None:
            built.subject = _subject(plan, entity)
            return built
    except ValueProblemError as error:
        problems.append(error.problem("", "leave_out"))
        return built
    order = plan.order.order(entity, problems) if plan.order else None
    # Without an order there is a reason already, and it is enough: nothing of this entity will be sent.
    built.notes = order.notes if order else built.notes
    computed = order.computed() if order else dict.fromkeys(COMPUTED, "0.00")
    drafts = [draft for rule in plan.events for draft in _drafts(rule, entity, computed, problems)]
    _fill_refunds(drafts, order, problems)
    if not problems and not drafts:
        problems.append(Problem(entity.rows[0].number, "no event of the map applies to it; `leave_out` can say so"))
    if not problems:
        made = [_event(plan, draft, drafts[0], order, problems, contract) for draft in drafts]
        built.events = [event for event in made if event]
        built.ordered_at = next((draft.time for draft in drafts if draft.rule.type == PLACED), None)
    if problems:
        built.events, built.problems = [], _told_once(problems)
    return built


def _told_once(problems: list[Problem]) -> list[Problem]:
    """Return the problems without those that another event of the record has with the same value."""
    first: dict[object, Problem] = {}
    for each in problems:
        at = (each.row, each.column, each.value, each.reason) if each.column else each
        first.setdefault(at, each)
    return list(first.values())


def _subject(plan: Plan, entity: Entity) -> str | None:
    """Return the id of an order that is left out, None when it has none or is no order."""
    rule = next((event for event in plan.events if event.type == PLACED), None)
    value = next((value for name, _, value in rule.data.fields if name == "order_id"), None) if rule else None
    if not isinstance(value, Value):
        return None
    try:
        found = value.find(Scope(entity))
    except ValueProblemError:
        return None
    return plan.prefix + str(found.value) if found else None


def _drafts(rule: EventRule, entity: Entity, computed: dict[str, str], problems: list[Problem]) -> list[_Draft]:
    try:
        if not rule.applies(Scope(entity)):
            return []
        items: list[Row | None] = [None] if rule.items is None else [*rule.items(entity)]
        chosen = [rule.where(Scope(entity, item)) for item in items]
    except ValueProblemError as error:
        problems.append(error.problem(rule.type, "when"))
        return []
    return [
        draft
        for index, item in enumerate(items)
        if chosen[index]
        if (draft := _draft(rule, Scope(entity, item, {**computed, "position": index + 1}), problems))
    ]


def _draft(rule: EventRule, scope: Scope, problems: list[Problem]) -> _Draft | None:
    before = len(problems)
    data = rule.data.build(scope, Building(rule.type, problems))
    time = _found(rule, scope, "time", problems)
    refund = _found(rule, scope, "refund", problems) if rule.refund else None
    if time and not isinstance(time.value, dt.datetime):
        problems.append(Problem(time.row, "is a date, not a time", time.column, time.raw, rule.type, "time"))
    if len(problems) > before or time is None:
        return None
    try:
        cents = cents_of(refund.value) if refund else 0
    except ValueError as error:  # a constant of the map, which knows no currency
        problems.append(Problem(scope.row, str(error), refund.column if refund else "", "", rule.type, "refund"))
        return None
    return _Draft(rule, scope, time.value, data, cents)


def _found(rule: EventRule, scope: Scope, name: str, problems: list[Problem]) -> Found | None:
    value = rule.time if name == "time" else rule.refund
    assert value is not None
    try:
        found = value.find(scope)
    except ValueProblemError as error:
        problems.append(error.problem(rule.type, name))
        return None
    if found is None:
        problems.append(Problem(scope.row, "is empty or not there", value.columns, "", rule.type, name))
    return found


def _fill_refunds(drafts: list[_Draft], order: Order | None, problems: list[Problem]) -> None:
    """Give each refund its part of the order; refunds of lower ids came first, wherever they stand in the file."""
    refunds = [draft for draft in drafts if draft.rule.refund]
    if order is None or problems or not refunds:
        return
    refunds.sort(key=lambda draft: (len(draft.data["refund_id"]), draft.data["refund_id"]))
    columns = refunds[0].rule.refund.columns if refunds[0].rule.refund else ""
    try:
        if any(draft.refund < 0 for draft in refunds):
            raise AmountsError("is negative; the step `absolute` takes the sign away")
        parts = split_refunds(order.amounts, [draft.refund for draft in refunds])
    except AmountsError as error:
        problems.append(Problem(refunds[0].scope.row, str(error), columns, "", REFUND, "amount"))
        return
    for draft, part in zip(refunds, parts, strict=True):
        draft.data |= order.refund_fields(part)


def _event(
    plan: Plan, draft: _Draft, first: _Draft, order: Order | None, problems: list[Problem], contract: Contract
) -> Outgoing | None:
    rule, data = draft.rule, draft.data
    if rule.type == PLACED and order:
        data |= order.fields()
    data = {name: data[name] for name in rule.field_names if name in data}
    if rule.is_estimated:
        data["time_estimated"] = True
    data = scoped(data, plan.prefix, plan.shared)
    # The export does not know when it happened: the id must not change when the estimate does.
    id_ms = _ms(first.time if rule.is_estimated else draft.time)
    thing = str(data[rule.key_field])
    try:
        identifier = event_id(plan.source, rule.type, thing, id_ms)
    except ValueError as error:
        problems.append(_time_problem(draft, str(error)))
        return None
    event = message(plan.source, rule.type, identifier, draft.time, data, thing, draft.scope.row)
    try:
        contract.decode(event.value, rule.topic)
    except ContractViolation as violation:
        problems.append(_violation(draft, violation, order))
        return None
    return event


def message(
    source: str, event_type: str, identifier: uuid.UUID, time: dt.datetime, data: dict[str, Any], thing: str, row: int
) -> Outgoing:
    """Return an event as it goes to Kafka; ``thing`` is what it is told apart by (:data:`ids.KEY_FIELDS`)."""
    subject = str(data[EVENT_TYPES[event_type].subject_field])
    envelope = {
        "specversion": "1.0", "id": str(identifier), "source": source, "type": event_type, "time": iso(time),
        "subject": subject, "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return Outgoing(
        TOPIC_OF_TYPE[event_type].name, subject.encode(), msgspec.json.encode(envelope), str(identifier), iso(time),
        _ms(time), event_type, row, thing, "time_estimated" in data,
    )  # fmt: skip


def _ms(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


def _violation(draft: _Draft, violation: ContractViolation, order: Order | None) -> Problem:
    """Return the contract's objection with the column that the value came from."""
    where = (violation.path or "$").removeprefix("$.data").removeprefix("$").lstrip(".")
    where = draft.rule.subject_field if where == "subject" else where
    reason = str(violation)
    if where == "time":
        bound = _IMPLAUSIBLE.fullmatch(reason)
        return _time_problem(draft, f"lies {bound[1]}" if bound else reason)
    building = Building(draft.rule.type, [], trace={})
    draft.rule.data.build(draft.scope, building)
    assert building.trace is not None
    found = building.trace.get(where)
    if found:
        told = shorten(found.raw)
        return Problem(found.row, _of_value(reason, where, told), found.column, told, draft.rule.type, where)
    value: Any = draft.data
    for key in where.replace("]", "").replace("[", ".").split("."):
        value = value[int(key)] if isinstance(value, list) else value.get(key) if isinstance(value, dict) else None
    line = where.split("]")[0].removeprefix("lines[")
    row = order.rows[int(line)] if order and line.isdigit() and draft.rule.type == PLACED else draft.scope.row
    shown = shorten(str(value)) if isinstance(value, (str, int)) else ""
    return Problem(row, _of_value(reason, where, shown), "", shown, draft.rule.type, where)


# What the contract says of a time, without the value, which stands before it, and without whose clock it may be.
_IMPLAUSIBLE = re.compile(r"`time` is '[^']*', ((?:before|after) .*?)(?:; is the clock .*)?")
_FOUND = re.compile(r"; it is (?:the number |the text )?'([^']*)'")


def _of_value(reason: str, where: str, value: str) -> str:
    """Return the contract's sentence as it goes on after the value in the report, which it then does not tell again."""
    if not value:
        return reason
    reason = reason.removeprefix(f"`{where}` ")
    told = _FOUND.search(reason)
    return _FOUND.sub("", reason) if told and told[1] in (value, value.replace("'", "’")) else reason


def _time_problem(draft: _Draft, reason: str) -> Problem:
    """Return what is wrong with the time of an event, with the column that it came from."""
    found = draft.rule.time.find(draft.scope)
    row, column, raw = (found.row, found.column, found.raw) if found else (draft.scope.row, "", "")
    return Problem(row, reason, column, shorten(raw), draft.rule.type, "time")
