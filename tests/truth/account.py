"""The shop's books, kept from its events alone: what the KPI marts must say, computed without dbt or SQL.

Written from dbt_project/DECISIONS.md and the descriptions of the columns, not from the models; imports nothing of the
platform.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

UNKNOWN = "unknown"
Rates = dict[str, list[tuple[dt.date, Decimal]]]
"""Of each currency what one unit is worth in the base currency, from a day on; in order of days."""


class Event(NamedTuple):
    """One valid event; ``name`` is its type without ``shop.`` and version, ``time`` is in UTC."""

    id: str
    name: str
    time: dt.datetime
    data: dict[str, Any]


def read(value: bytes | str) -> Event:
    """Read an event as it travels: CloudEvents in JSON."""
    told = json.loads(value)
    named = re.fullmatch(r"shop\.(.+)\.v[0-9]+", told["type"])
    assert named is not None, told["type"]
    time = dt.datetime.fromisoformat(told["time"]).astimezone(dt.UTC)
    return Event(told["id"].lower(), named[1], time, told["data"])


@dataclass
class Order:
    """An order as first told, and whether it was called off."""

    id: str
    at: dt.datetime
    data: dict[str, Any]
    cancelled: bool
    first: bool = False
    """Whether it is its customer's first that counts."""


@dataclass
class Refund:
    """A refund as first told, and the order that it belongs to."""

    at: dt.datetime
    data: dict[str, Any]
    order: Order


@dataclass
class Session:
    """A visit as its beginning was first told."""

    id: str
    at: dt.datetime
    data: dict[str, Any]
    currency: str
    converted: bool


