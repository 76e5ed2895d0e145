"""The ``order:`` part of a map: from the columns of a shop's export to an order's lines and amounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from shop_platform.importing.amounts import OrderAmounts, RefundAmounts, order_amounts
from shop_platform.importing.charges import (
    AmountsError,
    BesideCharge,
    LineCharge,
    OrderCharge,
    TaxMode,
    discounted,
)
from shop_platform.importing.conditions import Condition, any_of
from shop_platform.importing.lines import CHARGE, GIFT_CARD, LEAVE_OUT, NO_GOODS, LineReader, cents, percent
from shop_platform.importing.money import cents_of, format_money
from shop_platform.importing.records import Entity, Problem, Row, Scope, ValueProblemError, items_of
from shop_platform.importing.spec import LineSpec, OrderSpec, ValueSpec
from shop_platform.importing.values import Compiler, Found, Value

COMPUTED = ("subtotal", "discount", "shipping", "tax", "total")
MADE_FOR_ORDERS = ("lines", *COMPUTED)
MADE_FOR_REFUNDS = ("amount", "tax", "lines")
NOTE_BESIDE = "orders with tips, fees, duties or gift cards sold, counted as shipping and not as goods"
NOTE_OFF = "orders with negative fees, counted as discounts"
NOTE_GIFT_CARD = "orders paid by gift card, in whole or in part"
NOTE_ROUNDED = "orders whose figures miss their total by a rounding that the map tolerates"
_PERCENT = "discount_percent"


@dataclass(frozen=True)
class Order:
    """An order's lines and amounts in the contract's terms; ``rows`` says where each line stands in the file."""

    amounts: OrderAmounts
    products: tuple[tuple[str, str], ...]
    rows: tuple[int, ...]
    notes: Counter[str] = field(default_factory=Counter)

    def fields(self) -> dict[str, Any]:
        """Return the fields of ``order.placed`` that follow from the amounts."""
        lines = [
            {
                "line_number": position,
                "product_id": product_id,
                "sku": sku,
                "quantity": line.quantity,
                "unit_price": format_money(line.unit_price),
                "discount": format_money(line.discount),
                "tax": format_money(line.tax),
            }
            for position, ((product_id, sku), line) in enumerate(zip(self.products, self.amounts.lines, strict=True), 1)
        ]
        return {"lines": lines, **self.computed()}

    def computed(self) -> dict[str, str]:
        """Return the amounts by name, as ``computed:`` gives them."""
        return {name: format_money(getattr(self.amounts, name)) for name in COMPUTED}

    def refund_fields(self, refund: RefundAmounts) -> dict[str, Any]:
        """Return the fields of ``refund.issued`` that follow from the amounts."""
        lines = [
            {
                "line_number": position + 1,
                "product_id": self.products[position][0],
                "quantity": self.amounts.lines[position].quantity,
                "amount": format_money(amount),
            }
            for position, amount in refund.lines
        ]
        shipping = {"shipping": format_money(refund.shipping)} if refund.shipping else {}
        return {"amount": format_money(refund.amount), "tax": format_money(refund.tax), "lines": lines} | shipping


@dataclass(frozen=True)
class OrderRule:
    """How an order's lines and amounts are found. ``sorts`` tells which lines are no goods."""

    items: Callable[[Entity], list[Row]]
    each: str
    line: dict[str, Value]
    whole: dict[str, Value]
    includes_tax: TaxMode
    sorts: dict[str, Condition]
    charges: tuple[Callable[[Scope], list[Found]], str]
    rounds_up: bool
    tolerance: int

    def order(self, entity: Entity, problems: list[Problem]) -> Order | None:
        """Return the order, or None after noting in ``problems`` why there is none."""
        before, scope, first = len(problems), Scope(entity), entity.rows[0].number
        lines = LineReader(self.line, self.sorts, self.rounds_up, problems)
        try:
            items = self.items(entity)
            for index, row in enumerate(items):
                lines.read(Scope(entity, row), index)
            beside = [BesideCharge(cents_of(found.value)) for found in self.charges[0](scope)]
        except ValueProblemError as error:
            problems.append(error.problem("order", "lines"))
            return None
        except ValueError as error:  # a constant of the map, which knows no currency
            problems.append(Problem(first, str(error), self.charges[1], "", "order", "charges"))
            return None
        whole = {name: cents(value, scope, name, problems) for name, value in self.whole.items() if name != _PERCENT}
        share = percent(self.whole[_PERCENT], scope, _PERCENT, problems) if _PERCENT in self.whole else None
        if len(problems) > before:
            return None
        beside += lines.beside
        if not items and not whole.get("shipping") and not any(charge.amount for charge in beside):
            hint = "has no lines; `leave_out: {absent: [...]}` with the path of the first one's id leaves it out"
            problems.append(Problem(first, hint, self.each, "", "order", "lines"))
            return None
        if not any(charge.gross >= 0 for charge, _, _ in lines.goods):
            # The contract wants a line: a unit for nothing, so that what was charged is not taken for goods.
            lines.goods.append((LineCharge(1, 0), lines.beside_product or NO_GOODS, first))
        try:
            charge = OrderCharge(
                lines=tuple(charge for charge, _, _ in lines.goods), shipping=whole.get("shipping") or 0,
                discount=whole.get("discount"), goods=whole.get("goods_after_discount"), tax=whole.get("tax"),
                total=whole.get("total"), includes_tax=self.includes_tax, beside=tuple(beside),
                paid_before=whole.get("paid_by_gift_card") or 0, tolerance=self.tolerance,
                goods_column=_column(self.whole.get("goods_after_discount")),
            )  # fmt: skip
            amounts = order_amounts(discounted(charge, share, whole.get("shipping_discount") or 0))
        except AmountsError as error:
            problems.append(Problem(first, f"{error}{lines.odd()}", "", "", "order", "amounts"))
            return None
        for note in _notes(beside, whole, amounts.rounding):
            lines.notes[note] += 1
        goods = [(product, row) for charge, product, row in lines.goods if charge.gross >= 0]
        return Order(
            amounts, tuple(product for product, _ in goods), tuple(row for _, row in goods),
            lines.notes,
        )  # fmt: skip


