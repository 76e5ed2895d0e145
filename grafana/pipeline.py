"""The pipeline board: does every event arrive, in time and exactly once, and did the runs succeed?"""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.measures import (
    CHOSEN_TOPICS,
    FAILED,
    LATEST_CHECKS,
    MARTS_WAITING,
    SECONDS_BEHIND,
    SUCCEEDED,
    using,
)
from grafana.model import Annotation, Board, Section, Variable
from grafana.panels import (
    COLORED_TEXT,
    GREEN,
    LAG_COLORS,
    MARTS_COLORS,
    NONE_IS_GOOD,
    RATE_COLORS,
    RED,
    YELLOW,
    alert_list,
    column,
    stat,
    steps,
    table,
    words,
)
from grafana.pipeline_ingestion import INGESTION
from grafana.pipeline_runs import RUNS, TRUST
from shop_platform.events.registry import TOPICS

_NOW = Section(
    "Now",
    (
        (
            stat(
                "Data as of",
                "Time of the newest event that the marts contain.",
                "dateTimeAsLocal",
                """
                select extract(epoch from max(max_event_time)) * 1000 as data_as_of
                from marts.data_freshness
                """,
                width=5,
            ),
            stat(
                "Longest wait for the marts",
                "How long the oldest landed event has been waiting to appear in a mart (the worst mart).",
                "s",
                using(MARTS_WAITING, "select max(seconds_waiting) as seconds_waiting from waiting"),
                width=4,
                thresholds=MARTS_COLORS,
                decimals=0,
            ),
            stat(
                "Lag in records",
                "Messages in Kafka that the warehouse has not read yet, over the chosen topics.",
                "short",
                f"select sum(lag) as records from ops.kafka_lag where {CHOSEN_TOPICS}",
                width=3,
            ),
            stat(
                "Lag in seconds",
                "The chosen topic that is furthest behind: time since its last commit while messages wait, or the "
                "time its backlog needs at the present pace.",
                "s",
                using(
                    SECONDS_BEHIND,
                    f"select max(seconds_behind) as seconds_behind from behind where {CHOSEN_TOPICS}",
                ),
                width=3,
                thresholds=LAG_COLORS,
                decimals=0,
            ),
            stat(
                "Open dead letters",
                "Messages that are not valid events and wait for a person, over the chosen topics.",
                "short",
                f"select count(*) as open from ops.dead_letters where status in ('open', 'fixed') and {CHOSEN_TOPICS}",
                width=3,
                thresholds=steps(GREEN, (1, YELLOW)),
            ),
            stat(
                "Exactly once",
                "The last reconciliation: every produced event landed or is a dead letter, none twice, hour by hour.",
                "none",
                """
                select case when holds then 1 else 0 end as holds
                from ops.reconciliations
                order by checked_at desc
                limit 1
                """,
                width=3,
                thresholds=steps(RED, (1, GREEN)),
                mappings=words(_1=("holds", GREEN), _0=("broken", RED)),
            ),
            stat(
                "Checks passed",
                "Share of the checks (dbt tests included) whose latest result in the range is a pass.",
                "percentunit",
                using(
                    LATEST_CHECKS,
                    "select avg(case when passed then 1.0 else 0.0 end) as pass_rate from latest",
                ),
                width=3,
                thresholds=RATE_COLORS,
            ),
        ),
        (
            stat(
                "Runs succeeded",
                "Share of the runs that ended in the range with success.",
                "percentunit",
                f"""
                select avg(case when {SUCCEEDED} then 1.0 else 0.0 end) as success_rate
                from ops.pipeline_runs
                where $__timeFilter(ended_at)
                """,
                width=4,
                thresholds=RATE_COLORS,
            ),
            stat(
                "Runs by outcome",
                "How many runs ended in the range, and how many of them failed.",
                "short",
                f"""
                select count(*) filter (where {SUCCEEDED}) as succeeded,
                       count(*) filter (where {FAILED}) as failed
                from ops.pipeline_runs
                where $__timeFilter(ended_at)
                """,
                width=5,
                overrides=(
                    column("failed", thresholds=NONE_IS_GOOD),
                    column("succeeded", thresholds=steps(GREEN)),
                ),
            ),
            stat(
                "Runs under way",
                "Runs that started and have not ended yet.",
                "short",
                "select count(*) as running from ops.pipeline_runs where started_at is not null and ended_at is null",
                width=3,
            ),
            table(
                "Ingest services",
                "Continuous ingest processes and their last sign of life.",
                """
                select writer, extract(epoch from now() - heartbeat_at) as heartbeat_age, lag, rows_per_second
                from ops.ingest_services
                order by heartbeat_at desc
                """,
                width=6,
                unit="short",
                columns=(
                    column("writer", title="Process"),
                    column(
                        "heartbeat_age",
                        unit="s",
                        title="Last sign of life",
                        decimals=0,
                        thresholds=steps(GREEN, (60, RED)),
                        custom__cellOptions=COLORED_TEXT,
                    ),
                    column("lag", title="Lag"),
                    column("rows_per_second", unit="rowsps", title="Pace"),
                ),
            ),
            alert_list("Alerts", "Every alert rule of the platform with its state.", width=6),
        ),
    ),
    heights=(4, 5),
)

BOARD = Board(
    uid="shop-pipeline",
    title="Shop pipeline",
    description="Does every event arrive, in time and exactly once, and did the runs succeed?",
    sections=(_NOW, INGESTION, RUNS, TRUST),
    time_from="now-24h",
    refresh="30s",
    variables=(
        Variable(
            "topic",
            "Topic",
            "Restricts lag, throughput and dead letters to these topics.",
            values=tuple(topic.name for topic in TOPICS),
            multi=True,
        ),
    ),
    annotations=(
        Annotation(
            "Failed runs",
            f"select ended_at as \"time\", job || ' failed ' || coalesce('in ' || failed_step, '') as text\n"
            f"from ops.pipeline_runs where $__timeFilter(ended_at) and {FAILED} order by 1",
            RED,
        ),
    ),
)
