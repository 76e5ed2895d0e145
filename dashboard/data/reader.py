"""What pages ask: the queries behind the cache, for one selection at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dashboard.data import queries
from dashboard.data.cache import VersionedCache
from dashboard.data.periods import Period, Selection
from dashboard.data.pool import Warehouse
from dashboard.data.rows import Correction, Coverage, Day, Reconciled, SplitRow, SubjectFreshness

# A period shorter than this still gets a sparkline worth looking at: of the days before it.
SPARKLINE_DAYS = 14


@dataclass(frozen=True, slots=True)
class Scope:
    """A selection made concrete: the days, the days compared with, the currency.

    ``compared`` is ``None`` when no comparison is wanted or when the data does not reach back far enough;
    ``comparison_begins_too_early`` tells the two apart.
    """

    today: date
    period: Period
    compared: Period | None
    comparison_begins_too_early: bool
    coverage: Coverage
    currency: str


class Reader:
    """The dashboard's only door to the data; every method raises the two errors of :mod:`dashboard.data.pool`."""

    def __init__(self, warehouse: Warehouse, time_zone: ZoneInfo, clock: Callable[[], datetime]) -> None:
        self._warehouse = warehouse
        self._cache = VersionedCache(lambda: queries.version(warehouse))
        self.time_zone = time_zone
        self._clock = clock

    def now(self) -> datetime:
        """Return the present moment in the shop's time zone."""
        return self._clock().astimezone(self.time_zone)

    def _follow_zone(self) -> None:
        """Count days as the marts were built: they may have been rebuilt in another zone since this process started."""
        if zone := self._cache.get("shop_tz", lambda: queries.shop_tz(self._warehouse)):
            self.time_zone = ZoneInfo(zone)

    def today(self) -> date:
        """Return the shop's current business day."""
        return self.now().date()

    def version(self) -> str:
        """Return the token that changes when the marts were built anew."""
        return self._cache.version()

    def ping(self) -> None:
        """Raise when the warehouse does not answer."""
        queries.ping(self._warehouse)

    def coverage(self) -> Coverage | None:
        """Return which days and currencies there are, ``None`` for an empty mart."""
        return self._cache.get("coverage", lambda: queries.coverage(self._warehouse))

    def freshness(self) -> list[SubjectFreshness]:
        """Return how far the marts have come, one row per subject."""
        return self._cache.get("freshness", lambda: queries.freshness(self._warehouse))

    def reconciled(self) -> Reconciled | None:
        """Return the last reconciliation, ``None`` when there was none yet; it does not come with the marts."""
        return queries.reconciled(self._warehouse)

    def scope(self, selection: Selection) -> Scope | None:
        """Return what ``selection`` means now, ``None`` when there is no data at all."""
        coverage = self.coverage()
        if coverage is None:
            return None
        self._follow_zone()
        today = self.today()
        wanted = selection.comparison_period(today)
        covered = wanted is not None and wanted.start >= coverage.first_day
        known = selection.currency in coverage.currencies
        return Scope(
            today=today,
            period=selection.period(today),
            compared=wanted if covered else None,
            comparison_begins_too_early=wanted is not None and not covered,
            coverage=coverage,
            currency=selection.currency if known and selection.currency else coverage.currencies[0],
        )

    def days(self, scope: Scope) -> list[Day]:
        """Return every day that the KPI cards and the trend of ``scope`` need, in order."""
        start = min(scope.period.previous().start, Period.ending(scope.period.end, SPARKLINE_DAYS).start)
        key = ("days", start, scope.period.end, scope.currency)
        return self._cache.get(key, lambda: queries.days(self._warehouse, start, scope.period.end, scope.currency))

    def corrections(self, scope: Scope) -> dict[date, Correction]:
        """Return the days of ``scope`` of which a published figure changed."""
        start, end = scope.period.start, scope.period.end
        found = self._cache.get(("corrections", start, end), lambda: queries.corrections(self._warehouse, start, end))
        return {correction.day: correction for correction in found}

    def channels(self, scope: Scope) -> list[SplitRow]:
        """Return each channel's money, biggest net first."""
        key = ("channels", scope.period, scope.compared, scope.currency)
        return self._cache.get(
            key, lambda: queries.channels(self._warehouse, scope.period, scope.compared, scope.currency)
        )

    def categories(self, scope: Scope) -> list[SplitRow]:
        """Return each category's money, biggest net first."""
        key = ("categories", scope.period, scope.compared, scope.currency)
        return self._cache.get(
            key, lambda: queries.categories(self._warehouse, scope.period, scope.compared, scope.currency)
        )
