"""What is wrong now: failed jobs, checks that block, assets older than promised, code locations that do not load.

Nothing here remembers anything: the same state gives the same incidents, so a lost cursor or a restart finds none anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg

from shop_platform.orchestration import names
from shop_platform.orchestration.defs.ingestion.checks import DEAD_LETTERS, HOURS, NOT_HALTED, RECONCILED
from shop_platform.refresh.attempts import CHECK as REFRESHED

CRITICAL, WARNING = "critical", "warning"

# Runs and results further back are not looked at: every job that matters runs daily, and each tick pays for it.
_RUNS_WITHIN = "7 days"
_CHECKS_WITHIN = "26 hours"

_RUNBOOK_OF_CHECK = {
    RECONCILED: "invariant-broken",
    HOURS: "invariant-broken",
    DEAD_LETTERS: "dead-letters",
    NOT_HALTED: "halted",
    REFRESHED: "refresher",
}

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Incident:
    """One thing that is wrong. ``key`` names it as long as it lasts; ``runbook`` is a page of ``docs/runbooks``."""

    key: str
    severity: str
    title: str
    detail: str
    runbook: str
    assets: tuple[str, ...] = ()
    run_id: str | None = None


def failed_jobs(connection: Connection) -> list[Incident]:
    """Return one incident per job whose last finished run failed; a cancelled run says nothing either way."""
    rows = connection.execute(
        "select job, run_id, failed_step, error, failed_assets from ("
        " select distinct on (job) * from ops.pipeline_runs"
        " where status in ('success', 'failure') and started_at > now() - %s::interval"
        " order by job, ended_at desc) as last_runs where status = 'failure' order by job",
        [_RUNS_WITHIN],
    ).fetchall()
    return [
        Incident(
            key=f"run:{job}",
            severity=CRITICAL,
            title=f"{job} failed" + (f" in {step}" if step else ""),
            detail=str(error or "no reason given"),
            runbook="invariant-broken" if job == names.JOB_VERIFY else "run-failed",
            assets=tuple(assets) if isinstance(assets, list) else (),
            run_id=str(run_id),
        )
        for job, run_id, step, error, assets in rows
    ]


def failed_checks(connection: Connection, *, told: Iterable[str]) -> list[Incident]:
    """Return one incident per check whose last result is an error, but for those of the runs ``told`` of already."""
    rows = connection.execute(
        "select asset, check_name, description, run_id from ("
        " select distinct on (asset, check_name) * from ops.check_results"
        " where checked_at > now() - %s::interval order by asset, check_name, check_result_id desc) as last_results"
        " where not passed and severity = 'error' and run_id <> all(%s) order by asset, check_name",
        [_CHECKS_WITHIN, list(told)],
    ).fetchall()
    return [
        Incident(
            key=f"check:{asset}:{check}",
            severity=CRITICAL,
            title=f"{check} does not hold for {asset}",
            detail=str(description or "no description"),
            runbook=_RUNBOOK_OF_CHECK.get(str(check), "check-failed"),
            assets=(str(asset),),
            # What the refresher and the services report belongs to no run of Dagster's.
            run_id=None if run_id == "refresher" else str(run_id),
        )
        for asset, check, description, run_id in rows
    ]


def overdue(failing: Iterable[str], reasons: Mapping[str, str]) -> list[Incident]:
    """Return one incident per layer with assets that break their freshness policy.

    ``failing`` are asset keys (``marts/kpi_daily``). When the pipeline stands, all of a layer are late at once: that is
    one thing to be told, not forty. ``reasons`` says what a layer promises.
    """
    layers: dict[str, list[str]] = defaultdict(list)
    for asset in sorted(failing):
        layers[asset.split("/")[0]].append(asset)
    return [
        Incident(
            key=f"freshness:{layer}",
            severity=WARNING,
            title=f"{layer}: {len(assets)} {'asset is' if len(assets) == 1 else 'assets are'} older than promised",
            detail=reasons.get(layer, ""),
            runbook="stale",
            assets=tuple(assets),
        )
        for layer, assets in sorted(layers.items())
    ]


def unloaded(errors: Mapping[str, str]) -> list[Incident]:
    """Return one incident per code location of ``errors``; the empty name stands for the web server itself."""
    return [
        Incident(
            key=f"location:{location}",
            severity=CRITICAL,
            title=f"code location {location} is not loaded: none of its schedules, sensors and runs can start",
            detail=error,
            runbook="code-location",
        )
        if location
        else Incident("web", WARNING, "Dagster's web server does not answer", error, "code-location")
        for location, error in sorted(errors.items())
    ]