def _column(goods: Value | None) -> str:
    return goods.columns if goods and goods.columns else "goods_after_discount"


def _notes(beside: list[BesideCharge], whole: dict[str, int | None], rounding: int) -> Iterator[str]:
    """Yield what an order has that the contract has no field for, as the report counts it."""
    if any(charge.amount > 0 for charge in beside):
        yield NOTE_BESIDE
    if any(charge.amount < 0 for charge in beside):
        yield NOTE_OFF
    if whole.get("paid_by_gift_card"):
        yield NOTE_GIFT_CARD
    if rounding:
        yield NOTE_ROUNDED


def order_rule(compiler: Compiler, spec: OrderSpec, at: str) -> OrderRule:
    """Return the rule for ``order:``; raise :class:`~shop_platform.errors.ShopError` where it makes no sense."""
    _one_of(compiler, spec.line, "unit_price", "before_discount", f"{at}.line", needed=True)
    _one_of(compiler, spec.line, "discount", "after_discount", f"{at}.line", needed=False)
    _one_of(compiler, spec.line, "discount_percent", "after_discount", f"{at}.line", needed=False)
    _one_of(compiler, spec.line, "discount", "discount_percent", f"{at}.line", needed=False)
    _one_of(compiler, spec, "discount", "discount_percent", at, needed=False)
    if spec.prices_include_tax == "by_total" and spec.total is None:
        raise compiler.document.mistake(f"{at}.prices_include_tax", "by_total needs `total`")
    if spec.tolerance and spec.total is None:
        raise compiler.document.mistake(f"{at}.tolerance", "tolerance needs `total`: it is a distance from it")
    steps = {"product_id": None, "sku": None, "quantity": "number", _PERCENT: None}
    line = {
        name: compiler.value(value, f"{at}.line.{name}", steps.get(name, "money"), items=spec.each)
        for name in LineSpec.__struct_fields__
        if isinstance(value := getattr(spec.line, name), ValueSpec)
    }
    whole = {
        name: compiler.value(value, f"{at}.{name}", steps.get(name, "money"))
        for name in OrderSpec.__struct_fields__
        if isinstance(value := getattr(spec, name), ValueSpec)
    }
    sorts = {
        name: any_of(compiler, getattr(spec, name), f"{at}.{name}", items=spec.each)
        for name in (LEAVE_OUT, CHARGE, GIFT_CARD)
    }
    return OrderRule(
        items_of(spec.each), spec.each, line, whole, spec.prices_include_tax, sorts,
        compiler.many(spec.charges, f"{at}.charges"), spec.part_units == "round_up", spec.tolerance,
    )  # fmt: skip


def _one_of(compiler: Compiler, line: LineSpec | OrderSpec, one: str, other: str, at: str, *, needed: bool) -> None:
    given = [name for name in (one, other) if getattr(line, name) is not None]
    if len(given) > 1 or (needed and not given):
        raise compiler.document.mistake(
            at, f"{'exactly' if needed else 'at most'} one of {one} and {other} can be given"
        )
