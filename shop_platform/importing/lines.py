"""The lines of one order as they stand in a file: goods, and what only looks like goods."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from shop_platform.importing.charges import BesideCharge, LineCharge
from shop_platform.importing.conditions import Condition
from shop_platform.importing.money import cents_of, format_money, parse_number
from shop_platform.importing.records import Problem, Scope, ValueProblemError, counted
from shop_platform.importing.values import Found, Value

NO_GOODS = ("no-goods", "no-goods")
LEAVE_OUT, CHARGE, GIFT_CARD = "leave_out_lines", "charge_lines", "gift_card_lines"

NOTE_NO_LINE = "order lines of no units for nothing, or left out as the map says"
NOTE_PART = "order lines of a part of a unit, counted as whole units"
NOTE_TAKING = "order lines that take something off, counted as discounts"
_NEGATIVE = "is negative; the step `absolute` takes the sign away"
_NOTHING = "is empty or not there"


@dataclass
class LineReader:
    """Reads the lines of one order one after the other and sorts them; ``problems`` says what is wrong with them.

    ``goods`` has a charge, (product id, sku) and the row of each line of goods or of one that takes something off.
    """

    values: dict[str, Value]
    sorts: dict[str, Condition]
    rounds_up: bool
    problems: list[Problem]
    goods: list[tuple[LineCharge, tuple[str, str], int]] = field(default_factory=list)
    beside: list[BesideCharge] = field(default_factory=list)
    beside_product: tuple[str, str] | None = None
    notes: Counter[str] = field(default_factory=Counter)
    few: list[tuple[Found, int]] = field(default_factory=list)
    """Quantities of zero and below, with what their lines come to."""

    def odd(self) -> str:
        """Return the quantities of zero and below, as the end of a sentence about figures that do not fit."""
        if not self.few:
            return ""
        found, amount = self.few[0]
        takes = f", so that it takes {format_money(-amount)} off" if amount < 0 else ", so that it counts for nothing"
        more = f"; {counted(len(self.few) - 1, 'other line')} likewise" if len(self.few) > 1 else ""
        return f"; the line of row {found.row} has the quantity '{found.raw.strip()}'{takes}{more}"

    def read(self, scope: Scope, index: int) -> None:
        """Read one line."""
        if self.sorts[LEAVE_OUT](scope):
            self.notes[NOTE_NO_LINE] += 1
            return
        before, where = len(self.problems), f"lines[{index}]"
        charge = self._charge(scope, where)
        kind = next((name for name in (CHARGE, GIFT_CARD) if self.sorts[name](scope)), None)
        product = self._product(scope, where, needed=kind is None)
        if charge is None or len(self.problems) > before:
            return
        amount = charge.gross - charge.discount
        if kind:
            self.beside.append(BesideCharge(amount, charge.tax, kind == GIFT_CARD))
            self.beside_product = self.beside_product or (product if all(product) else None)
        elif not charge.quantity and not amount:
            self.notes[NOTE_NO_LINE] += 1
        else:
            if charge.gross < 0:
                self.notes[NOTE_TAKING] += 1
            self.goods.append((charge, product, scope.row))

    def _product(self, scope: Scope, where: str, *, needed: bool) -> tuple[str, str]:
        found = [
            find(self.values[name], scope, f"{where}.{name}", self.problems, needed=needed)
            for name in ("product_id", "sku")
        ]
        product_id, sku = (str(each.value) if each else "" for each in found)
        return product_id, sku

    def _charge(self, scope: Scope, where: str) -> LineCharge | None:
        """Return what a line charges; of none or less than no units the quantity is 0."""
        quantity = find(self.values["quantity"], scope, f"{where}.quantity", self.problems)
        money = {
            name: cents(value, scope, f"{where}.{name}", self.problems, signed=True)
            for name, value in self.values.items()
            if name not in {"product_id", "sku", "quantity", "discount_percent"}
        }
        by_unit = "unit_price" in money
        price = money["unit_price"] if by_unit else money["before_discount"]
        if price is None and not any(problem.field.startswith(where) for problem in self.problems):
            columns = self.values["unit_price" if by_unit else "before_discount"].columns
            self.problems.append(Problem(scope.row, _NOTHING, columns, "", "order", f"{where}.unit_price"))
        if quantity is None or price is None:
            return None
        number: Decimal = quantity.value
        units = int(number) if number > 0 and number == int(number) else None
        gross = price if not by_unit else price * units if units else rounded(price * number)
        after, discount = money.get("after_discount"), money.get("discount") or 0
        if after is not None:
            discount = gross - after
        elif "discount_percent" in self.values:
            share = percent(self.values["discount_percent"], scope, f"{where}.discount_percent", self.problems)
            discount = rounded(gross * (share or Decimal(0)) / 100)
        elif gross < 0 < discount:
            discount = -discount  # what had been taken off the unit that comes back
        unit_price = price if by_unit and units else None
        units = units or self._units(quantity, gross - discount, where)
        for name in ("discount", "tax"):
            if gross > 0 > (money.get(name) or 0):
                self._negative(scope, name, where)
        if number <= 0:
            self.few.append((quantity, gross - discount))
        return None if units is None else LineCharge(units, gross, discount, unit_price, money.get("tax"))

    def _units(self, quantity: Found, amount: int, where: str) -> int | None:
        """Return whole units; None after noting a quantity that the map does not allow for."""
        number: Decimal = quantity.value
        whole = max(0, math.ceil(number))
        if number > 0 and number != whole:
            if not self.rounds_up:
                self._wrong(quantity, "is not a whole number; `part_units: round_up` counts a part as a unit", where)
                return None
            self.notes[NOTE_PART] += 1
        if number <= 0 < amount:
            self._wrong(quantity, "is less than one, though the line costs something", where)
            return None
        return whole

    def _negative(self, scope: Scope, name: str, where: str) -> None:
        found = self.values[name].find(scope)
        if found:
            self.problems.append(problem_of(found, _NEGATIVE, f"{where}.{name}"))

    def _wrong(self, found: Found, reason: str, where: str) -> None:
        self.problems.append(problem_of(found, reason, f"{where}.quantity"))


def rounded(amount: Decimal) -> int:
    """Return whole cents, half up."""
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def find(value: Value, scope: Scope, where: str, problems: list[Problem], *, needed: bool = True) -> Found | None:
    """Return a value, or None after noting why there is none."""
    try:
        found = value.find(scope)
    except ValueProblemError as error:
        problems.append(error.problem("order", where))
        return None
    if found is None and needed:
        problems.append(Problem(scope.row, _NOTHING, value.columns, "", "order", where))
    return found


def cents(value: Value, scope: Scope, where: str, problems: list[Problem], *, signed: bool = False) -> int | None:
    """Return an amount, None where there is none or it is wrong; the latter is noted, so is a negative one."""
    found = find(value, scope, where, problems, needed=False)
    if found is None:
        return None
    try:
        amount = cents_of(found.value)
    except ValueError as error:  # a constant of the map, which knows no currency
        problems.append(problem_of(found, str(error), where))
        return None
    if amount < 0 and not signed:
        credit = f"is negative; `leave_out: {{negative: [{found.column}]}}` leaves credit notes out"
        problems.append(problem_of(found, credit if where == "total" else _NEGATIVE, where))
    return amount


def percent(value: Value, scope: Scope, where: str, problems: list[Problem]) -> Decimal | None:
    """Return a share of hundred (``10`` or ``10 %``), None where there is none or it is wrong, which is noted."""
    found = find(value, scope, where, problems, needed=False)
    if found is None:
        return None
    text = str(found.value).strip().removesuffix("%").strip()
    try:
        number = parse_number(text, decimal="," if "," in text else ".")
    except ValueError:
        number = Decimal(-1)
    if not 0 <= number <= 100:
        problems.append(problem_of(found, "is no percentage from 0 to 100", where))
        return None
    return number


def problem_of(found: Found, reason: str, where: str) -> Problem:
    """Return what is wrong with a value, for the report."""
    return Problem(found.row, reason, found.column, found.raw, "order", where)
