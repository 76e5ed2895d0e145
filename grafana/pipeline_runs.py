"""The parts of the pipeline board about runs, checks, freshness and reconciliation."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.measures import BLOCKING, LATEST_CHECKS, MARTS_WAITING, using
from grafana.model import Section
from grafana.panels import (
    BLUE,
    COLORED_TEXT,
    GREEN,
    MARTS_COLORS,
    NONE_IS_GOOD,
    RED,
    YELLOW,
    bars,
    column,
    table,
    timeseries,
    words,
)

RUNS = Section(
    "Runs and checks",
    (
        (
            timeseries(
                "Runs by outcome over time",
                "Runs that ended in each interval.",
                "short",
                """
                select $__timeGroupAlias(ended_at, $__interval), status, count(*) as runs
                from ops.pipeline_runs
                where $__timeFilter(ended_at)
                group by 1, 2
                order by 1
                """,
                label="status",
                style="bars",
                stacked=True,
                width=8,
                overrides=tuple(
                    column(name, color={"mode": "fixed", "fixedColor": color})
                    for name, color in (("success", GREEN), ("failure", RED), ("canceled", YELLOW))
                ),
            ),
            timeseries(
                "Duration of runs",
                "How long each run took, by job.",
                "s",
                """
                select ended_at as "time", job, max(duration_seconds) as duration
                from ops.pipeline_runs
                where $__timeFilter(ended_at)
                group by 1, 2
                order by 1
                """,
                label="job",
                style="points",
                width=8,
            ),
            timeseries(
                "Checks passed over time",
                "Share of the checks that passed, of those that ran in each interval.",
                "percentunit",
                """
                select $__timeGroupAlias(checked_at, $__interval),
                       avg(case when passed then 1.0 else 0.0 end) as pass_rate
                from ops.check_results
                where $__timeFilter(checked_at)
                group by 1
                order by 1
                """,
                width=8,
                style="points",
                overrides=(column("pass_rate", max=1, min=0),),
            ),
        ),
        (
            table(
                "Last runs",
                "The newest runs, whatever the range, with the step and the reason when one failed.",
                """
                select coalesce(started_at, updated_at) as started,
                       job,
                       status,
                       coalesce(duration_seconds, extract(epoch from now() - started_at)) as duration,
                       trigger,
                       coalesce(failed_step, '') as failed_step,
                       left(coalesce(error, ''), 300) as error,
                       run_id
                from ops.pipeline_runs
                order by coalesce(started_at, updated_at) desc
                limit 50
                """,
                width=14,
                columns=(
                    column("started", unit="dateTimeAsLocal", title="Started"),
                    column("job", title="Job"),
                    column(
                        "status",
                        title="Outcome",
                        mappings=words(
                            success=("success", GREEN),
                            failure=("failure", RED),
                            canceled=("canceled", YELLOW),
                            started=("running", BLUE),
                        ),
                        custom__cellOptions=COLORED_TEXT,
                    ),
                    column("duration", unit="s", title="Took"),
                    column("trigger", title="Started by"),
                    column("failed_step", title="Failed step"),
                    column("error", title="Error"),
                    column("run_id", title="Run"),
                ),
            ),
            table(
                "Checks that fail",
                "Every check whose latest result in the range is a failure; errors first.",
                using(
                    LATEST_CHECKS,
                    f"""
                    select asset, check_name, severity, coalesce(description, '') as description, checked_at
                    from latest
                    where not passed
                    order by {BLOCKING} desc, asset, check_name
                    limit 100
                    """,
                ),
                width=10,
                columns=(
                    column("asset", title="Asset"),
                    column("check_name", title="Check"),
                    column(
                        "severity",
                        title="Severity",
                        mappings=words(error=("error", RED), warn=("warning", YELLOW)),
                        custom__cellOptions=COLORED_TEXT,
                    ),
                    column("description", title="What it says"),
                    column("checked_at", unit="dateTimeFromNow", title="Checked"),
                ),
            ),
        ),
    ),
    heights=(8, 9),
)

TRUST = Section(
    "Freshness and reconciliation",
    (
        (
            table(
                "Freshness per subject",
                "What the marts know of each subject: the newest event, its age, how many events and dead letters.",
                """
                select subject,
                       max_event_time,
                       extract(epoch from now() - max_event_time) as age,
                       extract(epoch from max_ingested_at - max_event_time) as ingest_delay,
                       events_count,
                       dead_letters_count
                from marts.data_freshness
                order by subject
                """,
                columns=(
                    column("subject", title="Subject"),
                    column("max_event_time", unit="dateTimeAsLocal", title="Newest event"),
                    column("age", unit="s", title="Age", decimals=0),
                    column("ingest_delay", unit="s", title="Event to warehouse", decimals=1),
                    column("events_count", unit="short", title="Events"),
                    column("dead_letters_count", unit="short", title="Dead letters"),
                ),
            ),
            bars(
                "Wait per mart",
                "How long the oldest landed event has been waiting for each mart; the alert 'Marts are stale' looks "
                "at the same figure.",
                "s",
                using(MARTS_WAITING, "select model, seconds_waiting from waiting order by model"),
                thresholds=MARTS_COLORS,
                decimals=0,
            ),
        ),
        (
            timeseries(
                "Reconciliation",
                "Events that were produced and are nowhere, events that nobody produced, hours of event time that do"
                " not add up: all must stay at zero. Given up: lost, and accepted by a person.",
                "short",
                """
                select checked_at as "time", missing, unexpected, given_up, hours_off
                from ops.reconciliations
                where $__timeFilter(checked_at)
                order by 1
                """,
                style="points",
            ),
            table(
                "Last reconciliations",
                "Produced + without a ledger = landed + dead-lettered (+ given up + removed by retention), as last"
                " checked.",
                """
                select checked_at, holds, produced, foreign_events, landed, dead_lettered, duplicates, missing,
                       unexpected
                from ops.reconciliations
                order by checked_at desc
                limit 20
                """,
                unit="short",
                columns=(
                    column("checked_at", unit="dateTimeAsLocal", title="Checked"),
                    column(
                        "holds",
                        unit="none",
                        title="Holds",
                        mappings=words(true=("holds", GREEN), false=("broken", RED)),
                        custom__cellOptions=COLORED_TEXT,
                    ),
                    column("produced", title="Produced"),
                    column("foreign_events", title="Without a ledger"),
                    column("landed", title="Landed"),
                    column("dead_lettered", title="Dead letters"),
                    column("duplicates", title="Repetitions"),
                    column("missing", title="Missing", thresholds=NONE_IS_GOOD, custom__cellOptions=COLORED_TEXT),
                    column("unexpected", title="Unexpected"),
                ),
            ),
        ),
    ),
    heights=(9, 8),
)
