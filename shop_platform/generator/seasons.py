"""When people buy: local time, the day's and the year's rhythm."""

from __future__ import annotations

import datetime as dt
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np

from shop_platform.generator.parameters import DAY, HOUR
from shop_platform.generator.tables import Floats, Ints

# Share of a day's visits by local hour: lunch and above all the evening; at the weekend it starts later.
_WEEKDAY_HOURS = np.array(
    [13, 7, 4, 3, 3, 6, 15, 28, 38, 46, 52, 55, 60, 57, 50, 50, 54, 60, 68, 80, 92, 84, 54, 28], np.float64
)
_WEEKEND_HOURS = np.array(
    [18, 10, 6, 4, 3, 4, 8, 16, 32, 48, 60, 64, 62, 58, 57, 58, 60, 64, 72, 86, 98, 90, 58, 30], np.float64
)
# Monday to Sunday. Sunday evening is when Germany shops; Saturday belongs to the city.
WEEKDAY_FACTOR = np.array([1.07, 1.00, 0.98, 0.99, 0.92, 0.85, 1.19])
# The middle of each month, January to December: a quiet summer, a strong run-up to Christmas.
_MONTH_FACTOR = np.array([0.98, 0.94, 0.97, 0.98, 0.97, 0.93, 0.89, 0.91, 0.98, 1.04, 1.20, 1.26])
_MONTH_MIDDLE = np.array([15, 45, 74, 105, 135, 166, 196, 227, 258, 288, 319, 349])
_FIRST_YEAR, _LAST_YEAR = 2015, 2045


class LocalTime:
    """UTC milliseconds to local ones and back, vectorised, for one IANA zone (2015 to 2045)."""

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self._at, self._offset = _transitions(zone)

    def local(self, utc: Ints) -> Ints:
        """Return local wall-clock milliseconds."""
        return utc + self._offset[np.searchsorted(self._at, utc, side="right")]

    def utc(self, local: Ints) -> Ints:
        """Return UTC milliseconds of wall-clock times (the hour that comes twice means its later one)."""
        guess = local - self._offset[np.searchsorted(self._at, local, side="right")]
        return local - self._offset[np.searchsorted(self._at, guess, side="right")]

    def midnight(self, utc: int, days: int = 0) -> int:
        """Return the UTC milliseconds of the local midnight ``days`` after the one before ``utc``."""
        day = int(self.local(np.array([utc]))[0]) // DAY + days
        return int(self.utc(np.array([day * DAY]))[0])

    def day(self, utc: Ints) -> Ints:
        """Return local days since 1970-01-01."""
        return self.local(utc) // DAY


@cache
def _transitions(zone: str) -> tuple[Ints, Ints]:
    info = ZoneInfo(zone)

    def offset(ms: int) -> int:
        delta = dt.datetime.fromtimestamp(ms / 1000, info).utcoffset()
        return int(delta.total_seconds() * 1000) if delta else 0

    first = int(dt.datetime(_FIRST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
    last = int(dt.datetime(_LAST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
    at, offsets = [], [offset(first)]
    for day in range(first, last, DAY):
        if offset(day + DAY) != offset(day):
            hour = next(h for h in range(day, day + DAY + 1, HOUR // 4) if offset(h) != offset(day))
            at.append(hour)
            offsets.append(offset(hour))
    return np.array(at, np.int64), np.array(offsets, np.int64)


def weekday(local_day: Ints) -> Ints:
    """Return 0 (Monday) to 6 (Sunday) for days since 1970-01-01."""
    return (local_day + 3) % 7


def day_factor(local_day: Ints) -> Floats:
    """Return the factor of weekday and time of the year on the visits of a day."""
    dates = local_day.astype("datetime64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    year = np.interp(day_of_year, _MONTH_MIDDLE, _MONTH_FACTOR, period=365)
    result: Floats = WEEKDAY_FACTOR[weekday(local_day)] * year
    return result


def hour_weights(local_hour: Ints, local_day: Ints) -> Floats:
    """Return the share of the day's visits that falls into each hour."""
    weekend = weekday(local_day) >= 5
    share: Floats = np.where(
        weekend, _WEEKEND_HOURS[local_hour] / _WEEKEND_HOURS.sum(), _WEEKDAY_HOURS[local_hour] / _WEEKDAY_HOURS.sum()
    )
    return share
