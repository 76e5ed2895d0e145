"""What a running platform leaves in ``ops``, healthy or with one thing broken, as SQL statements."""

from __future__ import annotations

import psycopg

TABLES = (
    "ingest_batches, ingest_offsets, dead_letters, ingest_services, kafka_lag, transform_runs, model_watermarks,"
    " pipeline_runs, check_results, reconciliations, reconciliation_hours, ingest_hours, ingest_halts"
)
TOPICS = ("shop.orders", "shop.web")


def clear(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    """Leave ``ops`` and the freshness mart as they are before the first event."""
    admin.execute("truncate " + ", ".join(f"ops.{name.strip()}" for name in TABLES.split(",")))
    admin.execute("delete from marts.data_freshness")


def healthy(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    """Write an hour in which everything went well, its last event seconds old and in the marts."""
    for topic in TOPICS:
        batches(admin, topic, count=60, newest_seconds_ago=5)
        lag(admin, topic, records=0)
        freshness(admin, topic.removeprefix("shop."), seconds_ago=5)
        hours(admin, topic)
    admin.execute(
        'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error)'
        " values ('t', 'shop.orders', 0, 7, 'InvalidEvent', 'secret'), ('t', 'shop.orders', 0, 8, 'NotJson', 'secret')"
    )
    admin.execute("insert into ops.ingest_services values ('one', now() - interval '1 hour', now(), 0, 120.5)")
    built(admin)
    run(admin, "full_pipeline", "success", minutes_ago=5)
    run(admin, "verify", "success", minutes_ago=3)
    check(admin, "marts/kpi_daily", passed=True)
    admin.execute(
        "insert into ops.reconciliations (holds, produced, landed, dead_lettered, duplicates, missing, unexpected)"
        " values (true, 602, 600, 2, 0, 0, 0)"
    )


def batches(admin: psycopg.Connection[tuple[object, ...]], topic: str, *, count: int, newest_seconds_ago: int) -> None:
    """Write ``count`` batches of ten landed events, one a minute, the newest so many seconds ago."""
    admin.execute(
        "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages, landed,"
        " duplicates, dead, min_event_time, max_event_time, writer, started_at, committed_at)"
        " select %(topic)s || '-id', %(topic)s, 0, start + n * 10, start + n * 10 + 10, 10, 10, 0, 0, at, at, 'one',"
        " at, at"
        " from (select coalesce(max(next_offset), 0) as start from ops.ingest_batches where topic = %(topic)s) as s,"
        " generate_series(0, %(count)s - 1) as n,"
        " lateral (select now() - make_interval(secs => %(ago)s + 60 * n) as at) as times",
        {"topic": topic, "count": count, "ago": newest_seconds_ago},
    )


def hours(admin: psycopg.Connection[tuple[object, ...]], topic: str, *, missing: int = 0) -> None:
    """Write what came of the messages of the last two hours of event time, ``missing`` of them in the older one."""
    admin.execute(
        "insert into ops.ingest_hours (topic_id, topic, partition, incarnation, event_hour, landed, duplicates, dead,"
        " late) select %(topic)s || '-id', %(topic)s, 0, 0, date_trunc('hour', now()) - make_interval(hours => n),"
        " 300, 2, 1, 4 from generate_series(0, 1) as n",
        {"topic": topic},
    )
    admin.execute(
        "insert into ops.reconciliation_hours (topic, partition, event_hour, produced, in_kafka, given_up, read_again,"
        " landed, noted, duplicates, dead, late)"
        " select topic, partition, event_hour, landed + duplicates + dead, 0, 0, 0,"
        " landed - case when event_hour < max(event_hour) over () then %s else 0 end, landed, duplicates, dead, late"
        " from ops.ingest_hours where topic = %s",
        [missing, topic],
    )


def lag(
    admin: psycopg.Connection[tuple[object, ...]],
    topic: str,
    *,
    records: int,
    measured_seconds_ago: int = 5,
    oldest_seconds_ago: int | None = None,
) -> None:
    """Say that ``topic`` is so many records behind, the oldest of them so old (``None``: nobody measured that)."""
    admin.execute(
        "insert into ops.kafka_lag (topic, partition, end_offset, next_offset, measured_at, behind_since)"
        " values (%s, 0, %s, 0, now() - make_interval(secs => %s), now() - make_interval(secs => %s))"
        " on conflict (topic, partition) do update set end_offset = excluded.end_offset,"
        " measured_at = excluded.measured_at, behind_since = excluded.behind_since",
        [topic, records, measured_seconds_ago, oldest_seconds_ago],
    )


def freshness(admin: psycopg.Connection[tuple[object, ...]], subject: str, *, seconds_ago: int) -> None:
    """Say that the marts contain the events of ``subject`` up to so many seconds ago."""
    admin.execute("delete from marts.data_freshness where subject = %s", [subject])
    admin.execute(
        "insert into marts.data_freshness (subject, events_count, dead_letters_count, max_event_time, max_ingested_at)"
        " select %s, 300, 1, at, at from (select now() - make_interval(secs => %s) as at) as t",
        [subject, seconds_ago],
    )


def built(admin: psycopg.Connection[tuple[object, ...]], *models: str) -> None:
    """Say that the marts have just been built up to everything that is committed now."""
    for model in models or ("marts.kpi_daily", "marts.data_freshness"):
        admin.execute(
            "insert into ops.model_watermarks values (%s, pg_snapshot_xmax(pg_current_snapshot()), 'i')"
            " on conflict (model) do update set ceiling = excluded.ceiling, built_at = clock_timestamp()",
            [model],
        )


def run(admin: psycopg.Connection[tuple[object, ...]], job: str, status: str, *, minutes_ago: int) -> None:
    """Write a run of ``job`` that ended so many minutes ago."""
    admin.execute(
        "insert into ops.pipeline_runs (run_id, job, status, started_at, ended_at, failed_step, error)"
        " select gen_random_uuid()::text, %s, %s, at - interval '40 seconds', at, 'marts', 'why'"
        " from (select now() - make_interval(mins => %s) as at) as t",
        [job, status, minutes_ago],
    )


def check(admin: psycopg.Connection[tuple[object, ...]], asset: str, *, passed: bool, severity: str = "error") -> None:
    """Write the result of a check of ``asset``, made now."""
    admin.execute(
        "insert into ops.check_results (run_id, asset, check_name, passed, severity)"
        " values ('r', %s, 'unique', %s, %s)",
        [asset, passed, severity],
    )
