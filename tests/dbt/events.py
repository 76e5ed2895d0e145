"""Hand-written events of the contract, and a writer that lands them in the raw tables as ingestion would."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import psycopg

from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_IDS = uuid.UUID("5f0f7c0e-0000-4000-8000-000000000000")


@dataclass(frozen=True)
class Event:
    """One event; ``id`` follows from its content, so that writing it twice is a repetition."""

    name: str
    subject: str
    time: dt.datetime
    data: dict[str, Any]
    version: int = 1
    telling: int = 1

    @property
    def type(self) -> str:
        return f"shop.{self.name}.v{self.version}"

    @property
    def topic(self) -> str:
        return TOPIC_OF_TYPE[f"shop.{self.name}.v1"].subject

    @property
    def id(self) -> uuid.UUID:
        parts = [self.type, self.subject, self.time.isoformat(), json.dumps(self.data, sort_keys=True), self.telling]
        return uuid.uuid5(_IDS, json.dumps(parts))


def at(text: str | dt.datetime) -> dt.datetime:
    """``"2026-03-01 10:00"`` in UTC."""
    if isinstance(text, dt.datetime):
        return text
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _event(name: str, subject: str, time: str | dt.datetime, data: dict[str, Any], **more: Any) -> Event:
    # A version that is not registered has the shape of the first.
    kind = EVENT_TYPES.get(f"shop.{name}.v{more.get('version', 1)}") or EVENT_TYPES[f"shop.{name}.v1"]
    data = {key: value for key, value in data.items() if value is not None}
    msgspec.convert(data, kind.payload)
    return Event(name, subject, at(time), data, **more)


def customer_created(customer_id: str, time: str | dt.datetime, **data: Any) -> Event:
    return _event("customer.created", customer_id, time, {"acquisition_channel": "email"} | _person(customer_id) | data)


def customer_updated(customer_id: str, time: str | dt.datetime, **data: Any) -> Event:
    return _event("customer.updated", customer_id, time, _person(customer_id) | data)


def customer_erased(customer_id: str, time: str | dt.datetime) -> Event:
    return _event("customer.erased", customer_id, time, {"customer_id": customer_id, "reason": "request"})


def _person(customer_id: str) -> dict[str, Any]:
    return {
        "customer_id": customer_id,
        "email": f"{customer_id}@private.example",
        "first_name": "Givenname",
        "last_name": "Familyname",
        "address": {"street": "Secretstreet 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
        "locale": "de_DE",
        "marketing_consent": True,
    }


def product_created(product_id: str, time: str | dt.datetime, **data: Any) -> Event:
    described = {"category": "office", "subcategory": "desk", "brand": "Acme", "name": product_id.title()}
    priced = {"sku": f"sku-{product_id}", "price": "10.00", "cost": "4.00", "currency": "EUR"}
    return _event("product.created", product_id, time, {"product_id": product_id} | described | priced | data)


def product_updated(product_id: str, time: str | dt.datetime, **data: Any) -> Event:
    described = {"category": "office", "subcategory": "desk", "brand": "Acme", "name": product_id.title()}
    return _event("product.updated", product_id, time, {"product_id": product_id, "active": True} | described | data)


def price_changed(product_id: str, time: str | dt.datetime, price: str) -> Event:
    prices = {"old_price": "1.00", "price": price, "cost": "4.00", "currency": "EUR", "reason": "season"}
    return _event("product.price_changed", product_id, time, {"product_id": product_id} | prices)


def stock_changed(product_id: str, time: str | dt.datetime, delta: int, level: int, warehouse: str = "main") -> Event:
    data = {"product_id": product_id, "warehouse": warehouse, "delta": delta, "level": level, "reason": "sold"}
    return _event("stock.changed", product_id, time, data)


def session_started(session_id: str, time: str | dt.datetime, **data: Any) -> Event:
    seen = {"channel": "email", "device": "mobile", "country": "DE", "landing_page": "/"}
    return _event("web.session_started", session_id, time, _visit(session_id) | seen | data)


def page_viewed(session_id: str, time: str | dt.datetime) -> Event:
    return _event("web.page_viewed", session_id, time, _visit(session_id) | {"page": "/", "page_type": "home"})


def product_viewed(session_id: str, time: str | dt.datetime, product_id: str, currency: str = "EUR") -> Event:
    data = {"product_id": product_id, "price": "10.00", "currency": currency}
    return _event("web.product_viewed", session_id, time, _visit(session_id) | data)


def searched(session_id: str, time: str | dt.datetime) -> Event:
    return _event("web.searched", session_id, time, _visit(session_id) | {"query": "a private wish", "results": 3})


def cart_changed(session_id: str, time: str | dt.datetime, product_id: str, delta: int = 1) -> Event:
    data = {"product_id": product_id, "delta": delta, "quantity": 1, "unit_price": "10.00", "currency": "EUR"}
    return _event("web.cart_changed", session_id, time, _visit(session_id) | data)


def checkout_started(session_id: str, time: str | dt.datetime) -> Event:
    data = {"items": 1, "cart_value": "10.00", "currency": "EUR"}
    return _event("web.checkout_started", session_id, time, _visit(session_id) | data)


def _visit(session_id: str) -> dict[str, Any]:
    return {"session_id": session_id, "visitor_id": f"visitor-of-{session_id}"}


Line = tuple[str, int, str, str, str]  # product, quantity, unit price, discount, tax


def order_placed(
    order_id: str,
    time: str | dt.datetime,
    lines: Sequence[Line] = (("desk", 1, "10.00", "0.00", "1.90"),),
    *,
    customer_id: str = "anna",
    shipping: str = "0.00",
    telling: int = 1,
    version: int = 1,
    **data: Any,
) -> Event:
    subtotal = sum((quantity * Decimal(price) for _, quantity, price, _, _ in lines), Decimal("0.00"))
    discount = sum((Decimal(line[3]) for line in lines), Decimal("0.00"))
    tax = sum((Decimal(line[4]) for line in lines), Decimal("0.00"))
    placed = {
        "order_id": order_id,
        "customer_id": customer_id,
        "channel": "email",
        "device": "mobile",
        "country": "DE",
        "currency": "EUR",
        "lines": [
            {"line_number": number, "product_id": product, "sku": f"sku-{product}", "quantity": quantity}
            | {"unit_price": price, "discount": line_discount, "tax": line_tax}
            for number, (product, quantity, price, line_discount, line_tax) in enumerate(lines, 1)
        ],
        "subtotal": str(subtotal),
        "discount": str(discount),
        "shipping": shipping,
        "tax": str(tax),
        "total": str(subtotal - discount + Decimal(shipping) + tax),
    }
    return _event("order.placed", order_id, time, placed | data, telling=telling, version=version)


def order_amended(placed: Event, time: str | dt.datetime, *lines: Line, **data: Any) -> Event:
    """The order of ``placed`` with other lines; session and coupon are the placing's, so that it carries neither."""
    told = order_placed(placed.subject, time, lines, **data).data
    kept = {name: placed.data[name] for name in ("customer_id", "channel", "country", "currency")}
    return _event("order.amended", placed.subject, time, told | kept | {"placed_at": f"{placed.time.isoformat()}"})