class Books:
    """Orders, refunds and sessions as they stand once every one of ``events`` is known.

    ``zone`` tells the business day, ``currency`` is that of a session which never showed a price. ``rates`` are the
    shop's reference data; without them nothing is known in the base currency.
    """

    def __init__(self, events: Iterable[Event], zone: str, rates: Rates | None = None, currency: str = "EUR") -> None:
        self._zone = ZoneInfo(zone)
        self._rates = rates or {}
        self._by_name: dict[str, list[Event]] = defaultdict(list)
        # An id counts once, and of two tellings the earlier stands; at one instant, that of the lower id.
        for event in sorted({event.id: event for event in events}.values(), key=lambda event: (event.time, event.id)):
            self._by_name[event.name].append(event)
        self.orders = self._orders()
        self.refunds = self._refunds()
        self.payments = self._payments()
        self.sessions = self._sessions(currency)
        self._descriptions = self._history("product.created", "product.updated")
        self._prices = self._history("product.created", "product.price_changed")

    def day(self, at: dt.datetime) -> dt.date:
        """Return the business day of an instant."""
        return at.astimezone(self._zone).date()

    def category(self, product: str, at: dt.datetime) -> str:
        """Return the category under which a product was sold; the first one also holds for what was before it."""
        described = _holding(self._descriptions.get(product, []), at)
        return described["category"] if described else UNKNOWN

    def rate(self, currency: str, day: dt.date) -> Decimal | None:
        """Return what one unit was worth in the base currency on a business day, if that is known."""
        return _holding(self._rates.get(currency, []), day)

    def cost(self, line: dict[str, Any], order: Order) -> Decimal | None:
        """Return what the units of a line cost the shop, in the currency of the sale, if that is known.

        A unit's cost is the one that held when it was sold, converted at the rates of the order's day.
        """
        priced = _holding(self._prices.get(line["product_id"], []), order.at)
        if priced is None:
            return None
        unit, currency = money(priced["cost"]), order.data["currency"]
        if priced["currency"] != currency:
            day = self.day(order.at)
            its_rate, sale_rate = self.rate(priced["currency"], day), self.rate(currency, day)
            if its_rate is None or sale_rate is None:
                return None
            unit = rounded(unit * its_rate, sale_rate)
        return unit * int(line["quantity"])

    def _orders(self) -> dict[str, Order]:
        cancelled = {event.data["order_id"] for event in self._by_name["order.cancelled"]}
        found: dict[str, Order] = {}
        for event in self._by_name["order.placed"]:
            number = event.data["order_id"]
            found.setdefault(number, Order(number, event.time, event.data, number in cancelled))
        customers: set[str] = set()
        for order in sorted(found.values(), key=lambda order: (order.at, order.id)):
            if not order.cancelled:
                order.first = order.data["customer_id"] not in customers
                customers.add(order.data["customer_id"])
        return found

    def _refunds(self) -> list[Refund]:
        found: dict[tuple[str, str], Refund] = {}
        for event in self._by_name["refund.issued"]:
            order = self.orders.get(event.data["order_id"])
            if order is not None:
                found.setdefault(
                    (order.id, event.data["refund_id"]), Refund(event.time, _in_one_shape(event.data), order)
                )
        return list(found.values())

    def _payments(self) -> dict[str, list[Decimal | None]]:
        """Return what was captured by order, in its currency: each attempt counts as told last, if it succeeded."""
        told = [each for name in ("order.paid", "order.payment_failed") for each in self._by_name[name]]
        last: dict[tuple[str, str], Event] = {}
        for event in sorted(told, key=lambda event: (event.time, event.id)):
            last[event.data["order_id"], event.data["payment_id"]] = event
        found: dict[str, list[Decimal | None]] = defaultdict(list)
        for (number, _), event in last.items():
            if event.name == "order.paid" and number in self.orders:
                found[number].append(self._in_currency_of(self.orders[number], event))
        return found

    def _in_currency_of(self, order: Order, payment: Event) -> Decimal | None:
        """Return a payment in its order's currency, at the rates of the order's day, if they are known."""
        amount, told, wanted = money(payment.data["amount"]), payment.data["currency"], order.data["currency"]
        if told == wanted:
            return amount
        rate, into = (self.rate(currency, self.day(order.at)) for currency in (told, wanted))
        return None if rate is None or into is None else rounded(amount * rate, into)

    def _sessions(self, default: str) -> list[Session]:
        orders: dict[str, Order] = {}
        for order in sorted(self.orders.values(), key=lambda order: (order.at, order.id)):
            if "session_id" in order.data:
                orders.setdefault(order.data["session_id"], order)
        shown: dict[str, str] = defaultdict(str)
        for name in ("web.product_viewed", "web.cart_changed", "web.checkout_started"):
            for event in self._by_name[name]:
                shown[event.data["session_id"]] = max(shown[event.data["session_id"]], event.data["currency"])
        found: dict[str, Session] = {}
        for event in self._by_name["web.session_started"]:
            number = event.data["session_id"]
            currency = orders[number].data["currency"] if number in orders else shown[number] or default
            found.setdefault(number, Session(number, event.time, event.data, currency, number in orders))
        return list(found.values())

    def _history(self, *names: str) -> dict[str, list[tuple[dt.datetime, dict[str, Any]]]]:
        found: dict[str, list[tuple[dt.datetime, dict[str, Any]]]] = defaultdict(list)
        told = [event for name in names for event in self._by_name[name]]
        for event in sorted(told, key=lambda event: (event.time, event.id)):
            found[event.data["product_id"]].append((event.time, event.data))
        return found


def _holding(history: list[tuple[Any, Any]], at: Any) -> Any:
    """Return what held at a moment; the first also holds for what was before it."""
    past = [state for since, state in history if since <= at]
    return past[-1] if past else history[0][1] if history else None


def rounded(part: Decimal | int, whole: Decimal | int = 1, step: str = "0.01") -> Decimal:
    """Return ``part / whole``, halves away from zero."""
    with localcontext() as context:
        context.prec = 60
        return (Decimal(part) / Decimal(whole)).quantize(Decimal(step), ROUND_HALF_UP)


def money(text: str) -> Decimal:
    """Read an amount of an event."""
    return Decimal(text)


def _in_one_shape(told: dict[str, Any]) -> dict[str, Any]:
    """Return a refund as version 1 tells it: version 2 says net and tax where that has an amount without tax."""
    if "refunded" not in told:
        return told
    lines = [line | {"amount": line["refunded"]["net"]} for line in told["lines"]]
    return told | {"amount": told["refunded"]["net"], "tax": told["refunded"]["tax"], "lines": lines}
