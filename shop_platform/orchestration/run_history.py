"""Copy Dagster's runs and check results into ``ops``, where Grafana and the dashboard read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.text import first_line
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


@dataclass(frozen=True)
class CheckRow:
    """One row of ``ops.check_results``."""

    asset: str
    check_name: str
    passed: bool
    severity: str
    description: str | None
    checked_at: dt.datetime


@dataclass(frozen=True)
class RunRow:
    """One row of ``ops.pipeline_runs`` and, once the run has ended, the checks it made."""

    run_id: str
    job: str
    status: str
    trigger: str
    started_at: dt.datetime
    ended_at: dt.datetime | None
    failed_step: str | None
    error: str | None
    checks: tuple[CheckRow, ...]


def read_run(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunRow | None:
    """Return what is to be recorded of a run, ``None`` while it is waiting."""
    run = record.dagster_run
    status = STATUSES.get(run.status)
    if status is None:
        return None
    # A run whose process never came up has no start of its own.
    started_at = _time(record.start_time) or record.create_timestamp
    ended_at = (_time(record.end_time) or record.update_timestamp) if status in FINISHED else None
    step, error = _first_failure(instance, run.run_id) if status == "failure" else (None, None)
    return RunRow(
        run_id=run.run_id,
        job=run.job_name,
        status=status,
        trigger=trigger(run.tags),
        started_at=started_at,
        ended_at=max(ended_at, started_at) if ended_at else None,
        failed_step=step,
        error=error,
        checks=_checks(instance, run.run_id) if status in FINISHED else (),
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
    """Write one run and its checks in one transaction; writing the same again changes nothing."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.execute(
            """
            insert into ops.pipeline_runs
                (run_id, job, status, trigger, started_at, ended_at, failed_step, error, updated_at)
            values (%(run_id)s, %(job)s, %(status)s, %(trigger)s, %(started_at)s, %(ended_at)s, %(failed_step)s,
                %(error)s, now())
            on conflict (run_id) do update set
                status = excluded.status, started_at = excluded.started_at, ended_at = excluded.ended_at,
                failed_step = excluded.failed_step, error = excluded.error, updated_at = now()
            """,
            {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "checks"},
        )
        # The row above is locked until the commit, so two writers cannot both find no checks.
        written = connection.execute(
            "select 1 from ops.check_results where run_id = %s limit 1", [row.run_id]
        ).fetchone()
        if row.checks and written is None:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.check_results"
                    " (run_id, asset, check_name, passed, severity, description, checked_at)"
                    " values (%s, %s, %s, %s, %s, %s, %s)",
                    [
                        [row.run_id, c.asset, c.check_name, c.passed, c.severity, c.description, c.checked_at]
                        for c in row.checks
                    ],
                )


def _time(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def _first_failure(instance: dg.DagsterInstance, run_id: str) -> tuple[str | None, str | None]:
    """Return the step that failed first and the first line of its reason."""
    step = _first_event(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    if step is not None:
        data = step.step_failure_data
        told = data.user_failure_data.description if data.user_failure_data else None
        # Dagster wraps what the step raised in an error of its own.
        raised = (data.error.cause or data.error).message if data.error else step.message
        return step.step_key, first_line(told or raised)
    run = _first_event(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    if run is None:
        return None, None
    failure: Any = run.event_specific_data
    return None, first_line(failure.error.message if failure and failure.error else run.message)


def _first_event(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> dg.DagsterEvent | None:
    records = instance.get_records_for_run(run_id, of_type=kind, limit=1).records
    return records[0].event_log_entry.dagster_event if records else None


def _checks(instance: dg.DagsterInstance, run_id: str) -> tuple[CheckRow, ...]:
    rows = []
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(
            run_id, cursor=cursor, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, limit=500
        )
        cursor, more = page.cursor, page.has_more
        for record in page.records:
            entry = record.event_log_entry
            assert entry.dagster_event is not None
            evaluation = entry.dagster_event.asset_check_evaluation_data
            rows.append(
                CheckRow(
                    asset=evaluation.asset_key.to_user_string(),
                    check_name=evaluation.check_name,
                    passed=evaluation.passed,
                    severity=evaluation.severity.value.lower(),
                    description=evaluation.description,
                    checked_at=dt.datetime.fromtimestamp(entry.timestamp, dt.UTC),
                )
            )
    return tuple(rows)
