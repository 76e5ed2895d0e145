"""Tell Dagster what the refresher built, checked and could not build, so that the UI shows one story."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import httpx
import structlog

from shop_platform.dagster_rest import LINEAGE, IntervalReporter
from shop_platform.orchestration.text import JUDGED_AT, repeated
from shop_platform.refresh.attempts import CHECK
from shop_platform.refresh.journal import Builds, Journal, severity
from shop_platform.refresh.outcome import HotCheck, HotModel, Outcome
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

# Slow tests rest long. The marts must not look stale meanwhile: the service levels for them begin at half an hour.
_LONGEST_UNMATERIALIZED_SECONDS = 600.0


class RefreshReporter(IntervalReporter):
    """An observation per hot model and interval (``SHOP_REFRESH_REPORT_SECONDS``), a materialization with the tests.

    A build every second would flood Dagster's storage, so builds are added up. The same sums go to
    ``ops.asset_materializations``, whether or not Dagster answers.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(settings.dagster_url, settings.refresh_report_seconds)
        self._clock = clock
        self._builds: dict[str, Builds] = {}
        self._unmaterialized: dict[str, Builds] = {}
        self._materialized_at = clock()
        self._tested = False
        self._checks: dict[HotCheck, Outcome] = {}
        self._attempts: dict[HotCheck, Outcome] = {}
        self._judged: set[HotCheck] = set()
        self._others: frozenset[HotCheck] = frozenset()
        self._journal = Journal(settings)

    def built(self, models: dict[str, HotModel], outcomes: Sequence[Outcome]) -> None:
        """Count builds; a model that began or ceased to fail is told with the next report."""
        with self._lock:
            for done in outcomes:
                model = models.get(done.name)
                if model is None or not (done.succeeded or done.failed):
                    continue
                if done.succeeded:
                    for sums in (self._builds, self._unmaterialized):
                        sums.setdefault(done.name, Builds(model.asset)).add(done)
                check = HotCheck(CHECK, model.asset)
                before, self._attempts[check] = self._attempts.get(check), done
                if before is None or before.succeeded != done.succeeded:
                    self._checks[check] = done

    def checked(self, outcomes: Sequence[Outcome], others: frozenset[HotCheck] = frozenset()) -> None:
        """Take the results of a round of tests; whether each model was built belongs to it.

        ``others`` are checks of the same models that only a whole build judges.
        """
        with self._lock:
            self._judged |= {done.check for done in outcomes if done.check is not None}
            self._others = others
            self._checks.update({done.check: done for done in outcomes if done.check is not None})
            self._checks.update(self._attempts)
            self._tested = True

    def flush(self) -> int:
        """Report what is pending; return how many observations, materializations and checks Dagster took."""
        with self._lock:
            due = self._tested or self._clock() - self._materialized_at >= _LONGEST_UNMATERIALIZED_SECONDS
            builds, self._builds = self._builds, {}
            checks, self._checks = self._checks, {}
            sums = builds
            # Dagster shows a check as not evaluated once its asset was materialized after it.
            again = self._others | (frozenset() if self._tested else self._judged - checks.keys())
            if due:
                sums, self._unmaterialized, self._tested = self._unmaterialized, {}, False
                self._materialized_at = self._clock()
        self._record(list(builds.values()))
        told = {name for name, each in sums.items() if self._tell_build(each, materialized=due)}
        if due and len(told) < len(sums):
            with self._lock:
                self._tested = True
                self._unmaterialized = {
                    name: each for name, each in sums.items() if name not in told
                } | self._unmaterialized
        if due and told:
            self._tell_again(again)
        return len(told) + sum(self._tell_check(check, done) for check, done in checks.items())

    def _tell_again(self, checks: Collection[HotCheck]) -> None:
        """Repeat the last results of checks that nobody has judged since, with the time of each."""
        try:
            for check, result in self._journal.last_results(checks).items() if checks else ():
                self._check(
                    check.asset,
                    check.name,
                    passed=result.passed,
                    severity=result.severity.upper(),
                    metadata={"by": "refresher", JUDGED_AT: result.checked_at.timestamp()},
                    description=repeated(result.description, result.checked_at),
                )
        except httpx.HTTPError as error:
            log.debug("dagster_report_failed", error=str(error))
        except Exception as error:
            log.warning("results_not_read", error=str(error).splitlines()[0])
            self._journal.close()

    def _record(self, builds: list[Builds]) -> None:
        try:
            self._journal.materialized(builds)
        except Exception as error:
            # The builds themselves stand in the warehouse; the next interval is recorded again.
            log.warning("materializations_not_recorded", error=str(error).splitlines()[0])
            self._journal.close()

    def _tell_build(self, builds: Builds, *, materialized: bool) -> bool:
        metadata: dict[str, object] = {"builds": builds.builds, "seconds": round(builds.seconds, 3)}
        if builds.rows is not None:
            metadata["rows_written"] = builds.rows
        if materialized and builds.lineage is not None:
            metadata[LINEAGE] = builds.lineage
        try:
            tell = self._materialization if materialized else self._observation
            tell(builds.asset, "Built by the resident refresher.", metadata)
        except httpx.HTTPError as error:
            log.debug("dagster_report_failed", asset="/".join(builds.asset), error=str(error))
            return False
        return True

    def _tell_check(self, check: HotCheck, done: Outcome) -> bool:
        metadata: dict[str, object] = {"by": "refresher", "seconds": round(done.seconds, 3)}
        unbuilt = check.name == CHECK and done.message
        try:
            self._check(
                check.asset,
                check.name,
                passed=done.succeeded,
                severity=severity(done).upper(),
                metadata=metadata,
                description=f"The refresher could not build {done.name}: {done.message}" if unbuilt else done.message,
            )
        except httpx.HTTPError as error:
            log.debug("dagster_report_failed", check=check.name, error=str(error))
            with self._lock:
                self._checks.setdefault(check, done)
            return False
        return True
