"""Incidents of checks and of Dagster's runs, as they stand in the warehouse."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Any, NamedTuple

import psycopg

from shop_platform.monitoring import incident as kinds
from shop_platform.monitoring.incident import CRITICAL, Incident, key
from shop_platform.orchestration import names
from shop_platform.orchestration.dead_shares import waiting
from shop_platform.orchestration.text import INTERRUPTED
from shop_platform.refresh.attempts import CHECK as REFRESHED

Connection = psycopg.Connection[Any]

# Every job that matters runs daily; further back nobody looks for the run that failed.
_RUNS_WITHIN = dt.timedelta(days=7)

_RUNBOOK_OF_CHECK = {
    names.CHECK_RECONCILED: "invariant-broken",
    names.CHECK_HOURS: "invariant-broken",
    names.CHECK_DEAD_LETTERS: "dead-letters",
    REFRESHED: "refresher",
}


def failed_checks(connection: Connection) -> list[Incident]:
    """Return one incident per check that fails with severity error, but for what only a person's own run has found.

    The check that a topic is read is left out: the halt itself is told. Dead letters are counted anew, because a person
    may have dealt with them since the check ran.
    """
    rows = connection.execute(
        "select asset, check_name, description, found_by, failing_since from ops.check_states"
        " where failing_since is not null and pages and check_name <> %s order by failing_since, asset, check_name",
        [names.CHECK_NOT_HALTED],
    ).fetchall()
    dealt_with = few_dead_letters(connection) if any(row[1] == names.CHECK_DEAD_LETTERS for row in rows) else set()
    return [
        Incident(
            key(kinds.CHECK, asset, check),
            CRITICAL,
            f"{check} does not hold for {asset}",
            str(description or "the check gave no description"),
            _RUNBOOK_OF_CHECK.get(check, "check-failed"),
            cause=topic_cause(asset.partition("/")[2])
            if check == names.CHECK_DEAD_LETTERS
            # What the refresher and the services report belongs to no run of Dagster's.
            else ""
            if found_by == "refresher"
            else key("run", found_by),
            assets=(asset,),
            run_id=None if found_by == "refresher" else found_by,
            since=since,
        )
        for asset, check, description, found_by, since in rows
        if not (check == names.CHECK_DEAD_LETTERS and asset in dealt_with)
    ]


class Unbuilt(NamedTuple):
    """A run that could not build an asset which nobody has built since; times are of the run, but ``failed_at``."""

    asset: str
    reason: str
    run_id: str
    failed_at: dt.datetime
    by_hand: bool
    began: dt.datetime | None
    ended: dt.datetime | None


def unbuilt_assets(connection: Connection) -> list[Unbuilt]:
    """Return the failures of the last week that no later materialization has made good, the oldest first."""
    rows = connection.execute(
        """
        select f.asset, f.reason, f.run_id, f.failed_at, run.trigger = 'manual', run.started_at, run.ended_at
        from ops.asset_failures as f
        join ops.pipeline_runs as run using (run_id)
        where not f.gone and f.failed_at > clock_timestamp() - %s
            and not exists (
                select from ops.asset_materializations as m where m.asset = f.asset and m.materialized_at > f.failed_at
            )
        order by f.failed_at
        """,
        [_RUNS_WITHIN],
    ).fetchall()
    return [Unbuilt(*row) for row in rows]


def failed_assets(connection: Connection) -> list[Incident]:
    """Return one incident per asset that a run could not build and that nobody has built since."""
    first: dict[str, Unbuilt] = {}
    for each in unbuilt_assets(connection):
        if not each.by_hand:
            first.setdefault(each.asset, each)
    return [
        Incident(
            key(kinds.ASSET, asset),
            CRITICAL,
            f"{asset} could not be built",
            each.reason,
            "run-failed",
            cause=_outage(connection, each.began, each.ended) or key("run", each.run_id),
            assets=(asset,),
            run_id=each.run_id,
            since=each.failed_at,
        )
        for asset, each in sorted(first.items())
    ]


def failed_jobs(connection: Connection) -> list[Incident]:
    """Return one incident per job whose last finished run failed for a reason that no check and no asset gives.

    A run that was cancelled or interrupted says nothing either way; the run of a person is that person's. Another
    reason is another incident.
    """
    rows = connection.execute(
        """
        select
            job, run_id, failed_step, error, failed_assets, started_at, ended_at,
            -- A run whose process is gone is started again by Dagster, once.
            failed_step is null and (
                ended_at > clock_timestamp() - interval '45 seconds'
                or exists (
                    select from ops.pipeline_runs as again
                    where again.job = last_runs.job and again.status = 'started'
                        and again.started_at > last_runs.ended_at
                )
            )
        from (
            select distinct on (job) * from ops.pipeline_runs
            where status in ('success', 'failure') and ended_at > clock_timestamp() - %s
                and not (status = 'failure' and (trigger = 'manual' or error is not distinct from %s))
            order by job, ended_at desc
        ) as last_runs
        where status = 'failure'
            and not exists (select from ops.asset_failures as f where f.run_id = last_runs.run_id)
            and not exists (
                select from ops.check_results as c
                where c.run_id = last_runs.run_id and not c.passed and c.severity = 'error'
            )
        order by job
        """,
        [_RUNS_WITHIN, INTERRUPTED],
    ).fetchall()
    return [
        Incident(
            key(kinds.JOB, job, _reason_code(step, error)),
            CRITICAL,
            f"{job} failed" + (f" in {step}" if step else ""),
            str(error or "no reason given"),
            "invariant-broken" if job == names.JOB_VERIFY else "run-failed",
            cause=_outage(connection, began, ended),
            assets=tuple(assets or ()),
            run_id=run_id,
            since=ended,
            tentative=tentative,
        )
        for job, run_id, step, error, assets, began, ended, tentative in rows
    ]


def few_dead_letters(connection: Connection, *, for_warnings: bool = False) -> set[str]:
    """Return the raw tables whose check would call nobody as of now; ``for_warnings``: those for which it holds."""
    return {
        "/".join(names.raw_key(subject))
        for subject, waits in waiting(connection).items()
        if (waits.holds if for_warnings else not waits.calls)
    }


def _outage(connection: Connection, began: dt.datetime | None, ended: dt.datetime | None) -> str:
    """Return the incident of the server that was away while a run went on, if one was."""
    if began is None or ended is None:
        return ""
    row = connection.execute(
        "select incident from ops.alerts where incident in ('service:postgres', 'service:kafka')"
        " and opened_at < %s::timestamptz + interval '60 seconds'"
        " and coalesce(resolved_at, 'infinity') > %s::timestamptz - interval '60 seconds'"
        " order by alert_id desc limit 1",
        [ended, began],
    ).fetchone()
    return str(row[0]) if row else ""


def _reason_code(step: str | None, error: str | None) -> str:
    """Return a few letters that stay the same when the same reason comes with other numbers, ids and times."""
    told = re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", f"{step} {error}".lower())
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def topic_cause(subject: str) -> str:
    """Return what the incidents of one topic have in common."""
    return key("topic", subject)
