"""Copy Dagster's runs, check results and materializations into ``ops``, where Grafana and the dashboard read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

import dagster as dg
import psycopg

from shop_platform.orchestration import names
from shop_platform.orchestration.run_events import (
    CheckRow,
    FailureRow,
    MaterializationRow,
    asset_failures,
    failed_assets,
    first_failure,
    run_checks,
    run_materializations,
)
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# Dagster's words for a run that has begun, and ours. Queued runs are not history yet.
STATUSES = {
    dg.DagsterRunStatus.STARTED: "started",
    dg.DagsterRunStatus.CANCELING: "started",
    dg.DagsterRunStatus.SUCCESS: "success",
    dg.DagsterRunStatus.FAILURE: "failure",
    dg.DagsterRunStatus.CANCELED: "canceled",
}
FINISHED = {"success", "failure", "canceled"}

_OTHER_TABLES = {"checks", "failures", "materializations"}
_MATERIALIZED: LiteralString = (
    "select 1 from ops.asset_materializations where source = 'run:' || %s and source <> 'refresher' limit 1"
)


@dataclass(frozen=True)
class RunRow:
    """One row of ``ops.pipeline_runs`` and, once the run has ended, the checks it made and the assets it built."""

    run_id: str
    job: str
    status: str
    trigger: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    failed_step: str | None
    error: str | None
    failed_assets: tuple[str, ...]
    failures: tuple[FailureRow, ...]
    checks: tuple[CheckRow, ...]
    materializations: tuple[MaterializationRow, ...]


def read_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunRow | None:
    """Return what is to be recorded of a run, ``None`` while it is waiting."""
    run = record.dagster_run
    status = STATUSES.get(run.status)
    if status is None:
        return None
    # A run whose process never came up has no start of its own.
    started_at = _time(record.start_time) or record.create_timestamp
    ended_at = (_time(record.end_time) or record.update_timestamp) if status in FINISHED else None
    failed = status == "failure"
    step, error = first_failure(instance, run.run_id) if failed else (None, None)
    checks = run_checks(instance, run.run_id) if status in FINISHED else ()
    return RunRow(
        run_id=run.run_id,
        job=run.job_name,
        status=status,
        trigger=trigger(run.tags),
        started_at=started_at,
        ended_at=max(ended_at, started_at) if ended_at else None,
        failed_step=step,
        error=error,
        failed_assets=failed_assets(instance, run.run_id, checks) if failed else (),
        failures=asset_failures(instance, run.run_id) if failed else (),
        checks=checks,
        materializations=run_materializations(instance, run.run_id) if status in FINISHED else (),
    )


def trigger(tags: Mapping[str, str]) -> str:
    """Say who asked for a run: a schedule, a sensor, the name a caller gave, or a person."""
    for tag, kind in (("dagster/schedule_name", "schedule"), ("dagster/sensor_name", "sensor")):
        if tag in tags:
            return f"{kind}:{tags[tag]}"
    return tags.get(names.TAG_TRIGGER, "manual")


def known_statuses(settings: Settings, run_ids: Sequence[str]) -> dict[str, str]:
    """Return the recorded status of those of ``run_ids`` that are recorded."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute(
            "select run_id, status from ops.pipeline_runs where run_id = any(%s)", [list(run_ids)]
        ).fetchall()
    return {str(run_id): str(status) for run_id, status in rows}


def record_run(settings: Settings, row: RunRow) -> None:
    """Write one run, its checks and its materializations in one transaction; writing the same again changes nothing."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.execute(
            """
            insert into ops.pipeline_runs
                (run_id, job, status, trigger, started_at, ended_at, failed_step, error, failed_assets, updated_at)
            values (%(run_id)s, %(job)s, %(status)s, %(trigger)s, %(started_at)s, %(ended_at)s, %(failed_step)s,
                %(error)s, %(failed_assets)s, now())
            on conflict (run_id) do update set
                status = excluded.status, started_at = excluded.started_at, ended_at = excluded.ended_at,
                failed_step = excluded.failed_step, error = excluded.error,
                failed_assets = excluded.failed_assets, updated_at = now()
            """,
            {name: getattr(row, name) for name in row.__dataclass_fields__ if name not in _OTHER_TABLES}
            | {"failed_assets": list(row.failed_assets)},
        )
        # The row above is locked until the commit, so two writers cannot both find nothing.
        if row.checks and not _written(connection, "select 1 from ops.check_results where run_id = %s limit 1", row):
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.check_results"
                    " (run_id, asset, check_name, passed, severity, description, checked_at)"
                    " values (%s, %s, %s, %s, %s, %s, %s)",
                    [
                        [row.run_id, c.asset, c.check_name, c.passed, c.severity, c.description, c.checked_at]
                        # In one order, whoever writes: each row also locks the state of its check.
                        for c in sorted(row.checks, key=lambda check: (check.asset, check.check_name))
                    ],
                )
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ops.asset_failures (run_id, asset, reason, failed_at) values (%s, %s, %s, %s)"
                " on conflict do nothing",
                [[row.run_id, failure.asset, failure.reason, row.ended_at] for failure in row.failures],
            )
        if row.materializations and not _written(connection, _MATERIALIZED, row):
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.asset_materializations (asset, source, seconds, row_count, materialized_at)"
                    " values (%s, 'run:' || %s, %s, %s, %s)",
                    [[m.asset, row.run_id, m.seconds, m.rows, m.materialized_at] for m in row.materializations],
                )


def _written(connection: psycopg.Connection[tuple[object, ...]], query: LiteralString, row: RunRow) -> bool:
    return connection.execute(query, [row.run_id]).fetchone() is not None


def _time(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
