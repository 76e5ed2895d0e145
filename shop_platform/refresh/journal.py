"""What the refresher leaves in `ops`: its sign of life, each model's last attempt, builds and checks by interval."""

from __future__ import annotations

import datetime as dt
import os
import socket
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from shop_platform.orchestration.lineage import Columns
from shop_platform.refresh.outcome import HotCheck, HotModel, Outcome
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import application_of

HEARTBEAT_SECONDS = 2.0
# Long after whoever wants to build has ended its sessions (warehouse/locks.py).
_FORGOTTEN_SECONDS = 600

STARTING, BUILDING, WAITING, IDLE, PROBLEM = "starting", "building", "waiting", "idle", "problem"


@dataclass
class Builds:
    """Builds of one asset in one interval."""

    asset: tuple[str, ...]
    builds: int = 0
    seconds: float = 0.0
    rows: int | None = None
    lineage: Columns | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one more build."""
        self.builds += 1
        self.seconds += outcome.seconds
        if outcome.rows is not None:
            self.rows = (self.rows or 0) + outcome.rows
        self.lineage = outcome.lineage or self.lineage


@dataclass(frozen=True)
class Result:
    """One row of ``ops.check_states``."""

    passed: bool
    severity: str
    description: str | None
    checked_at: dt.datetime


class Journal:
    """Writes as ``shop_orchestrator``, over one connection that is opened anew when it broke."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self.name = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:6]}"

    @property
    def application(self) -> str:
        """The name by which this refresher's sessions are known, lest they outlive its last heartbeat."""
        return application_of(self.name)

    def beat(self, state: str, reason: str = "", build_seconds: float | None = None) -> None:
        """Show that this refresher lives, and what it is about."""
        self._connected().execute(
            "insert into ops.refreshers (refresher, state, reason, build_seconds) values (%s, %s, %s, %s)"
            " on conflict (refresher) do update set heartbeat_at = clock_timestamp(), state = excluded.state,"
            " reason = excluded.reason, build_seconds = coalesce(excluded.build_seconds, refreshers.build_seconds)",
            [self.name, state, reason, build_seconds],
        )

    def forget_killed(self) -> None:
        """Take the heartbeats of refreshers away that were killed long ago."""
        self._connected().execute(
            "delete from ops.refreshers where heartbeat_at < clock_timestamp() - make_interval(secs => %s)",
            [_FORGOTTEN_SECONDS],
        )

    def attempts(self, models: dict[str, HotModel], outcomes: Sequence[Outcome]) -> None:
        """Remember the last attempt at each model; what was skipped was not attempted."""
        rows = [
            [models[done.name].relation, done.succeeded, done.seconds, done.failed, done.message or None]
            for done in outcomes
            if done.name in models and (done.succeeded or done.failed)
        ]
        with self._connected().cursor() as cursor:
            cursor.executemany(
                "insert into ops.hot_models (model, attempted_at, built_at, seconds, failures, error)"
                " values (%s, clock_timestamp(), case when %s then clock_timestamp() end, %s, %s::boolean::integer, %s)"
                " on conflict (model) do update set attempted_at = excluded.attempted_at,"
                " built_at = coalesce(excluded.built_at, hot_models.built_at), seconds = excluded.seconds,"
                " failures = case when excluded.failures = 0 then 0 else hot_models.failures + 1 end,"
                " error = excluded.error",
                rows,
            )

    def materialized(self, builds: Sequence[Builds]) -> None:
        """Write one row per asset and interval."""
        with self._connected().cursor() as cursor:
            cursor.executemany(
                "insert into ops.asset_materializations (asset, source, builds, seconds, row_count)"
                " values (%s, 'refresher', %s, %s, %s)",
                [["/".join(each.asset), each.builds, each.seconds, each.rows] for each in builds],
            )

    def checked(self, outcomes: Sequence[Outcome]) -> None:
        """Write the results of a round of tests."""
        # In one order, whoever writes: each row also locks the state of its check.
        rows = sorted(
            ["/".join(done.check.asset), done.check.name, done.succeeded, severity(done), done.message or None]
            for done in outcomes
            if done.check is not None
        )
        with self._connected().cursor() as cursor:
            cursor.executemany(
                "insert into ops.check_results (run_id, asset, check_name, passed, severity, description)"
                " values ('refresher', %s, %s, %s, %s, %s)",
                rows,
            )

    def last_results(self, checks: Collection[HotCheck]) -> dict[HotCheck, Result]:
        """Return the last result of each of ``checks`` that was ever judged, by whomever."""
        keys = {("/".join(check.asset), check.name): check for check in checks}
        with self._connected().cursor() as cursor:
            cursor.execute(
                "select asset, check_name, passed, severity, description, checked_at from ops.check_states"
                " where asset = any(%s) and check_name = any(%s)",
                [sorted({asset for asset, _ in keys}), sorted({name for _, name in keys})],
            )
            rows: list[Any] = cursor.fetchall()
        return {
            keys[asset, name]: Result(passed, severity, description, checked_at)
            for asset, name, passed, severity, description, checked_at in rows
            if (asset, name) in keys
        }

    def last(self) -> None:
        """Take the sign of life away, so that nobody waits for a refresher that has gone."""
        try:
            self._connected().execute("delete from ops.refreshers where refresher = %s", [self.name])
        except (psycopg.Error, OSError):
            return
        finally:
            self.close()

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = connect(self._settings, Role.ORCHESTRATOR, autocommit=True)
        return self._connection


def severity(outcome: Outcome) -> str:
    """Return ``warn`` for a test that only warns, else ``error``."""
    return "warn" if outcome.status == "warn" else "error"
