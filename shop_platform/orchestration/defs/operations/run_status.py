"""Keep ``ops.pipeline_runs`` and ``ops.check_results`` in step with Dagster's runs.

One sensor over the run table instead of one run-status sensor per status: it sees every code location, writes a
run's present state (so a late tick cannot turn a success back into "started"), and costs one tick instead of four.
"""

from __future__ import annotations

import datetime as dt

import dagster as dg

from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.run_history import STATUSES, known_statuses, read_run, record_run
from shop_platform.settings import Settings

_INTERVAL_SECONDS = 15
_PAGE = 200
# A run's row may commit after a row with a later timestamp was seen, so each tick looks back a little.
_OVERLAP = dt.timedelta(seconds=60)


@dg.sensor(
    name="record_run_status",
    minimum_interval_seconds=sensor_interval(_INTERVAL_SECONDS),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes every run's status, duration, failed step and error, and its check results, to `ops`.",
)
def record_run_status(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    """Record the runs that changed since the last tick; starting over records nothing twice."""
    seen = dt.datetime.fromisoformat(context.cursor) if context.cursor else None
    records = context.instance.get_run_records(
        dg.RunsFilter(statuses=list(STATUSES), updated_after=seen - _OVERLAP if seen else None),
        limit=_PAGE,
        order_by="update_timestamp",
        ascending=True,
    )
    known = known_statuses(settings, [record.dagster_run.run_id for record in records])
    recorded = 0
    for record in records:
        if known.get(record.dagster_run.run_id) == STATUSES[record.dagster_run.status]:
            continue
        row = read_run(context.instance, record)
        if row is not None:
            record_run(settings, row)
            recorded += 1
    newest = max((record.update_timestamp for record in records), default=seen)
    return dg.SensorResult(skip_reason=f"{recorded} runs recorded.", cursor=newest.isoformat() if newest else None)
