"""An auditor who reads a shop's events from the outside and knows the laws they must obey."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import msgspec

from shop_platform.events.personal import family
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from shop_platform.events.types import RefundIssuedV2
from shop_platform.generator.message import Message
from shop_platform.generator.shop import KINDS as ORDER
from shop_platform.generator.templates import KINDS


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """A CloudEvent in structured JSON."""

    specversion: str
    id: str
    source: str
    type: str
    time: dt.datetime
    subject: str
    datacontenttype: str
    data: msgspec.Raw


class Event(NamedTuple):
    """A decoded event: its type without prefix and version, its time and its typed data."""

    kind: str
    time: dt.datetime
    data: Any
    id: str


_ENVELOPE = msgspec.json.Decoder(Envelope)


@cache
def _payload(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(EVENT_TYPES[name].payload)


def decode(message: Message) -> Event:
    """Decode a message strictly, check what belongs together, or raise."""
    if b"\\u0000" in message.value or b"\0" in message.value:
        raise ValueError("a NUL is in the event")
    envelope = _ENVELOPE.decode(message.value)
    data = _payload(envelope.type).decode(envelope.data)
    assert envelope.specversion == "1.0"
    assert envelope.id == message.event_id
    assert envelope.subject == message.key.decode() == getattr(data, EVENT_TYPES[envelope.type].subject_field)
    assert TOPIC_OF_TYPE[envelope.type].name == message.topic
    assert envelope.time == dt.datetime.fromisoformat(message.event_time)
    assert round(envelope.time.timestamp() * 1000) == message.time_ms
    return Event(family(envelope.type).removeprefix("shop."), envelope.time, data, envelope.id)


# Within a millisecond causes come first; Kafka knows no order between topics.
_RANK = {
    family(KINDS[kind].template.split(b'"type":"shop.')[1].split(b'"')[0].decode()): rank
    for rank, kind in enumerate(ORDER)
}


def in_event_time(messages: Iterable[Message]) -> list[Event]:
    """Return the distinct events in the order in which they happened."""
    seen: dict[str, Event] = {}
    for message in messages:
        event = decode(message)
        seen.setdefault(event.id, event)
    return sorted(seen.values(), key=lambda event: (event.time, _RANK[event.kind]))


def cents(amount: str) -> int:
    """Return an amount of the contract in cents."""
    return int(Decimal(amount) * 100)


def refunded(data: Any) -> tuple[int, int]:
    """Return what a refund of either version pays back: net and tax, in cents."""
    if isinstance(data, RefundIssuedV2):
        return cents(data.refunded.net), cents(data.refunded.tax)
    return cents(data.amount), cents(data.tax)


class Auditor:
    """Reads events in the order of event time and asserts every law on the way."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()
        self.customers: set[str] = set()
        self.erased: set[str] = set()
        self.prices: dict[str, int] = {}
        self.level: Counter[str] = Counter()
        self.sessions: dict[str, Any] = {}
        self.checkouts: dict[str, Any] = {}
        self.viewed: set[tuple[str, str]] = set()
        self.carts: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        self.orders: dict[str, dict[str, Any]] = {}
        self.sold: Counter[tuple[str, str]] = Counter()
        self.placed_in: set[str] = set()
        self.last_touch: dict[str, dt.datetime] = {}

    def read(self, events: Iterable[Event]) -> Auditor:
        """Check every event against everything before it."""
        for event in events:
            self.count[event.kind] += 1
            handler = getattr(self, event.kind.replace(".", "_"), None)
            assert handler is not None, event.kind
            handler(event.data, event.time)
        for order in self.orders.values():
            expected = Counter({(order["id"], line.product_id): -line.quantity for line in order["data"].lines})
            for key, units in expected.items():
                assert self.sold[key] == units, "every line leaves the stock with its order"
        return self

    def _active(self, customer: str | None) -> None:
        if customer is not None:
            assert customer in self.customers, "a customer exists before anything of theirs happens"
            assert customer not in self.erased, "an erased customer is never heard of again"

    def customer_created(self, data: Any, time: dt.datetime) -> None:
        assert data.customer_id not in self.customers
        assert data.email.isascii() and data.email.count("@") == 1
        self.customers.add(data.customer_id)

    def customer_updated(self, data: Any, time: dt.datetime) -> None:
        self._active(data.customer_id)

    def customer_erased(self, data: Any, time: dt.datetime) -> None:
        self._active(data.customer_id)
        self.erased.add(data.customer_id)

    def product_created(self, data: Any, time: dt.datetime) -> None:
        assert data.product_id not in self.prices
        self.prices[data.product_id] = cents(data.price)

    def product_updated(self, data: Any, time: dt.datetime) -> None:
        assert data.product_id in self.prices

    def product_price_changed(self, data: Any, time: dt.datetime) -> None:
        assert self.prices[data.product_id] == cents(data.old_price)
        assert cents(data.price) > 0
        self.prices[data.product_id] = cents(data.price)

    def stock_changed(self, data: Any, time: dt.datetime) -> None:
        assert data.product_id in self.prices
        self.level[data.product_id] += data.delta
        assert data.level == self.level[data.product_id] >= 0, "the level is the sum of what came and went"
        if data.reason == "sale":
            self.sold[data.order_id, data.product_id] += data.delta
            assert data.order_id in self.orders
        if data.reason == "cancellation":
            assert self.orders[data.order_id]["cancelled"]
        if data.reason == "return":
            assert "received" in self.orders[data.order_id]

    def marketing_touched(self, data: Any, time: dt.datetime) -> None:
        self._active(data.customer_id)
        assert data.session_id is None or data.session_id not in self.sessions, "the click comes before the session"

    def web_session_started(self, data: Any, time: dt.datetime) -> None:
        assert data.session_id not in self.sessions
        self._active(data.customer_id)
        self.sessions[data.session_id] = data

    def _of_session(self, data: Any) -> Any:
        session = self.sessions[data.session_id]
        assert session.visitor_id == data.visitor_id
        assert data.session_id not in self.placed_in, "nothing follows the order in its session"
        return session

    def web_page_viewed(self, data: Any, time: dt.datetime) -> None:
        self._of_session(data)

    def web_searched(self, data: Any, time: dt.datetime) -> None:
        self._of_session(data)

    def web_product_viewed(self, data: Any, time: dt.datetime) -> None:
        self._of_session(data)
        assert cents(data.price) == self.prices[data.product_id], "the price of this moment"
        self.viewed.add((data.session_id, data.product_id))

    def web_cart_changed(self, data: Any, time: dt.datetime) -> None:
        self._of_session(data)
        assert (data.session_id, data.product_id) in self.viewed
        assert data.session_id not in self.checkouts
        before = self.carts[data.session_id].get(data.product_id, (0, 0))[0]
        assert before + data.delta == data.quantity
        if data.delta > 0:
            assert self.level[data.product_id] >= data.quantity, "what is sold out goes into no cart"
        self.carts[data.session_id][data.product_id] = (data.quantity, cents(data.unit_price))

    def web_checkout_started(self, data: Any, time: dt.datetime) -> None:
        self._of_session(data)
        cart = self.carts[data.session_id].values()
        assert data.items == sum(quantity for quantity, _ in cart) > 0
        assert cents(data.cart_value) == sum(quantity * price for quantity, price in cart)
        self.checkouts[data.session_id] = data

    def order_placed(self, data: Any, time: dt.datetime) -> None:
        session = self.sessions[data.session_id]
        assert data.session_id in self.checkouts and data.session_id not in self.placed_in
        self.placed_in.add(data.session_id)
        self._active(data.customer_id)
        assert session.customer_id in {None, data.customer_id}
        same = ("channel", "device", "country", "campaign")
        assert [getattr(session, name) for name in same] == [getattr(data, name) for name in same]
        kept = {product: item for product, item in self.carts[data.session_id].items() if item[0]}
        assert kept == {line.product_id: (line.quantity, cents(line.unit_price)) for line in data.lines}
        assert [line.line_number for line in data.lines] == list(range(1, len(data.lines) + 1))
        assert cents(data.subtotal) == sum(line.quantity * cents(line.unit_price) for line in data.lines)
        assert cents(data.discount) == sum(cents(line.discount) for line in data.lines)
        assert cents(data.tax) == sum(cents(line.tax) for line in data.lines)
        total = cents(data.subtotal) - cents(data.discount) + cents(data.shipping) + cents(data.tax)
        assert cents(data.total) == total > 0
        assert (data.coupon is not None) == (cents(data.discount) > 0)
        self.orders[data.order_id] = {"id": data.order_id, "data": data, "cancelled": False, "failed": 0}

    def order_paid(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert "paid" not in order and not order["cancelled"]
        assert data.amount == order["data"].total
        order["paid"] = time

    def order_payment_failed(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert "paid" not in order and not order["cancelled"]
        order["failed"] += 1
        assert order["failed"] <= 3

    def order_cancelled(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert not order["cancelled"] and "shipped" not in order
        assert ("paid" in order) == (data.reason != "payment_failed")
        order["cancelled"] = True

    def order_shipped(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert "paid" in order and not order["cancelled"] and "shipped" not in order
        assert data.promised_on > time.date()
        order["shipped"] = data

    def order_delivered(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert order["shipped"].shipment_id == data.shipment_id and "delivered" not in order
        order["delivered"] = time

    def return_requested(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert "delivered" in order and "returned" not in order
        assert data.customer_id == order["data"].customer_id
        bought = {line.line_number: line for line in order["data"].lines}
        for line in data.lines:
            assert bought[line.line_number].product_id == line.product_id
            assert line.quantity <= bought[line.line_number].quantity
        order["returned"] = data

    def return_received(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert order["returned"].return_id == data.return_id
        order["received"] = time

    def refund_issued(self, data: Any, time: dt.datetime) -> None:
        order = self.orders[data.order_id]
        assert "delivered" in order and "refunded" not in order
        second = isinstance(data, RefundIssuedV2)
        net_back, tax_back = refunded(data)
        nets = [cents(line.refunded.net if second else line.amount) for line in data.lines]
        assert net_back == sum(nets)
        if second:
            assert tax_back == sum(cents(line.refunded.tax) for line in data.lines)
        bought = {line.line_number: line for line in order["data"].lines}
        if data.return_id is not None:
            assert "received" in order and data.return_id == order["returned"].return_id
            back = {(line.line_number, line.quantity) for line in order["returned"].lines}
            assert back == {(line.line_number, line.quantity) for line in data.lines}
        tax = 0
        for line, back_net in zip(data.lines, nets, strict=True):
            whole = bought[line.line_number]
            net = whole.quantity * cents(whole.unit_price) - cents(whole.discount)
            assert back_net <= net
            if second:
                assert cents(line.refunded.tax) <= cents(whole.tax)
            if line.quantity == whole.quantity and data.return_id is not None:
                assert back_net == net
            tax += cents(whole.tax)
        assert tax_back <= tax
        order["refunded"] = True
