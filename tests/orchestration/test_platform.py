"""A real Dagster: sensors bring events to the marts by themselves, jobs are launched and followed, verify verifies."""

from __future__ import annotations

import datetime as dt
import time
from zoneinfo import ZoneInfo

import httpx
import psutil
import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.backfill_cli import partitions
from shop_platform.orchestration.defs.transformation.assets import load_manifest, mart_relations
from shop_platform.orchestration.instance import home
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.orchestration.watermark import read_watermark
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import TRANSFORM_LOCK
from tests.orchestration.shop_day import shop_day
from tests.support.events import LedgerProducer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_events_reach_the_marts_by_the_sensors_alone_and_a_lost_cursor_starts_nothing(platform):
    LedgerProducer(platform, "sensors").send(shop_day(1))
    poll(lambda: "ord_1" in orders(platform))
    by_sensors = {
        ("ingest", "success", "sensor:ingest_on_lag"),
        ("transform", "success", "sensor:transform_on_watermark"),
    }
    poll(lambda: by_sensors <= set(recorded(platform)))
    with connect(platform, Role.ORCHESTRATOR) as connection:
        checks = connection.execute("select count(distinct (asset, check_name)) from ops.check_results").fetchone()
    assert checks is not None and int(checks[0]) > 80

    poll(lambda: at_rest(platform))
    before = runs(platform)
    for sensor in ("ingest_on_lag", "transform_on_watermark", "record_run_status"):
        ticked = last_tick(platform, sensor)
        forget_cursor(platform, sensor)
        poll(lambda sensor=sensor, ticked=ticked: last_tick(platform, sensor) > ticked)
    assert runs(platform) == before


def test_a_job_is_launched_followed_and_named_by_its_trigger(platform):
    LedgerProducer(platform, "launch").send(shop_day(2))
    seen = []
    run_id = launch_job(platform, names.JOB_FULL_PIPELINE, tags={names.TAG_TRIGGER: "test"})
    outcome = wait_for_run(platform, run_id, on_event=lambda done, total: seen.append((done, total)))
    assert outcome.succeeded, outcome
    assert outcome.done > outcome.planned and len(outcome.planned) > 120
    assert seen == sorted(seen) and seen[-1] == (len(outcome.planned), len(outcome.planned))
    assert "ord_2" in orders(platform)
    poll(lambda: (names.JOB_FULL_PIPELINE, "success", "test") in recorded(platform))


def test_verify_succeeds_and_fails_with_the_counts_once_a_mart_is_altered_by_hand(platform):
    LedgerProducer(platform, "verify").send(shop_day(3))
    assert wait_for_run(platform, launch_job(platform, names.JOB_FULL_PIPELINE)).succeeded
    holds = wait_for_run(platform, launch_job(platform, names.JOB_VERIFY))
    assert holds.succeeded, holds
    with connect(platform, Role.TRANSFORM) as connection:
        connection.execute("update marts.fct_orders set channel = 'altered' where order_id = 'ord_3'")
    try:
        broken = wait_for_run(platform, launch_job(platform, names.JOB_VERIFY))
    finally:
        with connect(platform, Role.TRANSFORM) as connection:
            connection.execute("update marts.fct_orders set channel = 'email' where order_id = 'ord_3'")
    assert (broken.status, broken.failed_steps) == ("FAILURE", ("prove_i2",))
    assert broken.error is not None
    assert "I2 is broken" in broken.error
    assert "fct_orders: 1 rows only in the mart, 1 only in the recomputation" in broken.error
    poll(lambda: failures(platform, names.JOB_VERIFY) == [("prove_i2", broken.error)])


def test_days_are_built_again_by_command_and_from_the_ui_while_events_land_and_both_invariants_hold(platform):
    today = dt.datetime.now(ZoneInfo(platform.shop_tz)).date()
    producer = LedgerProducer(platform, "backfill")
    producer.send(shop_day(5))
    assert wait_for_run(platform, launch_job(platform, names.JOB_FULL_PIPELINE)).succeeded
    order_day = rows(platform, "select order_date from marts.fct_orders where order_id = 'ord_5'")[0][0]

    def spoil():
        with connect(platform, Role.TRANSFORM) as connection:
            connection.execute("update marts.fct_orders set channel = 'altered' where order_id = 'ord_5'")

    def channel():
        return rows(platform, "select channel from marts.fct_orders where order_id = 'ord_5'")[0][0]

    spoil()
    begin = order_day - dt.timedelta(days=1)
    run_id = launch_job(platform, names.JOB_REPROCESS, tags=partitions(begin, today))
    producer.send(shop_day(6))
    assert wait_for_run(platform, run_id).succeeded
    assert channel() == "email"
    poll(lambda: {begin.isoformat(), today.isoformat()} <= reprocessed(platform))

    spoil()
    ui = {
        "assetSelection": [{"path": names.REPROCESSED_KEY}],
        "partitionNames": sorted({order_day.isoformat(), today.isoformat()}),
        "tags": [],
    }
    started = ask(platform, _BACKFILL, p=ui)["launchPartitionBackfill"]
    assert started["__typename"] == "LaunchBackfillSuccess", started
    poll(lambda: channel() == "email")
    poll(lambda: at_rest(platform))
    verified = wait_for_run(platform, launch_job(platform, names.JOB_VERIFY))
    assert verified.succeeded, verified


