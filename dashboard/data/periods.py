"""Periods, comparison periods and their way into the URL and back: pure, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qs, urlencode

# Outside these a date in a URL is a typing mistake, and date arithmetic could overflow.
EARLIEST = date(2000, 1, 1)
LATEST = date(2100, 12, 31)

E = TypeVar("E", bound=StrEnum)


class Preset(StrEnum):
    """A named period, relative to today except for ``CUSTOM``; the value stands in the URL."""

    TODAY = "today"
    DAYS_7 = "7d"
    DAYS_30 = "30d"
    DAYS_90 = "90d"
    MONTH_TO_DATE = "mtd"
    QUARTER_TO_DATE = "qtd"
    YEAR_TO_DATE = "ytd"
    CUSTOM = "custom"


class Comparison(StrEnum):
    """What a period is compared with; the value stands in the URL."""

    PREVIOUS = "previous"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Period:
    """Business days from ``start`` to ``end``, both included; raises ValueError when ``end`` is before ``start``."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a period cannot end ({self.end}) before it starts ({self.start})")

    @property
    def days(self) -> int:
        """How many business days the period has (at least 1)."""
        return (self.end - self.start).days + 1

    def __contains__(self, day: date) -> bool:
        return self.start <= day <= self.end

    def dates(self) -> list[date]:
        """Return every day of the period in order."""
        return [self.start + timedelta(days=offset) for offset in range(self.days)]

    @classmethod
    def ending(cls, end: date, days: int) -> Period:
        """Return the period of ``days`` days (at least 1) whose last day is ``end``."""
        return cls(end - timedelta(days=days - 1), end)

    def previous(self) -> Period:
        """Return the adjacent earlier period of equal length."""
        return Period(self.start - timedelta(days=self.days), self.start - timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Selection:
    """What the reader asked for: everything the URL carries.

    ``custom`` is set exactly when ``preset`` is ``CUSTOM``. ``currency`` is an ISO 4217 code, ``None`` for the
    shop's main one.
    """

    preset: Preset = Preset.DAYS_30
    custom: Period | None = None
    comparison: Comparison = Comparison.PREVIOUS
    currency: str | None = None

    def __post_init__(self) -> None:
        if (self.preset is Preset.CUSTOM) != (self.custom is not None):
            raise ValueError("a custom period goes with the preset 'custom', and only with it")

    def period(self, today: date) -> Period:
        """Return the days meant, ``today`` being the shop's current business day."""
        if self.custom is not None:
            return self.custom
        return Period(_first_day(self.preset, today), today)

    def comparison_period(self, today: date) -> Period | None:
        """Return the days compared with, ``None`` when the reader wants no comparison."""
        return self.period(today).previous() if self.comparison is Comparison.PREVIOUS else None


def _first_day(preset: Preset, today: date) -> date:
    return {
        Preset.DAYS_7: today - timedelta(days=6),
        Preset.DAYS_30: today - timedelta(days=29),
        Preset.DAYS_90: today - timedelta(days=89),
        Preset.MONTH_TO_DATE: today.replace(day=1),
        Preset.QUARTER_TO_DATE: today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1),
        Preset.YEAR_TO_DATE: today.replace(month=1, day=1),
    }.get(preset, today)


def provisional_days(period: Period, since: date | None, today: date) -> Period | None:
    """Return the part of ``period`` whose numbers may still change, ``None`` when all of it is final.

    ``since`` is the first provisional day that the marts know, ``None`` when they know of none.
    """
    if since is None:
        return None
    start = max(period.start, since)
    end = min(period.end, today)
    return Period(start, end) if start <= end else None


def encode(selection: Selection) -> str:
    """Return the URL's search part (``""`` for the default selection, else starting with ``?``)."""
    query: dict[str, str] = {}
    if selection.custom is not None:
        query["from"] = selection.custom.start.isoformat()
        query["to"] = selection.custom.end.isoformat()
    elif selection.preset is not Selection().preset:
        query["period"] = selection.preset.value
    if selection.comparison is not Selection().comparison:
        query["compare"] = selection.comparison.value
    if selection.currency is not None:
        query["currency"] = selection.currency
    return f"?{urlencode(query)}" if query else ""


def decode(search: str | None) -> Selection:
    """Read a URL's search part; whatever is missing, unknown or impossible falls back to its default."""
    query = {key: values[-1] for key, values in parse_qs((search or "").removeprefix("?")).items()}
    custom = parse_custom(query.get("from"), query.get("to"))
    preset = _member(Preset, query.get("period"), Selection().preset)
    if custom is not None:
        preset = Preset.CUSTOM
    elif preset is Preset.CUSTOM:
        preset = Selection().preset
    currency = query.get("currency", "")
    return Selection(
        preset=preset,
        custom=custom,
        comparison=_member(Comparison, query.get("compare"), Selection().comparison),
        currency=currency if _is_currency(currency) else None,
    )


def parse_custom(start: str | None, end: str | None) -> Period | None:
    """Return the period between two ISO dates in either order, ``None`` unless both are usable dates."""
    try:
        days = sorted(date.fromisoformat(text or "") for text in (start, end))
    except ValueError:
        return None
    return Period(days[0], days[1]) if days[0] >= EARLIEST and days[1] <= LATEST else None


def _is_currency(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def _member(kind: type[E], text: str | None, default: E) -> E:
    try:
        return kind(text or "")
    except ValueError:
        return default
