"""What a shop charged for one order, and what of it is no goods, set apart from them (pure; all amounts in cents)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from shop_platform.importing.money import apportion, format_money

TaxMode = Literal["yes", "no", "by_total"]


class AmountsError(ValueError):
    """The figures of one order contradict each other."""


@dataclass(frozen=True)
class LineCharge:
    """One line as the shop exported it: ``gross`` for all units before, ``discount`` what went off this line alone.

    ``unit_price`` where the shop has one (then ``gross`` = quantity x unit price), ``tax`` where it has one a line.
    A negative ``gross`` is a line that takes something off: a voucher, a unit that came back. A negative ``discount``
    is a price that somebody raised by hand.
    """

    quantity: int
    gross: int
    discount: int = 0
    unit_price: int | None = None
    tax: int | None = None


@dataclass(frozen=True)
class BesideCharge:
    """What is charged beside goods and shipping: a tip, a fee, a duty, a gift card sold. Negative: a discount.

    ``in_goods``: the shop's own sum of its goods (``OrderCharge.goods``) holds it.
    """

    amount: int
    tax: int | None = None
    in_goods: bool = False


@dataclass(frozen=True)
class OrderCharge:
    """One order as the shop exported it. ``discount`` is all of it, that of the lines included.

    ``goods`` is what all lines cost after discounts, where the shop says so: it tells which part of the discount went
    off the shipping, and is compared with the lines. ``total`` is what the customer owes, but for ``paid_before``
    (gift cards that the shop took off it). The figures may miss ``total`` by ``tolerance``. ``goods_column`` is where
    the file has ``goods``.
    """

    lines: tuple[LineCharge, ...]
    shipping: int = 0
    discount: int | None = None
    goods: int | None = None
    tax: int | None = None
    total: int | None = None
    includes_tax: TaxMode = "no"
    beside: tuple[BesideCharge, ...] = ()
    paid_before: int = 0
    tolerance: int = 0
    goods_column: str = "goods_after_discount"

    @property
    def owed(self) -> int | None:
        """The total with what a gift card paid of it."""
        return None if self.total is None else self.total + self.paid_before


@dataclass(frozen=True)
class Settled:
    """The goods of an order, after every discount (``paid``, a line each), apart from shipping and what is beside."""

    lines: tuple[LineCharge, ...]
    paid: tuple[int, ...]
    own_taxes: tuple[int, ...]
    shipping: int
    beside: int
    beside_tax: int
    tax: int

    @property
    def goods(self) -> int:
        """What the goods cost after discounts."""
        return sum(self.paid)


def settled(charge: OrderCharge) -> Settled:
    """Set apart what is no goods; raise :class:`AmountsError` where the figures contradict each other."""
    lines = tuple(_raised(line) for line in charge.lines if line.gross >= 0)
    taking = [line for line in charge.lines if line.gross < 0]
    taken = sum(line.discount - line.gross for line in taking)
    for line in lines:
        if line.discount > line.gross:
            raise AmountsError(f"a line of {format_money(line.gross)} has a discount of {format_money(line.discount)}")
    shared, off_shipping = _discount(charge, lines, taken)
    off = taken - sum(part.amount for part in charge.beside if part.amount < 0)
    beside = sum(part.amount for part in charge.beside if part.amount > 0)
    left = [line.gross - line.discount for line in lines]
    of_goods = min(off, sum(left) - shared)
    of_beside = min(off - of_goods, beside)
    shipping = charge.shipping - off_shipping - (off - of_goods - of_beside)
    if shipping < 0:
        has = sum(left) - shared + beside + charge.shipping - off_shipping
        raise AmountsError(
            f"lines and fees that take something off come to {format_money(off)}, and the rest of the order to"
            f" {format_money(has)} only"
        )
    shares = apportion(shared + of_goods, left)
    taking_tax = sum(line.tax or 0 for line in taking) + sum(part.tax or 0 for part in charge.beside if part.amount < 0)
    own = [max(0, line.tax or 0) for line in lines]
    own = apportion(max(0, sum(own) + taking_tax), own) if sum(own) else own
    beside_tax = sum(part.tax or 0 for part in charge.beside if part.amount > 0)
    return Settled(
        lines, tuple(was - share for was, share in zip(left, shares, strict=True)), tuple(own), shipping,
        beside - of_beside, beside_tax, sum(own) + beside_tax if charge.tax is None else charge.tax,
    )  # fmt: skip


def discounted(charge: OrderCharge, percent: Decimal | None, off_shipping: int) -> OrderCharge:
    """Return an order with a discount of so many percent on what its lines cost, and one on its shipping."""
    if percent is None and not off_shipping:
        return charge
    if off_shipping > charge.shipping:
        raise AmountsError(
            f"the discount {format_money(off_shipping)} is more than the shipping {format_money(charge.shipping)}"
        )
    if percent is not None:
        own = sum(line.discount for line in charge.lines if line.gross >= 0)
        goods = sum(line.gross for line in charge.lines if line.gross >= 0) - own
        off = int((goods * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))
        charge = replace(charge, discount=own + off)
    return replace(charge, shipping=charge.shipping - off_shipping)


def _raised(line: LineCharge) -> LineCharge:
    """Return a line whose price was raised by hand with that price."""
    return line if line.discount >= 0 else replace(line, gross=line.gross - line.discount, discount=0, unit_price=None)


def _discount(charge: OrderCharge, lines: Sequence[LineCharge], taken: int) -> tuple[int, int]:
    """Return the discount to share out over the lines beside their own, and the part that went off the shipping."""
    gross, own = sum(line.gross for line in lines), sum(line.discount for line in lines)
    whole = own if charge.discount is None else charge.discount
    if whole < own:
        raise AmountsError(
            f"the lines' discounts {format_money(own)} are more than the order's discount {format_money(whole)}"
        )
    off_shipping = 0
    if charge.goods is not None:
        told = charge.goods - sum(part.amount for part in charge.beside if part.in_goods) + taken
        off_shipping = max(0, min(whole - own, charge.shipping, told - (gross - whole)))
        found = gross - whole + off_shipping
        if abs(found - told) > charge.tolerance:
            twice = all(count % 2 == 0 for count in Counter(charge.lines).values())
            half = gross // 2 - (own // 2 if charge.discount is None else whole)
            why = "is a line no goods (`charge_lines` in the map)?"
            if twice and half == told:
                why = "every line stands twice; leave one copy of the order in the file"
            raise AmountsError(
                f"the lines come to goods of {format_money(found)}, but {charge.goods_column} says"
                f" {format_money(told)}: {why}"
            )
    if whole - off_shipping > gross:
        raise AmountsError(f"the discount {format_money(whole)} is more than the goods {format_money(gross)}")
    return whole - own - off_shipping, off_shipping
