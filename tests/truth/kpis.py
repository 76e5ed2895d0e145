"""What each KPI mart must hold, added up from the books in plain Python."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.truth.account import Books, Order, Refund, Session, money, rounded

Row = dict[str, Any]
Key = tuple[Hashable, ...]
Table = dict[Key, Row]

KEYS = {
    "kpi_daily": ("date_day", "currency"),
    "kpi_daily_by_channel": ("date_day", "currency", "channel"),
    "kpi_daily_by_country": ("date_day", "currency", "country"),
    "kpi_daily_by_device": ("date_day", "currency", "device"),
    "kpi_daily_by_category": ("date_day", "currency", "category"),
    "kpi_hourly": ("hour_start", "date_day", "currency"),
}
"""Of each mart, the columns that make a row."""

_BY_CATEGORY = (
    *("units", "gross_amount", "discount_amount", "refund_amount", "net_amount", "tax_amount"),
    *("costed_revenue_amount", "cost_amount", "margin_amount", "margin_rate", "cost_coverage"),
)
_HOURLY = (
    *(*_BY_CATEGORY, "shipping_amount", "total_amount", "orders_count", "sessions_count", "converting_sessions_count"),
    *("refund_amount_base", "net_amount_base", "total_amount_base", "margin_amount_base"),
    *("paid_amount", "unpaid_amount", "refund_tax_amount", "refund_shipping_amount", "refund_total_amount"),
    *("known_paid_amount", "orders_with_unknown_payment"),
)
_SPLIT = (*_HOURLY, "customers_count", "new_customers")


@dataclass
class Base:
    """A sum in the base currency: unknown as soon as one part is."""

    amount: Decimal | None = Decimal("0.00")

    def add(self, amount: Decimal, rate: Decimal | None) -> None:
        """Add an amount, rounded by itself."""
        self.amount = None if rate is None or self.amount is None else self.amount + rounded(amount * rate)


def _without(base: Base, taken: Base) -> Decimal | None:
    return None if base.amount is None or taken.amount is None else base.amount - taken.amount


@dataclass
class Tally:
    """What is added up for one row."""

    orders: int = 0
    cancelled: int = 0
    units: int = 0
    gross: Decimal = Decimal("0.00")
    discount: Decimal = Decimal("0.00")
    refund: Decimal = Decimal("0.00")
    shipping: Decimal = Decimal("0.00")
    tax: Decimal = Decimal("0.00")
    total: Decimal = Decimal("0.00")
    paid: Decimal = Decimal("0.00")
    unknown_payments: int = 0
    refund_tax: Decimal = Decimal("0.00")
    refund_shipping: Decimal = Decimal("0.00")
    customers: set[str] = field(default_factory=set)
    first_orders: int = 0
    sessions: int = 0
    converting: int = 0
    costed: Decimal = Decimal("0.00")
    cost: Decimal = Decimal("0.00")
    net_base: Base = field(default_factory=Base)
    total_base: Base = field(default_factory=Base)
    margin_base: Base = field(default_factory=Base)
    refund_base: Base = field(default_factory=Base)

    def sell(self, order: Order, books: Books) -> None:
        """Add an order that counts."""
        before = self.costed - self.cost
        for line in order.data["lines"]:
            self.spend(line, books.cost(line, order))
        rate = books.rate(order.data["currency"], books.day(order.at))
        self.margin_base.add(self.costed - self.cost - before, rate)
        self.net_base.add(money(order.data["subtotal"]) - money(order.data["discount"]), rate)
        self.total_base.add(money(order.data["total"]), rate)
        self.orders += 1
        self.units += sum(line["quantity"] for line in order.data["lines"])
        self.gross += money(order.data["subtotal"])
        self.discount += money(order.data["discount"])
        self.shipping += money(order.data["shipping"])
        self.tax += money(order.data["tax"])
        self.total += money(order.data["total"])
        self.paid += sum(each for each in books.payments[order.id] if each is not None)
        self.unknown_payments += None in books.payments[order.id]
        self.customers.add(order.data["customer_id"])
        self.first_orders += order.first

    def spend(self, line: dict[str, Any], cost: Decimal | None) -> None:
        """Add what a line brought in and what it cost, if that is known."""
        if cost is not None:
            self.costed += line["quantity"] * money(line["unit_price"]) - money(line["discount"])
            self.cost += cost

    def give_back(self, refund: Refund, books: Books) -> None:
        """Add a refund of an order that counts: it comes back at the rate of the order's day."""
        self.refund += money(refund.data["amount"])
        self.refund_tax += money(refund.data["tax"])
        self.refund_shipping += money(refund.data.get("shipping", "0.00"))
        rate = books.rate(refund.data["currency"], books.day(refund.order.at))
        self.refund_base.add(money(refund.data["amount"]), rate)

    def row(self) -> Row:
        """Return every column of kpi_daily."""
        sold = self.gross - self.discount
        return {
            "orders_count": self.orders,
            "cancelled_orders_count": self.cancelled,
            "units": self.units,
            "gross_amount": self.gross,
            "discount_amount": self.discount,
            "refund_amount": self.refund,
            "net_amount": sold - self.refund,
            "shipping_amount": self.shipping,
            "tax_amount": self.tax,
            "total_amount": self.total,
            "paid_amount": None if self.unknown_payments else self.paid,
            "unpaid_amount": None if self.unknown_payments else self.total - self.paid,
            "known_paid_amount": self.paid,
            "orders_with_unknown_payment": self.unknown_payments,
            "refund_tax_amount": self.refund_tax,
            "refund_shipping_amount": self.refund_shipping,
            "refund_total_amount": self.refund + self.refund_tax + self.refund_shipping,
            "customers_count": len(self.customers),
            "new_customer_orders": self.first_orders,
            "repeat_customer_orders": self.orders - self.first_orders,
            "new_customers": self.first_orders,
            "sessions_count": self.sessions,
            "converting_sessions_count": self.converting,
            "costed_revenue_amount": self.costed,
            "cost_amount": self.cost,
            "margin_amount": self.costed - self.cost,
            "margin_rate": _divided(self.costed - self.cost, self.costed, "0.000001"),
            "cost_coverage": _divided(self.costed, sold, "0.000001"),
            "refund_amount_base": self.refund_base.amount,
            "net_amount_base": _without(self.net_base, self.refund_base),
            "total_amount_base": self.total_base.amount,
            "margin_amount_base": self.margin_base.amount,
            "average_order_value": _divided(sold, self.orders, "0.01"),
            "conversion_rate": _divided(self.converting, self.sessions, "0.000001"),
            "repeat_rate": _divided(self.orders - self.first_orders, self.orders, "0.000001"),
            "refund_rate": _divided(self.refund, sold, "0.000001"),
        }