def order_paid(order_id: str, time: str | dt.datetime, amount: str = "11.90", payment_id: str | None = None) -> Event:
    data = {"payment_id": payment_id or f"pay-{order_id}", "method": "card", "amount": amount, "currency": "EUR"}
    return _event("order.paid", order_id, time, {"order_id": order_id} | data)


def payment_failed(order_id: str, time: str | dt.datetime, payment_id: str, amount: str = "11.90") -> Event:
    data = {"payment_id": payment_id, "method": "card", "amount": amount, "currency": "EUR", "reason": "declined"}
    return _event("order.payment_failed", order_id, time, {"order_id": order_id} | data)


def order_shipped(order_id: str, time: str | dt.datetime, promised_on: str = "2026-12-31") -> Event:
    data = {"shipment_id": f"parcel-{order_id}", "carrier": "dhl", "promised_on": promised_on}
    return _event("order.shipped", order_id, time, {"order_id": order_id} | data)


def order_delivered(order_id: str, time: str | dt.datetime) -> Event:
    return _event("order.delivered", order_id, time, {"order_id": order_id, "shipment_id": f"parcel-{order_id}"})


def order_cancelled(order_id: str, time: str | dt.datetime) -> Event:
    return _event(
        "order.cancelled", order_id, time, {"order_id": order_id, "reason": "regret", "cancelled_by": "customer"}
    )


