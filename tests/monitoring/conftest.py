"""Somebody on call: a warehouse, a webhook, and a monitor that looks when the test says so."""

from __future__ import annotations

import datetime as dt

import pytest

from shop_platform.monitoring.service import Monitor
from shop_platform.monitoring.services import DAEMON, DASHBOARD, INGEST, KAFKA, POSTGRES, REFRESHER, WEB, ServiceState
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect
from tests.support.webhook import webhook as serve_webhook

ALL_UP = (POSTGRES, KAFKA, WEB, "dagster-ingestion", "dagster-warehouse", DASHBOARD, INGEST, REFRESHER, DAEMON)


class OnCall:
    """A monitor whose services are as the test says; ``away`` names those that do not answer and why."""

    def __init__(self, settings, hook):
        self.settings, self.hook = settings, hook
        self.away: dict[str, str] = {}
        self.unasked: set[str] = set()
        self.now = 1000.0
        self.start()

    def start(self):
        """Begin anew, as after a restart, and see everything up once."""
        self.monitor = Monitor(self.settings, probe=lambda _: self.states(), clock=lambda: self.now)

    def states(self):
        asked = [service for service in ALL_UP if service not in self.unasked]
        return [ServiceState(name, name not in self.away, self.away.get(name, "")) for name in asked]

    def look(self, times=1, seconds=10):
        for _ in range(times):
            self.monitor.look()
            self.now += seconds

    def admin(self, statement, parameters=None):
        with connect(self.settings, Role.ADMIN, autocommit=True) as admin:
            return admin.execute(statement.encode(), parameters)

    def rows(self, query):
        with connect(self.settings, Role.ORCHESTRATOR) as connection:
            return connection.execute(query.encode()).fetchall()

    def run(
        self,
        run_id,
        *,
        job="transform",
        status="failure",
        trigger="sensor:x",
        error="",
        failures=None,
        step="dbt_build",
    ):
        """Write down a finished run, as the sensor that records runs does."""
        self.admin(
            "insert into ops.pipeline_runs (run_id, job, status, trigger, started_at, ended_at, failed_step, error)"
            " values (%s, %s, %s, %s, clock_timestamp() - interval '5 seconds', clock_timestamp(), %s, %s)",
            [run_id, job, status, trigger, step, error],
        )
        for asset, reason in (failures or {}).items():
            self.admin("insert into ops.asset_failures values (%s, %s, %s, clock_timestamp())", [run_id, asset, reason])

    def check(self, asset, name, passed, *, run="refresher", severity="error", description="2 rows, of orders 1 and 2"):
        self.admin(
            "insert into ops.check_results (run_id, asset, check_name, passed, severity, description)"
            " values (%s, %s, %s, %s, %s, %s)",
            [run, asset, name, passed, severity, description],
        )

    def told(self):
        """Return (status, incident) of each message since the last call."""
        messages = [(body["status"], body["incident"]) for body in self.hook.received]
        self.hook.received.clear()
        return messages

    def time_passes(self, **time):
        """Let what was found, told or over before be so much longer ago; the next attempt is due."""
        shift = dt.timedelta(**time)
        self.admin(
            "update ops.alerts set next_attempt_at = clock_timestamp(), opened_at = opened_at - %(by)s,"
            " resolved_at = resolved_at - %(by)s, told_at = told_at - %(by)s",
            {"by": shift},
        )


_WRITTEN = (
    *("alerts", "check_results", "check_states", "asset_failures", "pipeline_runs", "late_assets", "service_events"),
    *("service_states", "ingest_halts", "ingest_batches", "dead_letters", "asset_materializations"),
)


@pytest.fixture
def on_call(warehouse):
    with serve_webhook() as hook:
        update = {"dagster_public_url": "https://dagster.shop", "runbook_url": "https://docs.shop/runbooks/"}
        settings = load(**warehouse.settings.model_dump() | update | {"alert_webhook_url": hook.url})
        made = OnCall(settings, hook)
        made.look()
        yield made
        made.monitor.__exit__()
        made.admin("truncate " + ", ".join(f"ops.{table}" for table in _WRITTEN))
