"""What Dagster knows of a check: its last result, and whether a run that broke off still owes it one.

Dagster notes every check of a run when the run begins. Until the run judges it, the check has no other state than
that, however well it stood before: a run that fails or is cancelled leaves *Execution failed* or *Skipped* behind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from shop_platform.orchestration.text import JUDGED_AT, repeated

_PLANNED = AssetCheckExecutionRecordStatus.PLANNED
_BROKEN_OFF = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# Whoever cancelled a run has so long before another one starts because of it.
PEACE_SECONDS = 300
# A check that so many runs in a row did not judge has no result worth repeating.
_LOOK_BACK = 20


def owed(instance: dg.DagsterInstance, keys: Collection[dg.AssetCheckKey], now: float) -> set[dg.AssetKey]:
    """Return the assets of those checks whose last run failed or was cancelled before it judged them.

    ``now`` is in Unix seconds; a run that broke off a moment ago does not count yet.
    """
    known = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(keys))
    planned = {key: record.run_id for key, record in known.items() if record.status is _PLANNED}
    if not planned:
        return set()
    runs = instance.get_run_records(dg.RunsFilter(run_ids=sorted(set(planned.values())), statuses=_BROKEN_OFF))
    broken = {
        record.dagster_run.run_id
        for record in runs
        if (record.end_time or record.update_timestamp.timestamp()) <= now - PEACE_SECONDS
    }
    return {key.asset_key for key, run_id in planned.items() if run_id in broken}


def last_result(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """Return the last result of a check, to be repeated with the time of its finding; ``None``: never judged."""
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_LOOK_BACK):
        event = record.event.dagster_event if record.event else None
        if record.status is _PLANNED or event is None:
            continue
        found = event.asset_check_evaluation_data
        at = found.metadata.get(JUDGED_AT) or dg.MetadataValue.timestamp(record.create_timestamp)
        return dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=found.passed,
            severity=found.severity,
            metadata={**found.metadata, JUDGED_AT: at},
            description=repeated(found.description, dt.datetime.fromtimestamp(float(str(at.value)), dt.UTC)),
        )
    return None
