"""Times and dates of exports as UTC (pure)."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = {"epoch": 1_000_000, "epoch_ms": 1_000}
# Day 0 of spreadsheets; they count 1900 as a leap year, so it fits from March 1900 on.
_SPREADSHEET = dt.datetime(1899, 12, 30)
_SERIAL = re.compile(r"[3-7][0-9]{4}(\.[0-9]+)?")


class ToldIn(dt.tzinfo):
    """UTC, for a time that a file told in ``zone``: everything counts in UTC, and the file's own day is not lost."""

    def __init__(self, zone: dt.tzinfo) -> None:
        self.zone = zone

    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        """Return none: the time is in UTC."""
        return dt.timedelta(0)

    def dst(self, _: dt.datetime | None) -> dt.timedelta:
        """Return none."""
        return dt.timedelta(0)

    def tzname(self, _: dt.datetime | None) -> str:
        """Return UTC."""
        return "UTC"


def as_told(moment: dt.datetime) -> dt.datetime:
    """Return a time of :func:`parse_time` as the clock of its file showed it."""
    return moment.astimezone(moment.tzinfo.zone if isinstance(moment.tzinfo, ToldIn) else dt.UTC)


def zone_named(name: str) -> ZoneInfo:
    """Return the IANA time zone; raise :class:`ValueError` when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"'{name}' is no IANA time zone such as Europe/Berlin") from error


def check_format(pattern: str) -> None:
    """Raise :class:`ValueError` when ``pattern`` is no format of ``strptime``."""
    try:
        dt.datetime.strptime("", pattern)
    except ValueError as error:
        if "directive" in str(error) or "stray" in str(error):
            raise ValueError(f"'{pattern}' is no time format such as %d.%m.%Y %H:%M") from None


def parse_time(text: str, *, pattern: str | None = None, zone: ZoneInfo | None = None) -> dt.datetime:
    """Return ``text`` in UTC. ``pattern``: None for ISO 8601, ``epoch``, ``epoch_ms``, ``excel`` or one of
    ``strptime``.

    A time without an offset is read in ``zone``; of an hour that a zone has twice, the first is meant. Raises
    :class:`ValueError` with a sentence when it is no time, has neither offset nor zone, or was skipped in the zone.
    """
    wanted = "in ISO 8601" if pattern is None else f"of the format '{pattern}'"
    try:
        moment = _moment(text.strip(), pattern)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC).replace(tzinfo=ToldIn(moment.tzinfo))
        if zone is None:
            raise _NoZoneError
        found = moment.replace(tzinfo=zone).astimezone(dt.UTC)
    except _NoZoneError:
        raise ValueError("has no time zone; give it one with `time: {zone: ...}`") from None
    except (ValueError, OverflowError):
        raise ValueError(f"is not a time {wanted}{_meant(text, 'time')}") from None
    if found.astimezone(zone).replace(tzinfo=None) != moment:
        raise ValueError(f"did not exist in {zone.key}: the clocks were put forward")
    return found.replace(tzinfo=ToldIn(zone))


class _NoZoneError(Exception):
    """A local time of nowhere."""


def _moment(text: str, pattern: str | None) -> dt.datetime:
    if pattern in _EPOCH:
        return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=int(text) * _EPOCH[pattern])
    if pattern == "excel":
        return _of_serial(text)
    return dt.datetime.fromisoformat(text) if pattern is None else dt.datetime.strptime(text, pattern)


def parse_date(text: str, *, pattern: str | None = None) -> dt.date:
    """Return the day that ``text`` names. Raises :class:`ValueError` with a sentence when it names none."""
    wanted = "in ISO 8601" if pattern is None else f"of the format '{pattern}'"
    try:
        if pattern is None:
            return dt.date.fromisoformat(text.strip())
        if pattern == "excel":
            return _of_serial(text.strip()).date()
        return dt.datetime.strptime(text.strip(), pattern).date()
    except (ValueError, OverflowError):
        raise ValueError(f"is not a date {wanted}{_meant(text, 'date')}") from None


def _of_serial(text: str) -> dt.datetime:
    """Return what a spreadsheet's number of days means, to the second: its fractions of a day are not exact."""
    return _SPREADSHEET + dt.timedelta(seconds=round(float(text) * 86_400))


def _meant(text: str, step: str) -> str:
    zone = ", zone: ..." if step == "time" else ""
    is_serial = _SERIAL.fullmatch(text.strip())
    return f"; a spreadsheet's number of a day is read by `{step}: {{format: excel{zone}}}`" if is_serial else ""


def iso(moment: dt.datetime) -> str:
    """Return a time in UTC as the contract's text."""
    return moment.isoformat().replace("+00:00", "Z")