def _divided(part: Decimal | int, whole: Decimal | int, step: str) -> Decimal | None:
    return rounded(part, whole, step) if whole else None


def kpis(books: Books) -> dict[str, Table]:
    """Return the rows of every KPI mart by their key."""
    daily = _added_up(books, lambda it, day: (day,), with_cancelled=True)
    found: dict[str, Table] = {"kpi_daily": daily}
    for dimension in ("channel", "country", "device"):
        split = _added_up(books, lambda it, day, dimension=dimension: (day, _of(it)[dimension]), currency_at=1)
        found[f"kpi_daily_by_{dimension}"] = {key: _only(row, _SPLIT) for key, row in split.items()}
    hourly = _added_up(books, lambda it, day: (it.at.replace(minute=0, second=0, microsecond=0), day))
    found["kpi_hourly"] = {key: _only(row, _HOURLY) for key, row in hourly.items()}
    found["kpi_daily_by_category"] = _by_category(books)
    return found


def _of(it: Order | Refund | Session) -> dict[str, Any]:
    """Return where something belongs; a refund belongs where its order does."""
    return it.order.data if isinstance(it, Refund) else it.data


def _only(row: Row, columns: tuple[str, ...]) -> Row:
    return {name: row[name] for name in columns}


def _added_up(
    books: Books, place: Callable[..., Key], *, with_cancelled: bool = False, currency_at: int | None = None
) -> Table:
    """Add everything up by ``place`` (of the thing and its day) and currency, which goes last or to ``currency_at``."""
    tallies: dict[Key, Tally] = defaultdict(Tally)

    def at(it: Order | Refund | Session, currency: str) -> Tally:
        key = [*place(it, books.day(it.at))]
        key.insert(len(key) if currency_at is None else currency_at, currency)
        return tallies[tuple(key)]

    for order in books.orders.values():
        if not order.cancelled:
            at(order, order.data["currency"]).sell(order, books)
        elif with_cancelled:
            at(order, order.data["currency"]).cancelled += 1
    for refund in books.refunds:
        if not refund.order.cancelled:
            at(refund, refund.data["currency"]).give_back(refund, books)
    for session in books.sessions:
        tally = at(session, session.currency)
        tally.sessions += 1
        tally.converting += session.converted
    return {key: tally.row() for key, tally in tallies.items()}


def _by_category(books: Books) -> Table:
    tallies: dict[Key, Tally] = defaultdict(Tally)

    def at(day: dt.date, currency: str, category: str) -> Tally:
        return tallies[day, currency, category]

    for order in books.orders.values():
        for line in order.data["lines"]:
            category = books.category(line["product_id"], order.at)
            if not order.cancelled:
                tally = at(books.day(order.at), order.data["currency"], category)
                tally.units += line["quantity"]
                tally.gross += line["quantity"] * money(line["unit_price"])
                tally.discount += money(line["discount"])
                tally.tax += money(line["tax"])
                tally.spend(line, books.cost(line, order))
    nobody_sold: dict[tuple[dt.date, str], Decimal] = defaultdict(Decimal)
    for refund in books.refunds:
        of_the_order = {line["product_id"] for line in refund.order.data["lines"]}
        for line in refund.data["lines"]:
            if not refund.order.cancelled:
                day, currency, amount = books.day(refund.at), refund.data["currency"], money(line["amount"])
                if line["product_id"] in of_the_order:
                    at(day, currency, books.category(line["product_id"], refund.order.at)).refund += amount
                else:
                    nobody_sold[day, currency] += amount
    for (day, currency), amount in nobody_sold.items():
        if amount:
            at(day, currency, "unallocated").refund += amount
    return {key: _only(tally.row(), _BY_CATEGORY) for key, tally in tallies.items()}
