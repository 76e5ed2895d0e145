"""The part of the pipeline board that follows the events from Kafka into the raw tables."""

# ruff: noqa: S608 - every part of these queries is a constant of this package.
from __future__ import annotations

from grafana.measures import CHOSEN_TOPICS, SECONDS_BEHIND, using
from grafana.model import Section
from grafana.panels import (
    COLORED_TEXT,
    GREEN,
    LAG_COLORS,
    NONE_IS_GOOD,
    RED,
    YELLOW,
    bars,
    column,
    steps,
    table,
    timeseries,
)

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
                "Age of the oldest message that waits, or the time the backlog needs; the alert 'Ingestion is behind' "
                "looks at the same figure.",
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
                where status in ('open', 'fixed') and {CHOSEN_TOPICS}
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
        (
            table(
                "Lag per partition",
                "The partitions that are furthest behind, as last measured.",
                f"""
                select topic,
                       partition,
                       lag,
                       case when lag > 0 then extract(epoch from now() - behind_since) end as oldest,
                       next_offset,
                       end_offset,
                       measured_at
                from ops.kafka_lag
                where {CHOSEN_TOPICS}
                order by lag desc, topic, partition
                limit 100
                """,
                unit="short",
                columns=(
                    column("topic", title="Topic"),
                    column("partition", unit="none", title="Partition"),
                    column("lag", title="Messages"),
                    column(
                        "oldest",
                        unit="s",
                        title="Oldest waits",
                        decimals=0,
                        thresholds=LAG_COLORS,
                        custom__cellOptions=COLORED_TEXT,
                    ),
                    column("next_offset", unit="none", title="Next offset"),
                    column("end_offset", unit="none", title="End"),
                    column("measured_at", unit="dateTimeFromNow", title="Measured"),
                ),
            ),
            table(
                "Halts that wait for a person",
                "Where Kafka and the warehouse disagree: the ingestion reads on after somebody decided.",
                f"""
                select first_seen_at, topic, coalesce(partition::text, 'all') as partition, reason, message, resolution
                from ops.ingest_halts
                where resolved_at is null and {CHOSEN_TOPICS}
                order by first_seen_at
                limit 100
                """,
                columns=(
                    column("first_seen_at", unit="dateTimeFromNow", title="Since"),
                    column("topic", title="Topic"),
                    column("partition", title="Partition"),
                    column("reason", title="Reason"),
                    column("message", title="What happened"),
                    column("resolution", title="What to do"),
                ),
            ),
        ),
        (
            timeseries(
                "Events by the hour they happened",
                "What became of the messages of each hour of event time; late ones are filled in afterwards.",
                "short",
                f"""
                select $__timeGroupAlias(event_hour, $__interval),
                       sum(landed) as landed,
                       sum(duplicates) as duplicates,
                       sum(dead) as dead
                from ops.ingest_hours
                where $__timeFilter(event_hour) and {CHOSEN_TOPICS}
                group by 1
                order by 1
                """,
                width=8,
                style="bars",
                stacked=True,
                min_interval="1h",
            ),
            timeseries(
                "Late events",
                "Events that came more than an hour after a newer one of their partition, by the hour they happened.",
                "short",
                f"""
                select $__timeGroupAlias(event_hour, $__interval), topic, sum(late) as late
                from ops.ingest_hours
                where $__timeFilter(event_hour) and {CHOSEN_TOPICS}
                group by 1, 2
                order by 1
                """,
                width=8,
                label="topic",
                style="bars",
                stacked=True,
                min_interval="1h",
            ),
            table(
                "Hours that do not add up",
                "Where produced is not in Kafka + landed + repetitions + dead letters, by hour of event time, as last "
                "reconciled. An empty table is good.",
                f"""
                select topic, partition, event_hour, difference, produced, in_kafka, landed, noted, duplicates, dead,
                       measured_at
                from ops.reconciliation
                where not adds_up and {CHOSEN_TOPICS}
                order by event_hour desc nulls first, topic, partition
                limit 100
                """,
                width=8,
                unit="short",
                columns=(
                    column("topic", title="Topic"),
                    column("partition", unit="none", title="Partition"),
                    column("event_hour", unit="dateTimeAsLocal", title="Hour"),
                    column("difference", title="Missing", thresholds=NONE_IS_GOOD, custom__cellOptions=COLORED_TEXT),
                    column("produced", title="Produced"),
                    column("in_kafka", title="In Kafka"),
                    column("landed", title="Landed"),
                    column("noted", title="Noted as landed"),
                    column("duplicates", title="Repetitions"),
                    column("dead", title="Dead letters"),
                    column("measured_at", unit="dateTimeFromNow", title="Measured"),
                ),
            ),
        ),
    ),
    heights=(8, 8, 8, 8, 8),
)
