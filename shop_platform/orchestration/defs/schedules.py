"""Schedules: on from the start, by the shop's clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import dagster as dg


def build(
    jobs: Sequence[dg.UnresolvedAssetJobDefinition], shop_tz: str, table: Iterable[tuple[str, str, str]]
) -> list[dg.ScheduleDefinition]:
    """Return a schedule for each (name, job, cron expression) of ``table``, in the time zone ``shop_tz``."""
    by_name = {job.name: job for job in jobs}
    return [
        dg.ScheduleDefinition(
            name=name,
            job=by_name[job],
            cron_schedule=cron,
            execution_timezone=shop_tz,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        )
        for name, job, cron in table
    ]
