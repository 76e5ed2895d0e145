"""What an order amounts to, and its refunds, in the contract's arithmetic (pure; all amounts in cents).

The contract wants amounts without tax, a whole unit price with two decimals, and sums over the lines that agree. Shops
export what they charged: prices with tax, discounts and taxes of the whole order. What is shared out here adds up to
the shop's own figures exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shop_platform.importing.charges import AmountsError, BesideCharge, LineCharge, OrderCharge, Settled, settled
from shop_platform.importing.money import apportion, format_money

__all__ = ["AmountsError", "BesideCharge", "LineCharge", "OrderCharge", "order_amounts", "split_refunds"]


# A difference that is told as one of rounding, in cents.
_ROUNDING = 5


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
    """An order in the contract's terms.

    ``shipping`` holds all that is charged beside the goods; ``rounding`` is what it, or else a discount, holds so that
    the total is the shop's own.
    """

    lines: tuple[LineAmounts, ...]
    shipping: int
    rounding: int = 0

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
    order = settled(charge)
    if _includes_tax(charge, order):
        found = _without_tax(order)
    else:
        shares = apportion(order.tax, order.own_taxes if sum(order.own_taxes) else order.paid)
        found = OrderAmounts(
            tuple(_line(each, each.gross, *rest) for each, *rest in zip(order.lines, order.paid, shares, strict=True)),
            order.shipping + order.beside,
        )
    return found if charge.owed is None else _rounded(found, charge.owed, charge, order)


def _includes_tax(charge: OrderCharge, order: Settled) -> bool:
    if charge.includes_tax != "by_total":
        return charge.includes_tax == "yes"
    if charge.owed is None:
        raise AmountsError("without a total it cannot tell whether prices include tax")
    with_tax = order.goods + order.shipping + order.beside
    missing = {False: abs(charge.owed - with_tax - order.tax), True: abs(charge.owed - with_tax)}
    nearest = min(missing, key=missing.__getitem__)
    if missing[nearest] > charge.tolerance:
        raise _mismatch(charge.owed, order, missing[nearest])
    return nearest


def _mismatch(owed: int, order: Settled, missing: int) -> AmountsError:
    beside = f", charges {format_money(order.beside)}" if order.beside else ""
    parts = f"goods {format_money(order.goods)}, shipping {format_money(order.shipping)}{beside}"
    near = f"; `tolerance: {missing}` would allow for rounding" if missing <= _ROUNDING else ""
    return AmountsError(
        f"{parts} and taxes {format_money(order.tax)} do not come to the order's total {format_money(owed)}{near}"
    )


def _rounded(found: OrderAmounts, owed: int, charge: OrderCharge, order: Settled) -> OrderAmounts:
    """Return the order with the shop's own total: what is missing, within the tolerance, goes where it hurts least.

    Neither tax, by which is declared, nor the price of goods: shipping, and where there is none to take from, the
    discount of the largest line.
    """
    missing = owed - found.total
    if not missing:
        return found
    largest = max(range(len(found.lines)), key=lambda place: found.lines[place].net)
    if abs(missing) > charge.tolerance or found.shipping + missing < 0 < -missing - found.lines[largest].net:
        raise _mismatch(owed, order, abs(missing))
    if found.shipping + missing >= 0:
        return replace(found, shipping=found.shipping + missing, rounding=missing)
    lines = list(found.lines)
    lines[largest] = replace(lines[largest], discount=lines[largest].discount - missing)
    return replace(found, lines=tuple(lines), rounding=missing)


def _without_tax(order: Settled) -> OrderAmounts:
    """Take the tax out of prices that include it: a line's own tax where it is known, else in proportion to prices.

    What is charged beside the goods is taken as it is, but for a tax of its own.
    """
    everything, tax, own = order.goods + order.shipping, order.tax - order.beside_tax, order.own_taxes
    if tax > everything or order.beside_tax > order.beside:
        raise AmountsError(
            f"the taxes {format_money(order.tax)} are more than the order {format_money(everything + order.beside)}"
        )
    shares = [*own, tax - sum(own)] if sum(own) else apportion(tax, [*order.paid, order.shipping])
    if not 0 <= shares[-1] <= order.shipping or any(
        share > price for share, price in zip(shares, order.paid, strict=False)
    ):
        raise AmountsError(f"the lines' taxes do not fit the order's taxes {format_money(order.tax)}")
    nets = [price - share for price, share in zip(order.paid, shares, strict=False)]
    on_the_rest = apportion(shares[-1] + order.beside_tax, nets)
    lines = []
    for line, price, net, mine, more in zip(order.lines, order.paid, nets, shares, on_the_rest, strict=False):
        gross = _scaled(line.gross, net, price) if price else _scaled(line.gross, everything - tax, everything)
        lines.append(_line(LineCharge(line.quantity, gross), gross, net, mine + more))
    return OrderAmounts(tuple(lines), order.shipping - shares[-1] + order.beside - order.beside_tax)


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
