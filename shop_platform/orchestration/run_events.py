"""What a run left in Dagster's event log: why it failed, what it checked, what it built."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from shop_platform.orchestration.text import INTERRUPTED, JUDGED_AT, first_line

_PAGE = 500
# dagster-dbt's names for what dbt and the daily job's look at the table say; ``rows`` is the ingestion's.
_SECONDS, _ROWS = "Execution Duration", ("dagster/row_count", "rows")


_INTERRUPTION = dg.DagsterExecutionInterruptedError.__name__


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
class FailureRow:
    """One row of ``ops.asset_failures``."""

    asset: str
    reason: str


@dataclass(frozen=True)
class MaterializationRow:
    """One row of ``ops.asset_materializations``. ``seconds``: of the model itself, else since its step began."""

    asset: str
    seconds: float
    rows: int | None
    materialized_at: dt.datetime


def first_failure(instance: dg.DagsterInstance, run_id: str) -> tuple[str | None, str | None]:
    """Return the step that failed first and the first line of its reason."""
    step = _first(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    if step is not None:
        data = step.step_failure_data
        told = data.user_failure_data.description if data.user_failure_data else None
        # Dagster wraps what the step raised in an error of its own.
        raised = (data.error.cause or data.error).message if data.error else step.message
        return step.step_key, INTERRUPTED if _INTERRUPTION in str(raised) else first_line(told or raised)
    run = _first(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    if run is None:
        return None, None
    failure: Any = run.event_specific_data
    return None, first_line(failure.error.message if failure and failure.error else run.message)


def failed_assets(instance: dg.DagsterInstance, run_id: str, checks: Sequence[CheckRow]) -> tuple[str, ...]:
    """Return the assets that failed: the models dbt names, and those whose checks block; else all that were not built.

    One broken model leaves everything behind it unbuilt; whoever is called needs the one.
    """
    culprits = {failure.asset for failure in asset_failures(instance, run_id)}
    culprits |= {check.asset for check in checks if not check.passed and check.severity == "error"}
    return tuple(sorted(culprits or {key.to_user_string() for key in _missing(instance, run_id)}))


def asset_failures(instance: dg.DagsterInstance, run_id: str) -> tuple[FailureRow, ...]:
    """Return the models that dbt named as failed, each with its reason."""
    reasons = _models_named(instance, run_id)
    return tuple(
        FailureRow(key.to_user_string(), reasons[key.path[-1]])
        for key in sorted(_missing(instance, run_id))
        if key.path[-1] in reasons
    )


def run_checks(instance: dg.DagsterInstance, run_id: str) -> tuple[CheckRow, ...]:
    """Return the results of the run's checks."""
    rows = []
    for seconds, event in _all(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        if JUDGED_AT in evaluation.metadata:
            continue  # repeated for Dagster's sake: it was recorded when it was found
        rows.append(
            CheckRow(
                asset=evaluation.asset_key.to_user_string(),
                check_name=evaluation.check_name,
                passed=evaluation.passed,
                severity=evaluation.severity.value.lower(),
                description=evaluation.description,
                checked_at=dt.datetime.fromtimestamp(seconds, dt.UTC),
            )
        )
    return tuple(rows)


def run_materializations(instance: dg.DagsterInstance, run_id: str) -> tuple[MaterializationRow, ...]:
    """Return what the run built, in the order in which it was ready."""
    begun = {event.step_key: at for at, event in _all(instance, run_id, dg.DagsterEventType.STEP_START)}
    rows = []
    for seconds, event in _all(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
        materialization = event.step_materialization_data.materialization
        metadata = {name: value.value for name, value in materialization.metadata.items()}
        took = metadata.get(_SECONDS)
        rows.append(
            MaterializationRow(
                asset=materialization.asset_key.to_user_string(),
                seconds=float(took) if isinstance(took, int | float) else seconds - begun.get(event.step_key, seconds),
                rows=next((count for name in _ROWS if isinstance(count := metadata.get(name), int)), None),
                materialized_at=dt.datetime.fromtimestamp(seconds, dt.UTC),
            )
        )
    return tuple(rows)


def _missing(instance: dg.DagsterInstance, run_id: str) -> set[dg.AssetKey]:
    """Return the assets that the run should have built and did not."""
    planned = {
        event.asset_key for _, event in _all(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    }
    built = {event.asset_key for _, event in _all(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)}
    return {key for key in planned - built if key is not None}


def _models_named(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Return the reason of each model that the failed step names in its metadata (``model fct_orders: reason``)."""
    step = _first(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    told = step.step_failure_data.user_failure_data if step else None
    lines: Any = told.metadata["failed"].value if told and "failed" in told.metadata else []
    named = (line.removeprefix("model ").partition(": ") for line in lines if line.startswith("model "))
    return {model: reason or "no reason given" for model, _, reason in named}


def _first(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> dg.DagsterEvent | None:
    records = instance.get_records_for_run(run_id, of_type=kind, limit=1).records
    return records[0].event_log_entry.dagster_event if records else None


def _all(
    instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType
) -> Iterator[tuple[float, dg.DagsterEvent]]:
    """Yield the run's events of ``kind`` with the Unix second of each."""
    cursor, more = None, True
    while more:
        page = instance.get_records_for_run(run_id, cursor=cursor, of_type=kind, limit=_PAGE)
        cursor, more = page.cursor, page.has_more
        for record in page.records:
            entry = record.event_log_entry
            assert entry.dagster_event is not None
            yield entry.timestamp, entry.dagster_event
