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
# The contract takes 12 digits before the decimal sign; in cents there are more.
_MOST_DIGITS = 15
# The same mark as a typesetter writes it: thousands in spreadsheets are often set apart by an unbreakable blank.
_MOST_DIGITS_OF_NUMBERS = 9
_NEVER = re.compile("(?!)")
_TYPESET = {" ": re.compile("[\u00a0\u202f\u2009]"), "'": re.compile("’")}
_NOTATIONS = ((".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
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
    digits, negative = _sign_apart(text)
    parts = _parts(digits, decimal, thousands)
    if parts is None:
        raise ValueError(f"is not an amount with the decimal sign '{decimal}'" + _fitting(digits))
    whole, fraction = parts
    decimals = 0 if in_cents else _decimals.get()
    if len(fraction.rstrip("0")) > decimals and not rounds:
        raise ValueError(f"has more than {_counted(decimals)}; `money: {{round: true}}` rounds half up")
    cents = int((Decimal(f"{whole}.{fraction or 0}").scaleb(decimals)).quantize(Decimal(1), ROUND_HALF_UP))
    return -cents if negative else cents


def _counted(decimals: int) -> str:
    return "two decimals" if decimals == 2 else f"{decimals} decimals"


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def parse_number(text: str, *, decimal: str = ".", thousands: str = "") -> Decimal:
    """Return a number as exact as it was written, with the signs of :func:`parse_money`."""
    digits, negative = _sign_apart(text)
    parts = _parts(digits, decimal, thousands)
    if parts is None:
        raise ValueError("is not a number" + _fitting(digits, "number"))
    if len(parts[0]) > _MOST_DIGITS_OF_NUMBERS:
        raise ValueError("has more digits than an amount or a quantity can have")
    number = Decimal(f"{parts[0]}.{parts[1] or 0}")
    return -number if negative else number


def without_sign(text: str) -> str:
    """Return an amount without what makes it negative."""
    return _sign_apart(text)[0]


def _sign_apart(text: str) -> tuple[str, bool]:
    """Return an amount without its sign, and whether it is negative: -1.00, 1.00- and (1.00) are."""
    text = text.strip().replace("\u2212", "-")
    if text.startswith("(") and text.endswith(")"):
        return text[1:-1].strip(), True
    if text.endswith("-") and not text.startswith("-"):
        return text[:-1].strip(), True
    negative = text.startswith("-")
    return text.removeprefix("-" if negative else "+").strip(), negative


def _parts(digits: str, decimal: str, thousands: str) -> tuple[str, str] | None:
    """Return what stands before and behind the decimal sign, None where it is no amount.

    Raises :class:`ValueError` for a sign of thousands that does not stand before three digits.
    """
    whole, point, fraction = digits.partition(decimal)
    if thousands:
        whole = _TYPESET.get(thousands, _NEVER).sub(thousands, whole)
    if thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
            raise ValueError(f"'{thousands}' does not stand before three digits")
        whole = first + "".join(groups)
    if _digits(whole) and len(whole) > _MOST_DIGITS:
        raise ValueError("has more digits than an amount or a quantity can have")
    return (whole, fraction) if _digits(whole) and (not point or _digits(fraction)) else None


def _fitting(text: str, step: str = "money") -> str:
    """Return the steps with which a map would read ``text``, as the end of a sentence; nothing where none does."""
    words = list(dict.fromkeys(re.findall(r"[^\W\d_]{2,4}|[^\w\s.,'’()%+-]", text)))
    for word in words:
        text = text.replace(word, "")
    found = []
    for decimal, thousands in _NOTATIONS:
        with contextlib.suppress(ValueError):
            plain = _TYPESET.get(thousands, _NEVER).sub(thousands, text.strip())
            if thousands in plain and _parts(plain, decimal, thousands):
                named = [f'decimal: "{decimal}"'] * (decimal != ".") + [f'thousands: "{thousands}"'] * bool(thousands)
                money = [] if (decimal, thousands) == (".", "") else [f"{{{step}: {{{', '.join(named)}}}}}"]
                found.append([*(f'{{remove: "{word}"}}' for word in words), *money])
    told = [f"`do: [{', '.join(steps)}]`" for steps in found]
    return f"; {' or '.join(told)} reads it" if told else ""


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
