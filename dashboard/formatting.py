"""How numbers, days and durations are written: English, pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from dashboard.data.kpis import Change, Kind
from dashboard.data.periods import Period

NOTHING = "–"
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_MINUS = "−"


def money(amount: float | Decimal | None, currency: str, *, decimals: int | None = None) -> str:
    """Return e.g. ``€12,345`` or ``€74.20`` (two decimals below 1,000 unless told otherwise)."""
    if amount is None:
        return NOTHING
    places = decimals if decimals is not None else (0 if abs(float(amount)) >= 1000 else 2)
    return f"{_MINUS if amount < 0 else ''}{symbol(currency)}{abs(amount):,.{places}f}"


def symbol(currency: str) -> str:
    """Return what is written before an amount: the sign, or the code and a space."""
    return _SYMBOLS.get(currency, f"{currency} ")


def count(amount: float | None) -> str:
    """Return e.g. ``12,345``."""
    return NOTHING if amount is None else f"{amount:,.0f}".replace("-", _MINUS)


def rate(share: float | None) -> str:
    """Return e.g. ``2.84%`` for 0.0284 (one decimal from 10 % on)."""
    if share is None:
        return NOTHING
    return f"{share * 100:.{1 if abs(share) >= 0.1 else 2}f}%".replace("-", _MINUS)


def value(amount: float | None, kind: Kind, currency: str) -> str:
    """Return ``amount`` as its kind is written."""
    match kind:
        case Kind.MONEY:
            return money(amount, currency)
        case Kind.COUNT:
            return count(amount)
        case Kind.RATE:
            return rate(amount)


def change(moved: Change | None) -> str:
    """Return e.g. ``12.4%`` or ``0.31 pp`` with its sign, ``–`` when nothing can be said."""
    if moved is None:
        return NOTHING
    shown = f"{abs(moved.amount) * 100:.2f} pp" if moved.in_points else f"{abs(moved.amount) * 100:.1f}%"
    if not any(digit in shown for digit in "123456789"):
        return shown
    return f"{'+' if moved.amount > 0 else _MINUS}{shown}"


def day(when: date) -> str:
    """Return e.g. ``7 Nov 2026``."""
    return f"{when.day} {when:%b %Y}"


def period(days: Period) -> str:
    """Return e.g. ``25 Oct – 23 Nov 2026`` (the year once when it is the same)."""
    if days.start == days.end:
        return day(days.start)
    if days.start.year == days.end.year:
        if days.start.month == days.end.month:
            return f"{days.start.day} – {day(days.end)}"
        return f"{days.start.day} {days.start:%b} – {day(days.end)}"
    return f"{day(days.start)} – {day(days.end)}"


def age(seconds: float) -> str:
    """Return a duration in its largest sensible unit, e.g. ``8 s``, ``4 min``, ``3 h``, ``2 d``."""
    whole = max(int(seconds), 0)
    if whole < 90:
        return f"{whole} s"
    if whole < 90 * 60:
        return f"{whole // 60} min"
    if whole < 36 * 3600:
        return f"{whole // 3600} h"
    return f"{whole // 86400} d"


def moment(when: datetime, now: datetime) -> str:
    """Return the clock time of ``when``, with the day when that is not today; both in the same time zone."""
    clock = f"{when:%H:%M:%S}"
    return clock if when.date() == now.date() else f"{when.day} {when:%b} {when:%H:%M}"
