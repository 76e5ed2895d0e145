"""The ``order:`` part of a map: from the columns of a shop's export to an order's lines and amounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shop_platform.importing.amounts import (
    AmountsError,
    LineCharge,
    OrderAmounts,
    OrderCharge,
    RefundAmounts,
    TaxMode,
    order_amounts,
)
from shop_platform.importing.money import cents_of, format_money
from shop_platform.importing.records import Entity, Problem, Row, Scope, ValueProblemError, items_of
from shop_platform.importing.spec import LineSpec, OrderSpec, ValueSpec
from shop_platform.importing.values import Compiler, Found, Value

COMPUTED = ("subtotal", "discount", "shipping", "tax", "total")
MADE_FOR_ORDERS = ("lines", *COMPUTED)
MADE_FOR_REFUNDS = ("amount", "tax", "lines")


@dataclass(frozen=True)
class Order:
    """An order's lines and amounts in the contract's terms; ``rows`` says where each line stands in the file."""

    amounts: OrderAmounts
    products: tuple[tuple[str, str], ...]
    rows: tuple[int, ...]

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
    """How an order's lines and amounts are found."""

    items: Callable[[Entity], list[Row]]
    each: str
    line: dict[str, Value]
    whole: dict[str, Value]
    includes_tax: TaxMode

    def order(self, entity: Entity, problems: list[Problem]) -> Order | None:
        """Return the order, or None after noting in ``problems`` why there is none."""
        before = len(problems)
        try:
            items = self.items(entity)
        except ValueProblemError as error:
            problems.append(error.problem("order", "lines"))
            return None
        if not items:
            problems.append(Problem(entity.rows[0].number, "has no lines", self.each, "", "order", "lines"))
            return None
        lines = [self._line(Scope(entity, row), index, problems) for index, row in enumerate(items)]
        scope = Scope(entity)
        whole = {name: _cents(value, scope, name, problems) for name, value in self.whole.items()}
        if len(problems) > before:
            return None
        try:
            amounts = order_amounts(
                OrderCharge(
                    lines=tuple(charge for charge, _ in lines if charge), shipping=whole.get("shipping") or 0,
                    discount=whole.get("discount"), goods=whole.get("goods_after_discount"), tax=whole.get("tax"),
                    total=whole.get("total"), includes_tax=self.includes_tax,
                )
            )  # fmt: skip
        except AmountsError as error:
            problems.append(Problem(entity.rows[0].number, str(error), "", "", "order", "amounts"))
            return None
        return Order(amounts, tuple(product for _, product in lines), tuple(row.number for row in items))

    def _line(self, scope: Scope, index: int, problems: list[Problem]) -> tuple[LineCharge | None, tuple[str, str]]:
        where = f"lines[{index}]"
        found = {
            name: _find(self.line[name], scope, f"{where}.{name}", problems)
            for name in ("product_id", "sku", "quantity")
        }
        money = {
            name: _cents(value, scope, f"{where}.{name}", problems)
            for name, value in self.line.items()
            if name not in found
        }
        quantity = found["quantity"]
        product = tuple(str(each.value) if each else "" for each in (found["product_id"], found["sku"]))
        if quantity is not None and quantity.value < 1:
            problems.append(_problem(quantity, "is less than one", f"{where}.quantity"))
        price = money.get("unit_price") if "unit_price" in money else money.get("before_discount")
        if price is None and not any(problem.field.startswith(where) for problem in problems):
            of = self.line["unit_price"] if "unit_price" in money else self.line["before_discount"]
            problems.append(Problem(scope.row, "is empty or not there", of.columns, "", "order", f"{where}.unit_price"))
        if quantity is None or quantity.value < 1 or price is None:
            return None, (product[0], product[1])
        gross = price * quantity.value if "unit_price" in money else price
        after = money.get("after_discount")
        discount = (money.get("discount") or 0) if after is None else gross - after
        charge = LineCharge(quantity.value, gross, discount, price if "unit_price" in money else None, money.get("tax"))
        return charge, (product[0], product[1])


def _find(value: Value, scope: Scope, where: str, problems: list[Problem]) -> Found | None:
    try:
        found = value.find(scope)
    except ValueProblemError as error:
        problems.append(error.problem("order", where))
        return None
    if found is None:
        problems.append(Problem(scope.row, "is empty or not there", value.columns, "", "order", where))
    return found


def _cents(value: Value, scope: Scope, where: str, problems: list[Problem]) -> int | None:
    try:
        found = value.find(scope)
    except ValueProblemError as error:
        problems.append(error.problem("order", where))
        return None
    if found is None:
        return None
    try:
        cents = cents_of(found.value)
    except ValueError as error:  # a constant of the map, which knows no currency
        problems.append(_problem(found, str(error), where))
        return None
    if cents < 0:
        problems.append(_problem(found, "is negative", where))
    return cents


def _problem(found: Found, reason: str, where: str) -> Problem:
    return Problem(found.row, reason, found.column, found.raw, "order", where)


def order_rule(compiler: Compiler, spec: OrderSpec, at: str) -> OrderRule:
    """Return the rule for ``order:``; raise :class:`~shop_platform.errors.ShopError` where it makes no sense."""
    _one_of(compiler, spec.line, "unit_price", "before_discount", f"{at}.line", needed=True)
    _one_of(compiler, spec.line, "discount", "after_discount", f"{at}.line", needed=False)
    if spec.prices_include_tax == "by_total" and spec.total is None:
        raise compiler.document.mistake(f"{at}.prices_include_tax", "by_total needs `total`")
    steps = {"product_id": None, "sku": None, "quantity": "integer"}
    line = {
        name: compiler.value(value, f"{at}.line.{name}", steps.get(name, "money"), items=spec.each)
        for name in LineSpec.__struct_fields__
        if isinstance(value := getattr(spec.line, name), ValueSpec)
    }
    whole = {
        name: compiler.value(value, f"{at}.{name}", "money")
        for name in ("shipping", "discount", "goods_after_discount", "tax", "total")
        if isinstance(value := getattr(spec, name), ValueSpec)
    }
    return OrderRule(items_of(spec.each), spec.each, line, whole, spec.prices_include_tax)


def _one_of(compiler: Compiler, line: LineSpec, one: str, other: str, at: str, *, needed: bool) -> None:
    given = [name for name in (one, other) if getattr(line, name) is not None]
    if len(given) > 1 or (needed and not given):
        raise compiler.document.mistake(
            at, f"{'exactly' if needed else 'at most'} one of {one} and {other} can be given"
        )
