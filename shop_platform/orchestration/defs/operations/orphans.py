"""End runs that nobody executes any more, so that they hold no pool and are started again."""

from __future__ import annotations

import json

import dagster as dg

from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.orphans import orphans

INTERVAL_SECONDS = 30


@dg.sensor(
    name="end_orphaned_runs",
    minimum_interval_seconds=sensor_interval(INTERVAL_SECONDS),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ends runs whose process is gone (killed with its code server); Dagster then starts them again once.",
)
def end_orphaned_runs(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """End what was found an orphan at two ticks in a row.

    A run that is just ending looks like one for a moment, and the daemon, which is to start it again, sees that a code
    server is back some seconds later than this does.
    """
    statuses = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    found = orphans(context.instance.get_runs(dg.RunsFilter(statuses=statuses)))
    before = set(json.loads(context.cursor)) if context.cursor else set()
    ended = []
    for run in found:
        now = context.instance.get_run_by_id(run.run_id)
        if run.run_id not in before or now is None or now.is_finished:
            continue
        if now.status is dg.DagsterRunStatus.CANCELING:
            context.instance.report_run_canceled(now, message="Its process is gone.")
        else:
            context.instance.report_run_failed(
                now, message="Its process is gone: it was killed, or the machine restarted."
            )
        ended.append(run.run_id)
    waiting = sorted({run.run_id for run in found} - set(ended))
    said = f"{len(ended)} runs ended, {len(waiting)} to be looked at again." if found else "Every run is executed."
    return dg.SensorResult(skip_reason=said, cursor=json.dumps(waiting))
