"""What a file says otherwise than what landed, as events of their own (pure)."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from shop_platform.events.types import CustomerUpdated, OrderAmended, ProductUpdated
from shop_platform.importing.build import Outgoing, message
from shop_platform.importing.ids import event_id
from shop_platform.importing.landed import Landed

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
_A_MOMENT_LATER = dt.timedelta(seconds=1)

MONEY = ("shop.order.paid", "shop.refund.issued")
"""What moves money, and grows by further events of its kind."""
_PRICES = ("price", "cost", "currency")
CARRIED: Mapping[str, tuple[str, ...]] = {
    "shop.customer.created.v1": CustomerUpdated.__struct_fields__,
    "shop.product.created.v1": (*ProductUpdated.__struct_fields__, *_PRICES),
}
"""The fields of a customer or a product that a later event can tell otherwise."""


@dataclass(frozen=True)
class Change:
    """An event that tells a change: nobody knows when it happened, only after which event (``after``).

    ``thing`` and ``place``, the number of the change, tell it apart: sent a second time it has the same id.
    """

    event_type: str
    data: dict[str, Any]
    thing: str
    place: int
    after: dt.datetime
    first_ms: int
    row: int

    def event(self, source: str, newest: dt.datetime) -> Outgoing:
        """Return the event; its time is the ``newest`` of the file, for then at the latest it had happened."""
        data = {name: value for name, value in self.data.items() if name != "time_estimated"} | {"time_estimated": True}
        digest = hashlib.sha256(msgspec.json.encode(data, order="sorted")).hexdigest()[:16]
        identifier = event_id(source, self.event_type, f"{self.thing}#{self.place}#{digest}", self.first_ms)
        time = max(newest.astimezone(dt.UTC), self.after.astimezone(dt.UTC) + _A_MOMENT_LATER)
        return message(source, self.event_type, identifier, time, data, self.thing, self.row)


def order(event: Outgoing, data: dict[str, Any], standing: Landed, place: int) -> Change:
    """Return the whole new state of an order, told after ``standing``."""
    made = _only(data | {"placed_at": event.event_time}, OrderAmended)
    return Change("shop.order.amended.v1", made, event.thing, place, standing.time, _ms(event), event.row)


def cancelled(placed: Landed, place: int) -> Change:
    """Return that an order is none any more; ``place``: how many of its events have landed.

    By it an order that is given up a second time, after a person took the first cancellation back, is cancelled anew:
    the id that was taken back never lands again.
    """
    data = {"order_id": placed.thing, "reason": "no_sale", "cancelled_by": "unknown"}
    first_ms = int(placed.event_id.replace("-", "")[:12], 16)
    return Change("shop.order.cancelled.v1", data, placed.thing, place, placed.time, first_ms, 0)


def gross(data: dict[str, Any]) -> Decimal:
    """Return the money of a payment, or what a refund of any version gave back, taxes and shipping included."""
    if "refunded" in data:
        parts = (data["refunded"].get("net"), data["refunded"].get("tax"), data.get("shipping"))
    else:
        parts = (data.get("amount"), data.get("tax"), data.get("shipping"))
    return sum((Decimal(part) for part in parts if part), Decimal("0.00"))


def part(event: Outgoing, data: dict[str, Any], standing: Sequence[Landed]) -> Change | None:
    """Return what a payment or a refund has grown by, as a further one; None when a part of it became less."""
    place = len(standing) + 1
    key = "payment_id" if "payment_id" in data else "refund_id"
    made = data | {key: f"{event.thing}-part{place}"}
    if key == "refund_id":
        more = {name: _more(data, standing, name) for name in ("amount", "tax", "shipping")}
        if any(amount < 0 for amount in more.values()):
            return None
        made |= {"amount": _text(more["amount"]), "tax": _text(more["tax"]), "lines": _lines(data, standing, more)}
        made.pop("shipping", None)
        made |= {"shipping": _text(more["shipping"])} if more["shipping"] else {}
    else:
        made["amount"] = _text(_more(data, standing, "amount"))
    after = max(each.time for each in standing)
    return Change(event.event_type, made, made[key], place, after, _ms(event), event.row)


def _more(data: dict[str, Any], standing: Sequence[Landed], name: str) -> Decimal:
    was = (
        each.data["refunded"].get({"amount": "net"}.get(name, name)) if "refunded" in each.data and name != "shipping"
        else each.data.get(name)
        for each in standing
    )  # fmt: skip
    return Decimal(data.get(name) or 0) - sum((Decimal(each or 0) for each in was), Decimal(0))


def _lines(data: dict[str, Any], standing: Sequence[Landed], more: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    """Return the lines of a grown refund: what each has grown by, or one that has all, where one has shrunk."""
    was: dict[Any, Decimal] = {}
    for each in standing:
        for line in each.data.get("lines", []):
            amount = line["refunded"]["net"] if "refunded" in line else line["amount"]
            was[line["line_number"]] = was.get(line["line_number"], Decimal(0)) + Decimal(amount)
    grown = [
        line | {"amount": _text(Decimal(line["amount"]) - was.pop(line["line_number"], Decimal(0)))}
        for line in data["lines"]
    ]
    if any(was.values()) or any(Decimal(line["amount"]) < 0 for line in grown):
        most = max(data["lines"], key=lambda line: Decimal(line["amount"]))
        return [most | {"amount": _text(more["amount"])}]
    return [line for line in grown if Decimal(line["amount"])] or grown[:1]


def state(
    event: Outgoing, data: dict[str, Any], standing: dict[str, Any], names: set[str], landed: Sequence[Landed]
) -> list[Change]:
    """Return the events that tell the new state of a customer or a product, of which fields ``names`` changed."""
    after = max(each.time for each in landed)

    def change(event_type: str, made: dict[str, Any]) -> Change:
        return Change(event_type, made, event.thing, len(landed), after, _ms(event), event.row)

    if event.event_type == "shop.customer.created.v1":
        return [change("shop.customer.updated.v1", _only(data, CustomerUpdated))] if names else []
    changes = []
    if names & set(ProductUpdated.__struct_fields__):
        described = {"active": True} | data
        changes.append(change("shop.product.updated.v1", _only(described, ProductUpdated)))
    if names & set(_PRICES):
        price = {name: data[name] for name in ("product_id", *_PRICES)}
        old = {"old_price": standing.get("price", data["price"]), "reason": "unknown"}
        changes.append(change("shop.product.price_changed.v1", price | old))
    return changes


def _only(data: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {name: data[name] for name in kind.__struct_fields__ if name in data}


def _ms(event: Outgoing) -> int:
    """Return the milliseconds in an event's id."""
    return int(event.event_id.replace("-", "")[:12], 16)


def _text(amount: Decimal) -> str:
    return f"{amount:f}" if amount else "0.00"
