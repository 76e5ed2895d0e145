"""An entity of a file against what has landed of it: what may be sent, and what differs (pure)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from shop_platform.events.apart import take_apart
from shop_platform.events.personal import KEPT_TEXTS, family, treatment
from shop_platform.events.spelling import REMOVED
from shop_platform.events.types import OrderAmended
from shop_platform.events.urls import source_path
from shop_platform.importing import amend
from shop_platform.importing.amend import Change
from shop_platform.importing.build import Built, Outgoing
from shop_platform.importing.ids import event_id
from shop_platform.importing.landed import Landed, Warehouse
from shop_platform.importing.plan import PLACED, REFUND, Plan
from shop_platform.importing.records import shorten
from shop_platform.importing.scope import prefix_of, source_of
from shop_platform.importing.undone import undone

ORDER, PAID = "shop.order.placed", "shop.order.paid"
CUSTOMER, PRODUCT = "shop.customer.created", "shop.product.created"
_SHOWN = 3
_ASKED_AT_ONCE = 500


@dataclass(frozen=True)
class Difference:
    """What a file says otherwise than what landed.

    ``changes`` are the events that tell it (`--amend`); without any, what landed stays. ``other``: it is not the same
    thing at all, but another one with its id, as a second store has.
    """

    entity: int
    row: int
    subject: str
    what: str
    changes: tuple[Change, ...] = ()
    other: bool = False
    store: str | None = None
    """The name under which the very same event has landed."""
    retract: tuple[str, ...] = ()
    """The ids of landed events; without them the file says nothing otherwise."""


@dataclass
class Judged:
    """Which events of an entity may be sent (new ones, and repetitions of what landed), and what differs."""

    send: list[Outgoing] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_other(self) -> bool:
        """Whether it is another thing than the one that landed under its id."""
        return any(difference.other for difference in self.differences)

    @property
    def changes(self) -> list[Change]:
        """The events that tell what differs."""
        return [change for difference in self.differences for change in difference.changes]


def subjects_of(plan: Plan, built: Built, others: Iterable[str | None] = ()) -> set[str]:
    """Return what the entity's events are about, also under the ids that it has under the names of other stores."""
    subjects = {event.key.decode() for event in built.events}
    if built.subject:
        subjects.add(built.subject)
    bare = [subject.removeprefix(plan.prefix) for subject in subjects]
    return subjects | {prefix_of(store) + subject for store in others for subject in bare}


def compared(plan: Plan, every: Iterable[Built], landed: Warehouse | None) -> Iterator[tuple[Built, Judged]]:
    """Yield every entity with what its comparison with ``landed`` found; without it, everything may be sent."""
    if landed is None:
        yield from ((built, judge(plan, built, ())) for built in every)
        return
    topics = {event.topic for event in plan.events}
    others = {None, *landed.stores(topics, plan.unscoped_source)} - {plan.store}
    for batch in batched(every):
        found = landed.about(topics, [subject for built in batch for subject in subjects_of(plan, built, others)])
        for built in batch:
            about = [each for subject in subjects_of(plan, built, others) for each in found.get(subject, ())]
            yield built, judge(plan, built, about, others)


def batched(every: Iterable[Built]) -> Iterator[list[Built]]:
    """Yield entities in groups: one question to the warehouse for each."""
    entities = iter(every)
    while batch := list(itertools.islice(entities, _ASKED_AT_ONCE)):
        yield batch


def judge(plan: Plan, built: Built, landed: Sequence[Landed], others: Iterable[str | None] = ()) -> Judged:
    """Compare an entity with the ``landed`` events about its subjects; ``others`` are the names of other stores."""
    judged = Judged()
    landed = sorted(landed, key=_in_time)
    if not landed or built.problems:
        judged.send = list(built.events)
        return judged
    if built.left_out is not None:
        _judge_left_out(plan, built, landed, judged)
    elif not _is_of_another_name(plan, built, landed, others, judged):
        for event in built.events:
            _judge_event(plan, event, [each for each in landed if each.subject == event.key.decode()], judged)
        judged.differences += [
            Difference(0, each.row, each.thing, each.what, retract=each.events) for each in undone(plan, built, landed)
        ]
    if judged.is_other:
        judged.send, judged.differences = [], [each for each in judged.differences if each.other]
    judged.differences = [replace(each, entity=built.entity.number) for each in judged.differences]
    return judged


