"""A real Dagster: sensors bring events to the marts by themselves, jobs are launched and followed, verify verifies."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.backfill_cli import partitions
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import TRANSFORM_LOCK
from tests.orchestration.dagster_ui import (
    BACKFILL,
    ask,
    failures,
    forget_cursor,
    last_tick,
    launch_part,
    orders,
    recorded,
    reprocessed,
    retries,
    rows,
    run_workers,
    runs,
    times,
)
from tests.orchestration.shop_day import shop_day
from tests.support.events import LedgerProducer
from tests.support.waiting import eventually


def test_events_reach_the_marts_by_the_sensors_alone_and_a_lost_cursor_starts_nothing(platform):
    by_sensors = {
        ("ingest", "success", "sensor:ingest_on_lag"),
        ("transform", "success", "sensor:transform_on_watermark"),
    }
    eventually(lambda: by_sensors <= set(recorded(platform)))
    with connect(platform, Role.ORCHESTRATOR) as connection:
        checks = connection.execute("select count(distinct (asset, check_name)) from ops.check_results").fetchone()
    assert checks is not None and int(checks[0]) > 80

    by_sensor = (names.JOB_INGEST, names.JOB_TRANSFORM)  # what a schedule starts may come at any time
    before = runs(platform, *by_sensor)
    for sensor in ("ingest_on_lag", "transform_on_watermark", "record_run_status"):
        ticked = last_tick(platform, sensor)
        forget_cursor(platform, sensor)
        eventually(lambda sensor=sensor, ticked=ticked: last_tick(platform, sensor) > ticked)
    assert runs(platform, *by_sensor) == before


def test_a_job_is_followed_an_altered_mart_fails_verify_and_days_are_built_again_by_command_and_from_the_ui(platform):
    """A day of a shop, altered by hand twice: once found by `verify` and once not; each time its day is built again."""
    producer = LedgerProducer(platform, "story")
    producer.send(shop_day(2))
    seen = []
    run_id = launch_job(platform, names.JOB_FULL_PIPELINE, tags={names.TAG_TRIGGER: "test"})
    outcome = wait_for_run(platform, run_id, on_event=lambda done, total: seen.append((done, total)))
    assert outcome.succeeded, outcome
    assert outcome.done > outcome.planned and len(outcome.planned) > 120
    assert seen == sorted(seen) and seen[-1] == (len(outcome.planned), len(outcome.planned))
    assert "ord_2" in orders(platform)
    eventually(lambda: (names.JOB_FULL_PIPELINE, "success", "test") in recorded(platform))
    order_day = rows(platform, "select order_date from marts.fct_orders where order_id = 'ord_2'")[0][0]
    today = dt.datetime.now(ZoneInfo(platform.shop_tz)).date()

    def spoil():
        with connect(platform, Role.TRANSFORM) as connection:
            connection.execute("update marts.fct_orders set channel = 'altered' where order_id = 'ord_2'")

    def channel():
        return rows(platform, "select channel from marts.fct_orders where order_id = 'ord_2'")[0][0]

    spoil()
    broken = wait_for_run(platform, launch_job(platform, names.JOB_VERIFY))
    assert (broken.status, broken.failed_steps) == ("FAILURE", ("prove_i2",))
    assert broken.error is not None
    assert "I2 is broken" in broken.error
    assert "fct_orders: 1 row differs (of " in broken.error
    assert "e.g. order_id ord_2: channel is altered in the mart, email recomputed" in broken.error
    eventually(lambda: failures(platform, names.JOB_VERIFY) == [("prove_i2", broken.error)])

    # Events land while the days are built again.
    begin = order_day - dt.timedelta(days=1)
    run_id = launch_job(platform, names.JOB_REPROCESS, tags=partitions(begin, today))
    producer.send(shop_day(3))
    assert wait_for_run(platform, run_id).succeeded
    assert channel() == "email"
    eventually(lambda: {begin.isoformat(), today.isoformat()} <= reprocessed(platform))

    spoil()
    ui = {
        "assetSelection": [{"path": names.REPROCESSED_KEY}],
        "partitionNames": sorted({order_day.isoformat(), today.isoformat()}),
        "tags": [],
    }
    started = ask(platform, BACKFILL, p=ui)["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    eventually(lambda: channel() == "email")
    # That both invariants hold now is verified when the platform ends (`standing`).


def test_two_builds_wait_for_each_other_in_the_queue(platform):
    both = [launch_part(platform, "dim_products") for _ in range(2)]
    assert all(wait_for_run(platform, run_id).succeeded for run_id in both)
    eventually(lambda: len(times(platform, both)) == 2)
    (_, first_end), (second_start, _) = sorted(times(platform, both))
    assert first_end <= second_start


def test_a_killed_run_is_noticed_recorded_and_started_again(platform):
    with connect(platform, Role.TRANSFORM, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [TRANSFORM_LOCK])
        killed = launch_part(platform, "dim_products")
        eventually(lambda: runs(platform)[killed] == "STARTED" and run_workers(platform))
        for worker in run_workers(platform):
            worker.kill()
        eventually(lambda: runs(platform)[killed] == "FAILURE")
    eventually(lambda: retries(platform, killed) == ["success"])
    ((status, error),) = rows(platform, "select status, error from ops.pipeline_runs where run_id = %s", [killed])
    assert status == "failure" and error


def test_an_unknown_job_is_refused_with_dagsters_reason(platform):
    with pytest.raises(ShopError, match="no_such_job"):
        launch_job(platform, "no_such_job")
