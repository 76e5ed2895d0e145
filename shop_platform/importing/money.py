"""Money as text and as cents, and cents shared out so that nothing is lost (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

_PLAIN = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]{2}")


def parse_money(text: str, *, decimal: str = ".", thousands: str = "", rounds: bool = False) -> int:
    """Return cents. ``decimal`` and ``thousands`` are the separators; thousands must stand before three digits.

    Raises :class:`ValueError` with a sentence when ``text`` is no amount, or has more than two decimals that are not
    zero and ``rounds`` is false (true: half up).
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
    if len(fraction.rstrip("0")) > 2 and not rounds:
        raise ValueError("has more than two decimals; `money: {round: true}` rounds half up")
    cents = int((Decimal(f"{whole}.{fraction or 0}") * 100).quantize(Decimal(1), ROUND_HALF_UP))
    return -cents if negative else cents


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _other_sign(digits: str, decimal: str) -> str:
    found = sorted({sign for sign in digits if not sign.isalnum() and sign != decimal})
    return f"; it has {', '.join(map(repr, found))}: see `money: {{decimal, thousands}}` and `remove`" if found else ""


def format_money(cents: int) -> str:
    """Return the contract's text of an amount, ``-?digits.dd``."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def cents_of(text: str) -> int:
    """Return the cents of an amount in the contract's text. Raises :class:`ValueError` for any other text."""
    if not _PLAIN.fullmatch(text):
        raise ValueError("is not an amount")
    return int(text.replace(".", ""))


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