def _judge_left_out(plan: Plan, built: Built, landed: Sequence[Landed], judged: Judged) -> None:
    """An order that counted and is no sale any more is called off; one that never landed is nobody's business."""
    source = source_path(plan.source)
    ours = [each for each in landed if each.subject == built.subject and each.source == source]
    placed = [each for each in ours if each.family == ORDER]
    if placed and not any(each.family == "shop.order.cancelled" for each in ours):
        change = amend.cancelled(placed[0], len(ours))
        what = f"counts as an order, and is left out now: {built.left_out}"
        judged.differences.append(Difference(0, built.entity.rows[0].number, placed[0].subject, what, (change,)))


def _is_of_another_name(
    plan: Plan, built: Built, landed: Sequence[Landed], others: Iterable[str | None], judged: Judged
) -> bool:
    """Note an entity that landed under another name of its store, or without one: it would land a second time."""
    known = {each.event_id for each in landed}
    for event in built.events:
        if _is_shared(plan, event):
            continue
        milliseconds = int(event.event_id.replace("-", "")[:12], 16)
        thing = event.thing.removeprefix(plan.prefix)
        for store in others:
            source = source_of(plan.unscoped_source, store)
            if str(event_id(source, event.event_type, prefix_of(store) + thing, milliseconds)) in known:
                named = f"as that of store {store}" if store else "without the name of a store"
                what = f"landed before, {named}, from {source}"
                judged.differences.append(Difference(0, event.row, thing, what, other=True, store=store))
                return True
    return False


def _judge_event(plan: Plan, event: Outgoing, landed: Sequence[Landed], judged: Judged) -> None:
    name = family(event.event_type)
    same = [each for each in landed if each.family == name and each.thing == event.thing]
    if not same:
        judged.send.append(event)
        return
    ours = same if _is_shared(plan, event) else [each for each in same if each.source == source_path(plan.source)]
    if not ours:
        what = f"landed before, from {same[0].source}"
        judged.differences.append(Difference(0, event.row, event.thing, what, other=True))
        return
    data, personal = _told(event)
    first = next((each for each in ours if each.event_id == event.event_id), None)
    if first and _is_same(first, event, data, personal):
        judged.send.append(event)
        if name not in (ORDER, CUSTOMER, PRODUCT, PAID) and event.event_type != REFUND:
            return
    elif event.event_type == PLACED and first is None:
        what = f"was placed at {ours[0].time:%Y-%m-%d %H:%M:%S} UTC, here at {event.event_time}"
        judged.differences.append(Difference(0, event.row, event.thing, what, other=True))
        return
    judged.differences += filter(None, _differences(event, ours, landed, data, personal))


def _is_shared(plan: Plan, event: Outgoing) -> bool:
    """Tell whether the event is about something that the shop's stores have in common."""
    return f"{event.event_type.split('.')[1]}_id" in plan.shared


def _differences(
    event: Outgoing, ours: Sequence[Landed], landed: Sequence[Landed], data: dict[str, Any], personal: dict[str, Any]
) -> Iterator[Difference | None]:
    name = family(event.event_type)
    if name == ORDER:
        amended = [each for each in landed if each.family == "shop.order.amended"]
        standing = amended[-1] if amended else ours[0]
        # An amendment carries everything but what stays of the placing: coupon and session.
        changed = _changed(_evened(ours[0].data | standing.data, data, name), data)
        carries = changed.keys() & set(OrderAmended.__struct_fields__)
        yield _found(event, changed, [amend.order(event, data, standing, len(amended) + 1)] if carries else [])
    elif name in amend.MONEY:
        parts = [each for each in landed if each.family == name and is_part(each.thing, event.thing)]
        yield _money(event, data, ours, parts)
        yield _about_money(event, data, ours)
    elif name in (CUSTOMER, PRODUCT):
        if any(each.family == "shop.customer.erased" for each in landed):
            return
        later = [each for each in landed if each.family.split(".")[1] == name.split(".")[1]]
        yield _state(event, _merged(data, personal), later)
    else:
        changed = _changed(_evened(ours[0].data, data, name), data)
        yield _found(event, changed or _other_time(event, ours))


def is_part(thing: str, of: str) -> bool:
    """Tell whether ``thing`` is a later part of the payment or refund ``of``."""
    return re.fullmatch(re.escape(of) + r"-part[0-9]+", thing) is not None


def _money(event: Outgoing, data: dict[str, Any], ours: Sequence[Landed], parts: Sequence[Landed]) -> Difference | None:
    standing = [ours[-1], *parts]
    if any(each.data.get("currency") != data["currency"] for each in standing):
        currency = f"currency was {standing[0].data.get('currency')}, is {data['currency']}"
        return _found(event, {"currency": currency})
    was, now = sum(amend.gross(each.data) for each in standing), amend.gross(data)
    if was == now:
        return None
    change = amend.part(event, data, standing) if now > was else None
    return _found(event, {"amount": f"amount was {was}, is {now}"}, [change] if change else [])