def refund_issued(
    order_id: str,
    time: str | dt.datetime,
    lines: Sequence[tuple[int, str, str]] = ((1, "desk", "10.00"),),
    *,
    refund_id: str | None = None,
    tax: str = "0.00",
    version: int = 1,
    **data: Any,
) -> Event:
    """A refund; ``lines`` are (line number, product, amount). In version 2 the first line bears the tax."""
    net = str(sum((Decimal(amount) for _, _, amount in lines), Decimal("0.00")))

    def money(amount: str, tax: str) -> dict[str, Any]:
        return {"amount": amount} if version == 1 else {"refunded": {"net": amount, "tax": tax}}

    issued = {
        "refund_id": refund_id or f"refund-{order_id}",
        "order_id": order_id,
        **money(net, tax),
        **({"tax": tax} if version == 1 else {}),
        "currency": "EUR",
        "reason": "damaged",
        "lines": [
            {"line_number": number, "product_id": product, "quantity": 1} | money(amount, tax if place == 0 else "0.00")
            for place, (number, product, amount) in enumerate(lines)
        ],
    }
    return _event("refund.issued", order_id, time, issued | data, version=version)


def marketing_touched(visitor_id: str, time: str | dt.datetime) -> Event:
    data = {"touch_id": f"touch-{visitor_id}", "visitor_id": visitor_id, "channel": "email", "campaign": "spring"}
    return _event("marketing.touched", visitor_id, time, data | {"kind": "click", "cost": "0.10", "currency": "EUR"})


def write(settings: Settings, events: Iterable[Event]) -> int:
    """Land ``events`` in one transaction with their ledger rows; return how many were new."""
    with connect(settings, Role.INGEST) as connection:
        return land(connection, events)


def land(connection: psycopg.Connection[Any], events: Iterable[Event], partition: int = 0) -> int:
    """Land ``events`` in the transaction of ``connection``; a repetition is counted, not stored.

    Two transactions that are open at once must write for different partitions, as ingest processes do.
    """
    by_topic: dict[str, list[Event]] = {}
    for event in events:
        by_topic.setdefault(event.topic, []).append(event)
    total = 0
    for topic, batch in by_topic.items():
        landed = sum(
            connection.execute(
                f"insert into raw.{topic} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                " kafka_offset) values (%s, %s, '/test', %s, %s, %s, %s, 0) on conflict do nothing",
                [event.id, event.type, event.subject, event.time, json.dumps(event.data), partition],
            ).rowcount
            for event in batch
        )
        connection.execute(
            "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages, landed,"
            " duplicates, dead, max_event_time, writer, started_at)"
            " select %(topic)s, %(topic)s, %(partition)s, coalesce(max(next_offset), 0),"
            " coalesce(max(next_offset), 0) + %(n)s, %(n)s, %(landed)s,"
            " %(n)s - %(landed)s, 0, %(newest)s, 'test', now() from ops.ingest_batches"
            " where topic = %(topic)s and partition = %(partition)s",
            {
                "topic": f"shop.{topic}",
                "partition": partition,
                "n": len(batch),
                "landed": landed,
                "newest": max(event.time for event in batch),
            },
        )
        total += landed
    return total
