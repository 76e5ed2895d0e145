"""What landed of an order and a newer export does not say any more: no event tells it, a retraction does (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shop_platform.events.personal import family
from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.events.urls import source_path
from shop_platform.importing import amend
from shop_platform.importing.build import Built
from shop_platform.importing.landed import Landed
from shop_platform.importing.plan import PLACED, Plan

_CANCELLED = "shop.order.cancelled"
# Each has an id of its own, so an export that leaves it out says that there is none. Failed payments are no fact that
# an export would have to keep.
_TOLD_APART = frozenset(
    f"shop.{name}"
    for name in ("order.paid", "order.shipped", "order.delivered", "return.requested", "return.received",
                 "refund.issued")
)  # fmt: skip


@dataclass(frozen=True)
class Undone:
    """What is to be taken back so that the import is in line: ``events`` are the ids, ``thing`` what they tell of."""

    row: int
    thing: str
    what: str
    events: tuple[str, ...]


def undone(plan: Plan, built: Built, landed: Sequence[Landed]) -> Iterator[Undone]:
    """Yield what ``landed`` says of an order and its record, which makes the order, does not."""
    placed = next((event for event in built.events if event.event_type == PLACED), None)
    if placed is None:
        return
    of_order = [each for each in landed if each.subject == placed.key.decode()]
    ours = [each for each in of_order if each.source == source_path(plan.source)]
    makes = {family(rule.type) for rule in plan.events}
    told = {(family(event.event_type), event.thing) for event in built.events}
    # A map without cancellations knows nothing of those that another producer told.
    cancelled = [each for each in (of_order if _CANCELLED in makes else ours) if each.family == _CANCELLED]
    if cancelled and not any(name == _CANCELLED for name, _ in told):
        yield Undone(
            placed.row, placed.thing,
            f"is cancelled here (reason {cancelled[0].data.get('reason')}), and a sale in the file: take the"
            f" cancellation back with {_command(cancelled)}",
            tuple(each.event_id for each in cancelled),
        )  # fmt: skip
    gone: dict[tuple[str, str], list[Landed]] = {}
    for each in ours:
        if each.family in _TOLD_APART & makes and (each.family, each.thing) not in told:
            whole = re.sub(r"-part[0-9]+$", "", each.thing)
            if (each.family, whole) not in told:
                gone.setdefault((each.family, whole), []).append(each)
    for (name, thing), events in gone.items():
        amount = sum(amend.gross(each.data) for each in events) if name in amend.MONEY else None
        with_ = f" with {amount}" if amount is not None else ""
        what = f"{name.removeprefix('shop.')}: landed{with_}, and is not in the file: take it back with"
        yield Undone(placed.row, thing, f"{what} {_command(events)}", tuple(each.event_id for each in events))


def _command(events: Sequence[Landed]) -> str:
    topic = TOPIC_OF_TYPE[f"{events[0].family}.v1"].name
    return f'`shop events retract {" ".join(each.event_id for each in events)} --topic {topic} --reason "..."`'