def _about_money(event: Outgoing, data: dict[str, Any], ours: Sequence[Landed]) -> Difference | None:
    """Return what a payment or a refund says otherwise beside its amount: no further one can tell that."""
    told = {name: value for name, value in data.items() if name in ("method", "reason")}
    standing = _evened(ours[-1].data, data, family(event.event_type))
    changed = _changed({name: standing.get(name) for name in told}, told)
    return _found(event, changed | ({} if event.is_estimated else _other_time(event, ours)))


def _other_time(event: Outgoing, ours: Sequence[Landed]) -> dict[str, str]:
    if any(each.time == _time(event) for each in ours):
        return {}
    return {"time": f"time was {ours[0].time:%Y-%m-%d %H:%M:%S} UTC, is {event.event_time}"}


def _state(event: Outgoing, data: dict[str, Any], landed: Sequence[Landed]) -> Difference | None:
    """Compare a customer or a product with what stands: every field as the last event that had it told it."""
    standing: dict[str, Any] = {}
    for each in landed:
        standing |= _merged(each.data, each.personal or {})
    told = {name: value for name, value in data.items() if name in amend.CARRIED[event.event_type]}
    was = {name: value for name, value in standing.items() if name in told}
    changed = _changed(_evened(was, told, family(event.event_type)), told)
    return _found(event, changed, amend.state(event, data, standing, set(changed), landed))


def _found(event: Outgoing, changed: Mapping[str, str], changes: Iterable[Change] = ()) -> Difference | None:
    if not changed:
        return None
    kind = event.event_type.split(".", 1)[1].rpartition(".")[0]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    shown = "; ".join(list(changed.values())[:_SHOWN])
    return Difference(0, event.row, event.thing, f"{kind}: {shown}{more}", tuple(changes))


def _told(event: Outgoing) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data of an event as it would land, and what would be taken out of it."""
    raw = msgspec.json.decode(event.value, type=dict[str, msgspec.Raw])["data"]
    treated = treatment(event.event_type)
    kept, personal = take_apart(bytes(raw), treated) if treated else (bytes(raw), None)
    return msgspec.json.decode(kept), msgspec.json.decode(personal) if personal else {}


def _merged(data: dict[str, Any], personal: dict[str, Any]) -> dict[str, Any]:
    """Return data with what was taken out of it back in its place."""
    found = dict(data)
    for name, value in personal.items():
        below = found.get(name)
        found[name] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found


def _in_time(event: Landed) -> tuple[Any, str]:
    return event.time, event.event_id


def _is_same(landed: Landed, event: Outgoing, data: dict[str, Any], personal: dict[str, Any]) -> bool:
    """Tell whether an event would be taken for a repetition of ``landed``, as the ingestion does."""
    is_time = landed.time == _time(event) or event.is_estimated
    is_personal = landed.personal is None or landed.personal == personal
    return is_time and is_personal and _evened(landed.data, data, family(event.event_type)) == data


def _time(event: Outgoing) -> Any:
    return msgspec.convert(event.event_time, type=amend.Moment)


def _evened(landed: dict[str, Any], told: dict[str, Any], name: str) -> dict[str, Any]:
    """Return ``landed`` with the texts that an erasure took out of it as ``told`` has them: they are no difference."""
    found = dict(landed)
    for path in KEPT_TEXTS.get(name, {}):
        first, _, below = path.partition(".")
        if below and isinstance(found.get(first), dict) and isinstance(told.get(first), dict):
            if found[first].get(below) in (None, REMOVED) and below in told[first]:
                found[first] = found[first] | {below: told[first][below]}
        elif found.get(first) == REMOVED and first in told:
            found[first] = told[first]
    return found


def _changed(was: dict[str, Any], told: dict[str, Any]) -> dict[str, str]:
    """Return the fields that differ, figures first, each with a sentence; marks of the import itself do not count."""
    names = sorted(
        {*was, *told} - {"time_estimated", "placed_at"},
        key=lambda name: (isinstance(told.get(name), (list, dict)), name != "total", name),
    )
    return {name: name + _values(was.get(name), told.get(name)) for name in names if was.get(name) != told.get(name)}


def _values(was: Any, now: Any) -> str:
    if isinstance(was, (list, dict)) or isinstance(now, (list, dict)):
        return " differ" if isinstance(now, list) else " differs"
    return f" was {shorten(str(was), 30)}, is {shorten(str(now), 30)}"
