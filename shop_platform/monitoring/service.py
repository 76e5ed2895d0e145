"""``shop monitor``: look every ten seconds at what is wrong, keep ``ops.alerts``, tell the webhook once of each."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import psycopg
import structlog

from shop_platform.errors import ShopError
from shop_platform.monitoring import store, webhook
from shop_platform.monitoring.findings import everything
from shop_platform.monitoring.gone import forget_gone
from shop_platform.monitoring.grouping import Message, plan
from shop_platform.monitoring.lineage import Lineage
from shop_platform.monitoring.outage import Outage
from shop_platform.monitoring.probes import look_at_services
from shop_platform.monitoring.services import (
    MONITOR,
    POSTGRES,
    ServiceState,
)
from shop_platform.monitoring.watch import ServiceWatch
from shop_platform.orchestration.text import first_line
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import MONITOR_LOCK

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0
# A look that has to tell of more than this goes on with the next one.
_MESSAGES_PER_LOOK = 6
_FORGET_SECONDS = 60.0

Look = Callable[[Settings], list[ServiceState]]


def run_monitor(settings: Settings, stop: threading.Event) -> None:
    """Look until ``stop`` is set. Of several monitors one looks and tells; another takes over when it is gone."""
    with Monitor(settings) as monitor:
        log.info("monitor_started", webhook=bool(settings.alert_url))
        while not stop.is_set():
            began = time.monotonic()
            monitor.look()
            stop.wait(max(LOOK_SECONDS - (time.monotonic() - began), 1.0))
        log.info("monitor_stopped")


class Monitor:
    """Looks at the platform; remembers only what two looks have to agree about."""

    def __init__(
        self, settings: Settings, *, probe: Look = look_at_services, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._probe = probe
        self._clock = clock
        self._began = clock()
        self._watch = ServiceWatch(clock)
        self._outage: Outage | None = None
        self._leads = True
        self._next_forgetting = self._began + _FORGET_SECONDS
        self._lineage = Lineage(settings)
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._logged: set[tuple[int, bool]] = set()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def look(self) -> None:
        """Look once and tell what is due. Never raises for a part of the platform that is away."""
        states = self._probe(self._settings)
        self._watch.seen(states)
        warehouse = next(state for state in states if state.service == POSTGRES)
        if not warehouse.up:
            self._without_warehouse(warehouse)
            return
        try:
            connection = self._connected()
            self._leads = connection is not None
            if connection is None:
                log.debug("another_monitor_tells")
                return
            self._end_outage(connection)
            store.keep_states(connection, [*states, ServiceState(MONITOR, True)])
            self._forget_gone(connection)
            incidents = [*self._watch.away(states), *everything(connection)]
            store.keep_in_step(connection, incidents, unknown=self._watch.unknown(states))
            made = plan(store.alerts(connection), dt.datetime.now(dt.UTC), self._lineage.related)
            store.settle(connection, made)
            self._tell(connection, made.messages)
        except (psycopg.Error, ShopError) as error:
            # The next look finds out whether the warehouse is away.
            log.warning("look_failed", reason=first_line(str(error)))
            self._close()

    def _forget_gone(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if self._clock() >= self._next_forgetting:
            self._next_forgetting = self._clock() + _FORGET_SECONDS
            for gone in forget_gone(self._settings, connection):
                log.info("no_longer_defined", what=gone)

    def _tell(self, connection: psycopg.Connection[tuple[object, ...]], messages: Sequence[Message]) -> None:
        url, now = self._settings.alert_url, dt.datetime.now(dt.UTC)
        for message in messages:
            self._log(message)
        if not url:
            return
        due = [each for each in messages if each.head.next_attempt_at is None or each.head.next_attempt_at <= now]
        for message in due[:_MESSAGES_PER_LOOK]:
            store.attempt(connection, message)
            error = webhook.post(url, webhook.body(message, self._settings))
            if error is None:
                store.told(connection, message)
            else:
                log.warning("webhook_refused", reason=error)
                store.not_told(connection, message, error)

    def _log(self, message: Message) -> None:
        named = message.head.alert_id, message.over
        if named in self._logged:
            return
        self._logged.add(named)
        log.warning(
            "incident_over" if message.over else "incident",
            incident=message.head.incident, title=message.head.title, reason=message.head.detail,
            beneath=[each.incident for each in message.beneath],
        )  # fmt: skip

    def _without_warehouse(self, state: ServiceState) -> None:
        self._close()
        now = dt.datetime.now(dt.UTC)
        since = self._watch.away_since(POSTGRES)
        if self._outage is None and since is not None and self._leads:
            self._outage = Outage.begun(since, state.detail)
        if self._outage is not None and self._outage.alert.told_at is None:
            self._tell_outage(Message(self._outage.alert), now)

    def _end_outage(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if self._outage is None:
            return
        now = dt.datetime.now(dt.UTC)
        if self._outage.alert.open:
            self._watch.warehouse_is_back()
            over = self._outage.ended(now)
        else:
            over = Message(self._outage.alert, over=True)
        if over is not None and not self._tell_outage(over, now):
            return
        store.told_without_warehouse(connection, self._outage.alert)
        self._outage = None

    def _tell_outage(self, message: Message, now: dt.datetime) -> bool:
        assert self._outage is not None
        self._log(message)
        if not self._settings.alert_url:
            return True
        error = webhook.post(self._settings.alert_url, webhook.body(message, self._settings))
        if error is None:
            self._outage.told(now)
        else:
            log.warning("webhook_refused", reason=error)
        return error is None

    def _connected(self) -> psycopg.Connection[tuple[object, ...]] | None:
        """Return the session that holds the right to tell, ``None`` while another monitor does."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = connect(self._settings, Role.ORCHESTRATOR, autocommit=True, application="shop-monitor")
        row = self._connection.execute(
            "select exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objid = %s"
            " and granted) or pg_try_advisory_lock(%s)",
            [MONITOR_LOCK, MONITOR_LOCK],
        ).fetchone()
        return self._connection if row == (True,) else None

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
