"""What one event can contradict by itself: decimals that its currency does not have, sums that do not add up (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from shop_platform.events.currencies import minor_units
from shop_platform.events.vocabulary import Amount, Payload

# Amounts are compared as whole numbers of this part of a unit: no currency has more decimals.
_DECIMALS = 4


class Fault(NamedTuple):
    """A contradiction: where below ``data``, and a sentence about it."""

    path: str
    sentence: str


class _WrongDecimalsError(Exception):
    """An amount that its currency cannot have."""

    def __init__(self, path: str, amount: str, currency: str) -> None:
        super().__init__(path)
        self.fault = Fault(path, _decimals_sentence(path, amount, currency))


def _decimals_sentence(path: str, amount: str, currency: str) -> str:
    decimals = minor_units(currency)
    has = {0: "no decimals", 2: "two decimals", 3: "three decimals", 4: "four decimals"}[decimals]
    also = " (two that are zero are taken too)" if not decimals else ""
    return f"`{path}` is '{amount}', but {currency} has {has}{also}"


def _parts(amount: str, path: str, currency: str) -> int:
    """Return ``amount`` in parts of a unit; raise for decimals that ``currency`` does not have.

    Two decimals are always taken, as long as a currency without any has zeros there: the contract asked for two before
    it knew better.
    """
    whole, _, fraction = amount.partition(".")
    if len(fraction) == 2:
        if fraction == "00" or minor_units(currency):
            return int(whole + fraction) * 100
    elif len(fraction) == minor_units(currency):
        return int(whole + fraction) * int(10 ** (_DECIMALS - len(fraction)))
    raise _WrongDecimalsError(path, amount, currency)


def _text(parts: int) -> str:
    """Return parts of a unit as a person writes them."""
    sign, (whole, rest) = "-" if parts < 0 else "", divmod(abs(parts), 10**_DECIMALS)
    return f"{sign}{whole}.{f'{rest:04d}'.rstrip('0').ljust(2, '0')}"


def _sum_fault(path: str, told: int, expected: int, of_what: str) -> Fault | None:
    if told == expected:
        return None
    return Fault(path, f"`{path}` is '{_text(told)}', but {of_what} is '{_text(expected)}'")


def _order_placed(data: Any) -> Fault | None:
    currency = data.currency
    subtotal = discount = tax = 0
    numbers = set()
    for place, line in enumerate(data.lines):
        price = _parts(line.unit_price, f"lines[{place}].unit_price", currency)
        off = _parts(line.discount, f"lines[{place}].discount", currency)
        gross = price * line.quantity
        if off > gross:
            return Fault(
                f"lines[{place}].discount",
                f"`lines[{place}].discount` is '{_text(off)}', more than its quantity x unit price '{_text(gross)}'",
            )
        if line.line_number in numbers:
            return Fault(
                f"lines[{place}].line_number",
                f"`lines[{place}].line_number` is '{line.line_number}',"
                " as that of an earlier line; number each line once",
            )
        numbers.add(line.line_number)
        subtotal += gross
        discount += off
        tax += _parts(line.tax, f"lines[{place}].tax", currency)
    shipping = _parts(data.shipping, "shipping", currency)
    return (
        _sum_fault(
            "subtotal", _parts(data.subtotal, "subtotal", currency), subtotal, "quantity x unit price of all lines"
        )
        or _sum_fault("discount", _parts(data.discount, "discount", currency), discount, "the discount of all lines")
        or _sum_fault("tax", _parts(data.tax, "tax", currency), tax, "the tax of all lines")
        or _sum_fault(
            "total",
            _parts(data.total, "total", currency),
            subtotal - discount + shipping + tax,
            "subtotal - discount + shipping + tax",
        )
    )


def _refund_issued(data: Any) -> Fault | None:
    currency = data.currency
    _parts(data.tax, "tax", currency)
    _shipping_back(data)
    total = sum(_parts(line.amount, f"lines[{n}].amount", currency) for n, line in enumerate(data.lines))
    return _sum_fault("amount", _parts(data.amount, "amount", currency), total, "the amount of all lines")


def _shipping_back(data: Any) -> None:
    """Look at the shipping that goes back beside the lines, where it is told."""
    if data.shipping is not None:
        _parts(data.shipping, "shipping", data.currency)


def _refund_issued_v2(data: Any) -> Fault | None:
    currency = data.currency
    net = tax = 0
    for place, line in enumerate(data.lines):
        net += _parts(line.refunded.net, f"lines[{place}].refunded.net", currency)
        tax += _parts(line.refunded.tax, f"lines[{place}].refunded.tax", currency)
    _shipping_back(data)
    told = data.refunded
    return _sum_fault(
        "refunded.net", _parts(told.net, "refunded.net", currency), net, "the net of all lines"
    ) or _sum_fault("refunded.tax", _parts(told.tax, "refunded.tax", currency), tax, "the tax of all lines")


_OF_SEVERAL: dict[str, Callable[[Any], Fault | None]] = {
    "OrderPlaced": _order_placed,
    "OrderAmended": _order_placed,
    "RefundIssued": _refund_issued,
    "RefundIssuedV2": _refund_issued_v2,
}


def contradiction_of(payload: type[Payload]) -> Callable[[Any], Fault | None] | None:
    """Return what finds the first contradiction in a decoded ``payload`` (or in any object with its fields).

    ``None`` for a payload without amounts: it has nothing to contradict.
    """
    several = _several(payload)
    names = list(_amounts(payload))
    if several is None and not names:
        return None

    def find(data: Any) -> Fault | None:
        try:
            if several is not None:
                return several(data)
            for name in names:
                if (amount := getattr(data, name)) is not None:
                    _parts(amount, name, data.currency)
        except _WrongDecimalsError as wrong:
            return wrong.fault
        return None

    return find


def adds_up(payload: type[Payload]) -> bool:
    """Tell whether a payload has sums, or amounts below its first level: a pattern cannot judge it."""
    return _several(payload) is not None


def _several(payload: type[Payload]) -> Callable[[Any], Fault | None] | None:
    """Return the check of a payload, or of the one that it extends."""
    return next((_OF_SEVERAL[kind.__name__] for kind in payload.__mro__ if kind.__name__ in _OF_SEVERAL), None)


def _amounts(payload: type[Payload]) -> Iterator[str]:
    """Yield the fields of ``payload`` that are amounts of its ``currency``."""
    hints = get_type_hints(payload, include_extras=True)
    for field in msgspec.structs.fields(payload):
        hint = hints[field.name]
        if hint == Amount or Amount in get_args(hint):
            yield field.name
