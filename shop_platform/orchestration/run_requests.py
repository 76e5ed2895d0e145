"""When a sensor may ask for a run: not while one is under way, and not twice for the same work."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

RETRY_SECONDS = 900

_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def retry_window(now: float) -> int:
    """Return the number of the quarter of an hour that holds ``now`` (Unix seconds).

    Part of a sensor's run key: Dagster starts one run per key, so work whose run failed is asked for again in the
    next window, not on every tick and not never.
    """
    return int(now // RETRY_SECONDS)


def in_flight(instance: dg.DagsterInstance, jobs: Sequence[str]) -> bool:
    """Tell whether a run of one of ``jobs`` is queued or running."""
    return any(instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=_UNFINISHED)) > 0 for job in jobs)