def test_two_builds_wait_for_each_other_in_the_queue(platform):
    both = [launch_job(platform, names.JOB_TRANSFORM) for _ in range(2)]
    assert all(wait_for_run(platform, run_id).succeeded for run_id in both)
    poll(lambda: len(times(platform, both)) == 2)
    (_, first_end), (second_start, _) = sorted(times(platform, both))
    assert first_end <= second_start


def test_a_killed_run_is_noticed_recorded_and_started_again(platform):
    poll(lambda: set(runs(platform).values()) <= {"SUCCESS", "FAILURE", "CANCELED"})
    with connect(platform, Role.TRANSFORM, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [TRANSFORM_LOCK])
        killed = launch_job(platform, names.JOB_TRANSFORM)
        poll(lambda: runs(platform)[killed] == "STARTED" and run_workers(platform))
        for worker in run_workers(platform):
            worker.kill()
        poll(lambda: runs(platform)[killed] == "FAILURE")
    poll(lambda: retries(platform, killed) == ["success"])
    ((status, error),) = rows(platform, "select status, error from ops.pipeline_runs where run_id = %s", [killed])
    assert status == "failure" and error


def test_an_unknown_job_is_refused_with_dagsters_reason(platform):
    with pytest.raises(ShopError, match="no_such_job"):
        launch_job(platform, "no_such_job")


_BACKFILL = """
mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }
"""
_REPROCESSED = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }
"""


def reprocessed(settings):
    """The first and last days of what Dagster shows as materialized."""
    node = ask(settings, _REPROCESSED, key={"path": names.REPROCESSED_KEY})["assetNodeOrError"]
    ranges = [each for each in node["assetPartitionStatuses"]["ranges"] if each["status"] == "MATERIALIZED"]
    return {each[end] for each in ranges for end in ("startKey", "endKey")}


def poll(condition, seconds=400.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.5)


def rows(settings, query, parameters=()):
    with connect(settings, Role.ORCHESTRATOR) as connection:
        return connection.execute(query, parameters).fetchall()


def orders(settings):
    if rows(settings, "select to_regclass('marts.fct_orders')") == [(None,)]:
        return set()
    return {row[0] for row in rows(settings, "select order_id from marts.fct_orders")}


def recorded(settings):
    return rows(settings, "select job, status, trigger from ops.pipeline_runs")


def failures(settings, job):
    query = "select failed_step, error from ops.pipeline_runs where job = %s and status = 'failure'"
    return rows(settings, query, [job])


def times(settings, run_ids):
    query = "select started_at, ended_at from ops.pipeline_runs where run_id = any(%s) and ended_at is not null"
    return rows(settings, query, [run_ids])


def retries(settings, run_id):
    query = "{ runsOrError { ... on Runs { results { runId status parentRunId } } } }"
    found = ask(settings, query)["runsOrError"]["results"]
    return [run["status"].lower() for run in found if run["parentRunId"] == run_id]


def run_workers(settings):
    """The processes that execute a run of this very Dagster."""
    found = []
    for process in psutil.process_iter():
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                environment = process.environ()
                if environment.get("DAGSTER_HOME") == str(home(settings)):
                    found.append(process)
        except psutil.Error:
            continue
    return found


def ask(settings, query, **variables):
    answer = httpx.post(f"{settings.dagster_url}/graphql", json={"query": query, "variables": variables}, timeout=30)
    return answer.raise_for_status().json()["data"]


def runs(settings):
    query = "{ runsOrError { ... on Runs { results { runId status } } } }"
    return {run["runId"]: run["status"] for run in ask(settings, query)["runsOrError"]["results"]}


def at_rest(settings):
    """Whether nothing runs and there is nothing to do."""
    marts = mart_relations(load_manifest(ensure_manifest(settings)), nightly=False)
    ended = set(runs(settings).values()) <= {"SUCCESS", "FAILURE", "CANCELED"}
    return ended and not read_watermark(settings, marts).behind


def selector(sensor):
    of_warehouse = sensor == "transform_on_watermark"
    return {
        "repositoryName": names.REPOSITORY,
        "repositoryLocationName": names.LOCATION_WAREHOUSE if of_warehouse else names.LOCATION_INGESTION,
        "sensorName": sensor,
    }


def last_tick(settings, sensor):
    query = (
        "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s)"
        " { ... on Sensor { sensorState { ticks(limit: 1) { timestamp } } } } }"
    )
    ticks = ask(settings, query, s=selector(sensor))["sensorOrError"]["sensorState"]["ticks"]
    return max((tick["timestamp"] for tick in ticks), default=0)


def forget_cursor(settings, sensor):
    query = (
        "mutation($s: SensorSelector!) { setSensorCursor(sensorSelector: $s, cursor: null)"
        " { __typename ... on PythonError { message } } }"
    )
    answer = ask(settings, query, s=selector(sensor))["setSensorCursor"]
    assert answer["__typename"] == "Sensor", answer
