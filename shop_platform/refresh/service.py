"""The refresher's loop: whenever raw rows are committed that a hot mart does not contain, build the hot marts."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import structlog

from shop_platform.errors import ShopError
from shop_platform.orchestration.watermark import read_watermark
from shop_platform.refresh.heart import Heart
from shop_platform.refresh.journal import BUILDING, HEARTBEAT_SECONDS, IDLE, PROBLEM, STARTING, WAITING, Journal
from shop_platform.refresh.outcome import Outcome
from shop_platform.refresh.pace import Quarantine, check_pause_seconds, pause_seconds, with_descendants
from shop_platform.refresh.report import RefreshReporter
from shop_platform.refresh.warm import WarmDbt
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.locks import LockBusyError, TransformLock, lock_lost, transform_lock
from shop_platform.warehouse.service_events import Start
from shop_platform.warehouse.time_zone import refuse_another_zone

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.3
_LOCK_SECONDS = 5.0
_BACKOFF_SECONDS, _BACKOFF_LIMIT_SECONDS = 1.0, 30.0


def run_refresher(settings: Settings, stop: threading.Event) -> None:
    """Keep the hot marts up to date until ``stop`` is set.

    A warehouse that is away is waited for. A model that fails is named, left alone for a while together with what
    reads it, and tried again. Raises :class:`ShopError` when the dbt project cannot be parsed, and when the marts were
    built in another time zone.
    """
    log.info("refresher_starting")
    refuse_another_zone(settings, Role.TRANSFORM)
    journal = Journal(settings)
    with Heart(settings, journal.name) as heart, _starting(journal):
        # Half a minute or more on a busy machine: whoever tells of silent services is to know that it is under way.
        warm = WarmDbt(settings, application=journal.application).ready()
        _serve(settings, stop, journal, warm, heart)
    log.info("refresher_stopped")


@contextlib.contextmanager
def _starting(journal: Journal) -> Iterator[None]:
    """Show that a refresher is coming up, if the warehouse can be told, and take its heartbeat away in the end."""
    try:
        with contextlib.suppress(psycopg.Error, ShopError):
            journal.beat(STARTING)
        yield
    finally:
        journal.last()


def _serve(settings: Settings, stop: threading.Event, journal: Journal, warm: WarmDbt, heart: Heart) -> None:
    with RefreshReporter(settings) as reporter:
        refresher = Refresher(settings, warm, reporter, journal)
        log.info("refresher_started", models=len(warm.models))
        pause = _BACKOFF_SECONDS
        start, started = Start(settings, Role.ORCHESTRATOR, "refresher"), False
        while not stop.is_set():
            heart.tick()
            try:
                if not started:
                    start.record()
                    journal.forget_killed()
                    started = True
                rest = refresher.step()
                pause = _BACKOFF_SECONDS
            except (psycopg.Error, ShopError) as error:
                rest, pause = pause, min(pause * 2, _BACKOFF_LIMIT_SECONDS)
                log.warning("refresh_impossible", reason=str(error).splitlines()[0], retry_in_seconds=rest)
                refresher.trouble(error)
            stop.wait(rest)


class Refresher:
    """One look at the warehouse after another; every :meth:`step` says how long to rest."""

    def __init__(
        self,
        settings: Settings,
        warm: WarmDbt,
        reporter: RefreshReporter,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._warm = warm
        self._reporter = reporter
        self.journal = journal
        self._clock = clock
        self._quarantine = Quarantine()
        self._prepared = False
        self._next_beat = 0.0
        self._next_check = clock() + settings.refresh_check_seconds
        self._new_since_check = False
        self._passed: dict[str, bool] = {}

    def step(self) -> float:
        """Build if something is new, test if it is time; return the seconds to rest."""
        resting = with_descendants(self._quarantine.resting(self._clock()), self._warm.children)
        watched = sorted(model.relation for name, model in self._warm.models.items() if name not in resting)
        if watched and (not self._prepared or read_watermark(self._settings, watched).behind):
            return self._locked(lambda _: self._build(resting))
        if watched and self._new_since_check and self._clock() >= self._next_check:
            return self._locked(lambda lock: self._test(resting, lock))
        self._beat(IDLE, f"resting: {', '.join(sorted(resting))}" if resting else "")
        return _LOOK_SECONDS

    def trouble(self, error: Exception) -> None:
        """Say that nothing can be built, if the warehouse can be told."""
        self.journal.close()
        try:
            self._beat(PROBLEM, str(error).splitlines()[0])
        except (psycopg.Error, ShopError):
            self.journal.close()

    def _locked(self, work: Callable[[TransformLock], float]) -> float:
        """Do ``work`` while nobody else builds; give up after some seconds, to show a sign of life."""
        try:
            with transform_lock(
                self._settings, wait_seconds=_LOCK_SECONDS, application=self.journal.application
            ) as lock:
                return work(lock)
        except LockBusyError:
            self._beat(WAITING, "another transformation is running")
            return 0.0

    def _build(self, resting: set[str]) -> float:
        self._beat(BUILDING)
        began = self._clock()
        outcomes = self._warm.run(without=resting) if self._prepared else self._warm.prepare()
        self._prepared = True
        seconds = self._clock() - began
        self._settle(outcomes)
        self.journal.attempts(self._warm.models, outcomes)
        self._reporter.built(self._warm.models, outcomes)
        self._beat(IDLE, build_seconds=seconds)
        self._new_since_check = True
        log.debug("refreshed", seconds=round(seconds, 2), models=sum(done.succeeded for done in outcomes))
        return pause_seconds(seconds, os.getloadavg()[0] / (os.cpu_count() or 1))

    def _settle(self, outcomes: list[Outcome]) -> None:
        for done in outcomes:
            if done.failed:
                self._quarantine.failed(done.name, self._clock())
                log.error("hot_model_failed", model=done.name, reason=done.message)
            elif done.succeeded:
                self._quarantine.succeeded(done.name)

    def _test(self, resting: set[str], lock: TransformLock) -> float:
        self._beat(BUILDING, "testing")
        began = self._clock()
        outcomes = self._warm.test(without=resting)
        if lock.lost:
            # Somebody else may have built meanwhile: these tests saw marts of two moments.
            raise lock_lost()
        seconds = self._clock() - began
        self._reporter.checked(outcomes, self._warm.untested)
        # Every failure, and what changed; a pass every few minutes would fill the table with what everybody knows.
        self.journal.checked(
            [done for done in outcomes if done.failed or self._passed.get(done.name) != done.succeeded]
        )
        self._passed = {done.name: done.succeeded for done in outcomes}
        for done in outcomes:
            if done.failed:
                log.error("hot_test_failed", test=done.name, reason=done.message)
        self._new_since_check = False
        self._next_check = self._clock() + check_pause_seconds(seconds, self._settings.refresh_check_seconds)
        return _LOOK_SECONDS

    def _beat(self, state: str, reason: str = "", build_seconds: float | None = None) -> None:
        """Write a sign of life; the idle one only when it is time."""
        now = self._clock()
        if state != IDLE or build_seconds is not None or now >= self._next_beat:
            self._next_beat = now + HEARTBEAT_SECONDS
            self.journal.beat(state, reason, build_seconds)
