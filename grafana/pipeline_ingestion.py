"""The part of the pipeline board that follows the events from Kafka into the raw tables."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.measures import CHOSEN_TOPICS, SECONDS_BEHIND, using
from grafana.model import Section
from grafana.panels import GREEN, LAG_COLORS, RED, YELLOW, bars, column, steps, table, timeseries

INGESTION = Section(
    "Ingestion",
    (
        (
            timeseries(
                "Events landed",
                "Valid events committed to the raw tables, per second and topic.",
                "cps",
                f"""
                select $__timeGroupAlias(committed_at, $__interval),
                       topic,
                       sum(landed) / ($__interval_ms / 1000.0) as events_per_second
                from ops.ingest_batches
                where $__timeFilter(committed_at) and {CHOSEN_TOPICS}
                group by 1, 2
                order by 1
                """,
                label="topic",
                stacked=True,
            ),
            timeseries(
                "Event to warehouse",
                "Time from the newest event of a batch to the commit of the batch, the worst of the interval, per "
                "topic. History that is loaded late shows its age.",
                "s",
                f"""
                select $__timeGroupAlias(committed_at, $__interval),
                       topic,
                       max(extract(epoch from committed_at - max_event_time)) as delay
                from ops.ingest_batches
                where $__timeFilter(committed_at) and max_event_time is not null and {CHOSEN_TOPICS}
                group by 1, 2
                order by 1
                """,
                label="topic",
            ),
        ),
        (
            bars(
                "Lag in records per topic",
                "Messages in Kafka that the warehouse has not read yet.",
                "short",
                f"""
                select topic, sum(lag) as records
                from ops.kafka_lag
                where {CHOSEN_TOPICS}
                group by topic
                order by topic
                """,
                width=8,
                thresholds=steps(GREEN, (10_000, YELLOW), (100_000, RED)),
            ),
            bars(
                "Lag in seconds per topic",
                "How far each topic is behind; the alert 'Ingestion is behind' looks at the same figure.",
                "s",
                using(
                    SECONDS_BEHIND,
                    f"select topic, seconds_behind from behind where {CHOSEN_TOPICS} order by topic",
                ),
                width=8,
                thresholds=LAG_COLORS,
                decimals=0,
            ),
            timeseries(
                "Messages by fate",
                "What the messages of each interval became: events, repetitions of events, dead letters.",
                "short",
                f"""
                select $__timeGroupAlias(committed_at, $__interval),
                       sum(landed) as landed,
                       sum(duplicates) as duplicates,
                       sum(dead) as dead
                from ops.ingest_batches
                where $__timeFilter(committed_at) and {CHOSEN_TOPICS}
                group by 1
                order by 1
                """,
                width=8,
                style="bars",
                stacked=True,
            ),
        ),
        (
            timeseries(
                "Dead letters by class",
                "Messages that were refused, by the class of the error.",
                "short",
                f"""
                select $__timeGroupAlias(received_at, $__interval), error_class, count(*) as dead_letters
                from ops.dead_letters
                where $__timeFilter(received_at) and {CHOSEN_TOPICS}
                group by 1, 2
                order by 1
                """,
                label="error_class",
                style="bars",
                stacked=True,
            ),
            table(
                "Open dead letters by topic and class",
                "What waits for a person: how many, since when, and where the newest one stands.",
                f"""
                select topic,
                       error_class,
                       coalesce(schema_path, '') as schema_path,
                       count(*) as open,
                       min(received_at) as first_seen,
                       max(received_at) as last_seen
                from ops.dead_letters
                where status = 'open' and {CHOSEN_TOPICS}
                group by 1, 2, 3
                order by open desc
                limit 100
                """,
                columns=(
                    column("topic", title="Topic"),
                    column("error_class", title="Class"),
                    column("schema_path", title="Where in the event"),
                    column("open", unit="short", title="Open"),
                    column("first_seen", unit="dateTimeAsLocal", title="First"),
                    column("last_seen", unit="dateTimeFromNow", title="Last"),
                ),
            ),
        ),
    ),
    heights=(8, 8, 8),
)
