"""What an order amounts to, and its refunds, in the contract's arithmetic (pure; all amounts in cents).

The contract wants amounts without tax, a whole unit price with two decimals, and sums over the lines that agree. Shops
export what they charged: prices with tax, discounts and taxes of the whole order. What is shared out here adds up to
the shop's own figures exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from shop_platform.importing.money import apportion, format_money

TaxMode = Literal["yes", "no", "by_total"]


class AmountsError(ValueError):
    """The figures of one order contradict each other."""


@dataclass(frozen=True)
class LineCharge:
    """One line as the shop exported it: ``gross`` for all units before, ``discount`` what went off this line alone.

    ``unit_price`` where the shop has one (then ``gross`` = quantity x unit price), ``tax`` where it has one a line.
    """

    quantity: int
    gross: int
    discount: int = 0
    unit_price: int | None = None
    tax: int | None = None


@dataclass(frozen=True)
class OrderCharge:
    """One order as the shop exported it. ``discount`` is all of it, that of the lines included.

    ``goods`` is what all lines cost after discounts, where the shop says so: it tells which part of the discount went
    off the shipping. ``total`` is what the customer owes.
    """

    lines: tuple[LineCharge, ...]
    shipping: int = 0
    discount: int | None = None
    goods: int | None = None
    tax: int | None = None
    total: int | None = None
    includes_tax: TaxMode = "no"


@dataclass(frozen=True)
class LineAmounts:
    """One line in the contract's terms; quantity x unit price - discount = net."""

    quantity: int
    unit_price: int
    discount: int
    tax: int

    @property
    def net(self) -> int:
        """What the line brings, without tax."""
        return self.quantity * self.unit_price - self.discount


@dataclass(frozen=True)
class OrderAmounts:
    """An order in the contract's terms."""

    lines: tuple[LineAmounts, ...]
    shipping: int

    @property
    def subtotal(self) -> int:
        """Quantity x unit price over the lines."""
        return sum(line.quantity * line.unit_price for line in self.lines)

    @property
    def discount(self) -> int:
        """Discount over the lines."""
        return sum(line.discount for line in self.lines)

    @property
    def tax(self) -> int:
        """Tax over the lines, that on shipping included: the contract has no other place for it."""
        return sum(line.tax for line in self.lines)

    @property
    def total(self) -> int:
        """What the customer owes."""
        return self.subtotal - self.discount + self.shipping + self.tax


def order_amounts(charge: OrderCharge) -> OrderAmounts:
    """Return the order in the contract's terms; raise :class:`AmountsError` where its figures do not agree."""
    discounts, shipping = _discounts(charge)
    paid = [line.gross - discount for line, discount in zip(charge.lines, discounts, strict=True)]
    own_taxes = [line.tax or 0 for line in charge.lines]
    tax = sum(own_taxes) if charge.tax is None else charge.tax
    if _includes_tax(charge, sum(paid), shipping, tax):
        found = _without_tax(charge, paid, own_taxes, shipping, tax)
    else:
        shares = apportion(tax, own_taxes if sum(own_taxes) else paid)
        lines = [
            _line(line, line.gross, net, share) for line, net, share in zip(charge.lines, paid, shares, strict=True)
        ]
        found = OrderAmounts(tuple(lines), shipping)
    if charge.total is not None and found.total != charge.total:
        raise _mismatch(charge.total, sum(paid), shipping, tax)
    return found


def _discounts(charge: OrderCharge) -> tuple[list[int], int]:
    """Return each line's whole discount, and the shipping after the part that went off it."""
    for line in charge.lines:
        if not 0 <= line.discount <= line.gross:
            raise AmountsError(f"a line of {format_money(line.gross)} has a discount of {format_money(line.discount)}")
    gross, own = sum(line.gross for line in charge.lines), sum(line.discount for line in charge.lines)
    whole = own if charge.discount is None else charge.discount
    if whole < own:
        raise AmountsError(
            f"the lines' discounts {format_money(own)} are more than the order's discount {format_money(whole)}"
        )
    off_shipping = 0
    if charge.goods is not None:
        off_shipping = max(0, min(whole - own, charge.shipping, charge.goods - (gross - whole)))
    left = [line.gross - line.discount for line in charge.lines]
    if whole - off_shipping > gross:
        raise AmountsError(f"the discount {format_money(whole)} is more than the goods {format_money(gross)}")
    shares = apportion(whole - own - off_shipping, left)
    return [line.discount + share for line, share in zip(charge.lines, shares, strict=True)], (
        charge.shipping - off_shipping
    )


