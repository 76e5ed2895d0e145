"""Money as text and in the smallest units of its currency, and amounts shared out so that nothing is lost (pure)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from decimal import ROUND_HALF_UP, Decimal

from shop_platform.events.currencies import minor_units

_PLAIN = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]{2,4}))?")
_LEAST_DECIMALS = 2
_decimals: ContextVar[int] = ContextVar("decimals of the amounts at hand", default=2)


@contextlib.contextmanager
def amounts_in(currency: str) -> Iterator[None]:
    """Let every amount of the block be of ``currency``: a "cent" is then its smallest unit, a yen or a thousandth."""
    before = _decimals.set(minor_units(currency))
    try:
        yield
    finally:
        _decimals.reset(before)


def parse_money(
    text: str, *, decimal: str = ".", thousands: str = "", rounds: bool = False, in_cents: bool = False
) -> int:
    """Return cents. ``decimal`` and ``thousands`` are the separators; thousands must stand before three digits.

    ``in_cents``: the text counts cents itself. Raises :class:`ValueError` with a sentence when ``text`` is no amount,
    or has more decimals that are not zero than its currency and ``rounds`` is false (true: half up).
    """
    text = text.strip().replace("\u2212", "-")
    negative, digits = text.startswith("-"), text.removeprefix("-").strip()
    whole, point, fraction = digits.partition(decimal)
    if thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            raise ValueError(f"'{thousands}' does not stand before three digits")
        whole = first + "".join(groups)
    if not _digits(whole) or (point and not _digits(fraction)):
        raise ValueError(f"is not an amount with the decimal sign '{decimal}'" + _other_sign(digits, decimal))
    decimals = 0 if in_cents else _decimals.get()
    if len(fraction.rstrip("0")) > decimals and not rounds:
        raise ValueError(f"has more than {_counted(decimals)}; `money: {{round: true}}` rounds half up")
    cents = int((Decimal(f"{whole}.{fraction or 0}").scaleb(decimals)).quantize(Decimal(1), ROUND_HALF_UP))
    return -cents if negative else cents


def _counted(decimals: int) -> str:
    return "two decimals" if decimals == 2 else f"{decimals} decimals"


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _other_sign(digits: str, decimal: str) -> str:
    found = sorted({sign for sign in digits if not sign.isalnum() and sign != decimal})
    return f"; it has {', '.join(map(repr, found))}: see `money: {{decimal, thousands}}` and `remove`" if found else ""


def format_money(cents: int) -> str:
    """Return the contract's text of an amount: with the decimals of its currency, and two zeros where it has none."""
    decimals = _decimals.get()
    whole, rest = divmod(abs(cents), 10**decimals)
    fraction = f"{rest:0{decimals}d}" if decimals else ""
    return f"{'-' if cents < 0 else ''}{whole}.{fraction.ljust(_LEAST_DECIMALS, '0')}"


def cents_of(text: str) -> int:
    """Return the cents of an amount in the contract's text. Raises :class:`ValueError` for any other text."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        raise ValueError("is not an amount")
    sign, whole, fraction = found[1], found[2], found[3] or ""
    decimals = _decimals.get()
    if len(fraction.rstrip("0")) > decimals:
        raise ValueError(f"has more than {_counted(decimals)}")
    return int(f"{sign}{whole}{fraction[:decimals].ljust(decimals, '0')}")


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Share ``amount`` out in proportion to ``weights`` (all >= 0): the shares add up to it exactly.

    Each share differs by less than a cent from the exact one (largest remainders get the rest, the first of equals
    first), so that no share exceeds its weight as long as ``amount`` does not exceed their sum. Without any weight
    everything goes to the first.
    """
    total = sum(weights)
    if not total:
        return [amount, *[0] * (len(weights) - 1)]
    shares = [amount * weight // total for weight in weights]
    rest = amount - sum(shares)
    largest = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for index in largest[:rest]:
        shares[index] += 1
    return shares
