"""On which days a file's orders count, and on which they would by the file's own clock (pure)."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

from shop_platform.importing.times import ToldIn, as_told

_NAMED = 4
# Zones that a shop is likely to be in, one for each clock; the first that fits is a guess, and is told as one.
_LIKELY = (
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles",
    "Europe/Athens", "Europe/Istanbul", "America/Phoenix", "America/Anchorage", "Pacific/Honolulu", "America/Halifax",
    "America/Toronto", "America/Mexico_City", "America/Bogota", "America/Sao_Paulo", "Africa/Lagos", "Asia/Dubai",
    "Asia/Kolkata", "Asia/Bangkok", "Asia/Singapore", "Asia/Tokyo", "Australia/Perth", "Australia/Adelaide",
    "Australia/Brisbane", "Australia/Sydney", "Pacific/Auckland",
)  # fmt: skip


class Days:
    """The orders of a file by the clocks that it tells, and those that fall on another day than by the shop's.

    ``is_stored``: the warehouse has been built in this zone, which the setting cannot change any more.
    """

    def __init__(self, shop_tz: str, *, is_stored: bool = False) -> None:
        self.shop_tz = shop_tz
        self.is_stored = is_stored
        self.orders = 0
        self.elsewhere = 0
        self.clocks: Counter[str] = Counter()
        self._zone = ZoneInfo(shop_tz)
        # One time for each month and offset: summer and winter tell one zone from another.
        self._offsets: dict[tuple[int, int, dt.timedelta | None], dt.datetime] = {}

    def add(self, ordered_at: dt.datetime) -> None:
        """Count one order, by a time of :func:`~shop_platform.importing.times.parse_time`."""
        told = as_told(ordered_at)
        self.orders += 1
        self.elsewhere += told.date() != ordered_at.astimezone(self._zone).date()
        zone = ordered_at.tzinfo.zone if isinstance(ordered_at.tzinfo, ToldIn) else dt.UTC
        self.clocks[zone.key if isinstance(zone, ZoneInfo) else _offset(told)] += 1
        self._offsets.setdefault((told.year, told.month, told.utcoffset()), ordered_at.astimezone(dt.UTC))

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for ``--json``."""
        return {"orders": self.orders, "on_another_day": self.elsewhere, "clocks": dict(self.clocks.most_common())}

    def lines(self) -> Iterator[str]:
        """Yield by whose midnight the days begin, and for how many orders the file's own clock tells another day."""
        whose = ", the zone of the warehouse" if self.is_stored else " (SHOP_SHOP_TZ)"
        yield f"Business days begin at midnight of {self.shop_tz}{whose}."
        if not self.orders:
            return
        names = [name for name, _ in self.clocks.most_common()]
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        only_utc = names == ["UTC"]
        if not self.elsewhere:
            yield f"The file tells its times in {shown}: every order counts on the day that it has there."
            return
        share = f"{self.elsewhere:,} of {self.orders:,} orders ({self.elsewhere / self.orders:.0%})"
        yield f"The file tells its times in {shown}: {share} count on another day than they have there."
        if only_utc:
            yield f"UTC is the clock of the export, not of the shop. If {self.shop_tz} is the shop's, all is well."
            return
        guess = self._guess()
        if self.is_stored:
            fits = f"{guess} (it fits the file)" if guess else "with your shop's zone"
            yield f"If that is not what your shop counts by: shop rebuild --shop-tz {fits}."
            return
        zone = f"{guess} (it fits the file)" if guess else "your shop's zone"
        yield (
            f"If that is not what your shop counts by, set SHOP_SHOP_TZ to {zone} before the first build;"
            f" afterwards: shop rebuild --shop-tz {guess or 'ZONE'}."
        )

    def _guess(self) -> str | None:
        named = [name for name in self.clocks if "/" in name]
        if named:
            return named[0] if len(self.clocks) == 1 else None
        for name in _LIKELY:
            zone = ZoneInfo(name)
            if all(moment.astimezone(zone).utcoffset() == key[2] for key, moment in self._offsets.items()):
                return name
        return None


def _offset(moment: dt.datetime) -> str:
    return "UTC" if not moment.utcoffset() else f"{moment:%z}"[:3] + ":" + f"{moment:%z}"[3:5]