def _includes_tax(charge: OrderCharge, goods: int, shipping: int, tax: int) -> bool:
    if charge.includes_tax != "by_total":
        return charge.includes_tax == "yes"
    if charge.total is None:
        raise AmountsError("without a total it cannot tell whether prices include tax")
    if charge.total == goods + shipping + tax:
        return False
    if charge.total == goods + shipping:
        return True
    raise _mismatch(charge.total, goods, shipping, tax)


def _mismatch(total: int, goods: int, shipping: int, tax: int) -> AmountsError:
    parts = f"goods {format_money(goods)}, shipping {format_money(shipping)} and taxes {format_money(tax)}"
    return AmountsError(f"{parts} do not come to the order's total {format_money(total)}")


def _without_tax(charge: OrderCharge, paid: list[int], own_taxes: list[int], shipping: int, tax: int) -> OrderAmounts:
    """Take the tax out of prices that include it: a line's own tax where it is known, else in proportion to prices."""
    everything = sum(paid) + shipping
    if tax > everything:
        raise AmountsError(f"the taxes {format_money(tax)} are more than the order {format_money(everything)}")
    shares = [*own_taxes, tax - sum(own_taxes)] if sum(own_taxes) else apportion(tax, [*paid, shipping])
    if not 0 <= shares[-1] <= shipping or any(share > price for share, price in zip(shares, paid, strict=False)):
        raise AmountsError(f"the lines' taxes do not fit the order's taxes {format_money(tax)}")
    nets = [price - share for price, share in zip(paid, shares, strict=False)]
    on_shipping = apportion(shares[-1], nets)
    lines = []
    for line, price, net, own, more in zip(charge.lines, paid, nets, shares, on_shipping, strict=False):
        gross = _scaled(line.gross, net, price) if price else _scaled(line.gross, everything - tax, everything)
        lines.append(_line(LineCharge(line.quantity, gross), gross, net, own + more))
    return OrderAmounts(tuple(lines), shipping - shares[-1])


def _scaled(amount: int, part: int, whole: int) -> int:
    return (2 * amount * part + whole) // (2 * whole) if whole else amount


def _line(line: LineCharge, gross: int, net: int, tax: int) -> LineAmounts:
    """Return the line with a whole unit price.

    A price that does not divide into whole cents is rounded up, and what is too much (less than a cent a unit) becomes
    discount: the net amount and the tax, which books are kept by, stay exact.
    """
    unit_price = line.unit_price if line.unit_price is not None else -(-max(gross, net) // line.quantity)
    return LineAmounts(line.quantity, unit_price, unit_price * line.quantity - net, tax)


@dataclass(frozen=True)
class RefundAmounts:
    """A refund in the contract's terms: (position of the order line, amount) of the lines it touches."""

    lines: tuple[tuple[int, int], ...]
    tax: int
    shipping: int = 0

    @property
    def amount(self) -> int:
        """What goes back without tax."""
        return sum(amount for _, amount in self.lines)


def split_refunds(order: OrderAmounts, totals: Sequence[int]) -> list[RefundAmounts]:
    """Split each refund of an order (``totals``: with tax, in the order of their issue) into amount and tax by line.

    Exports say how much went back, not for what: goods and their tax come first, in proportion to what is left of each
    line; what exceeds them was shipping. All refunds together never exceed the order's net amount, tax and shipping.
    Raises :class:`AmountsError` when they exceed its total.
    """
    if sum(totals) > order.total:
        raise AmountsError(
            f"refunds of {format_money(sum(totals))} are more than the order's total {format_money(order.total)}"
        )
    left = [line.net for line in order.lines]
    net, both = sum(left), sum(left) + order.tax
    before, found = 0, []
    for total in totals:
        after = min(before + total, both)
        amount = (after * net // both - before * net // both) if both else 0
        shares = apportion(amount, left)
        left = [mine - share for mine, share in zip(left, shares, strict=True)]
        lines = tuple((position, share) for position, share in enumerate(shares) if share)
        found.append(RefundAmounts(lines or ((0, 0),), after - before - amount, total - (after - before)))
        before = after
    return found
