"""What a person sees and does in the Dagster of a test's platform, and what the platform wrote about it."""

from __future__ import annotations

import functools

import httpx
import psutil

from shop_platform.orchestration import names
from shop_platform.orchestration.defs.transformation.assets import load_manifest, mart_relations
from shop_platform.orchestration.instance import home
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.orchestration.watermark import read_watermark
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect

BACKFILL = """
mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename
  ... on LaunchBackfillSuccess { backfillId } ... on Error { message } } }
"""
_REPROCESSED = """
query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on TimePartitionStatuses { ranges { startKey endKey status } } } } } }
"""


_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }
"""


def launch_part(settings, *marts):
    """Launch `transform` for a few marts: where the subject is the run and not what it builds."""
    selector = {
        "repositoryLocationName": names.LOCATION_WAREHOUSE,
        "repositoryName": names.REPOSITORY,
        "jobName": names.JOB_TRANSFORM,
        "assetSelection": [{"path": ["marts", mart]} for mart in marts],
    }
    answer = ask(settings, _LAUNCH, params={"selector": selector, "mode": "default"})["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]


def reprocessed(settings):
    """The first and last days of what Dagster shows as materialized."""
    node = ask(settings, _REPROCESSED, key={"path": names.REPROCESSED_KEY})["assetNodeOrError"]
    ranges = [each for each in node["assetPartitionStatuses"]["ranges"] if each["status"] == "MATERIALIZED"]
    return {each[end] for each in ranges for end in ("startKey", "endKey")}


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
    answer = _client().post(
        f"{settings.dagster_url}/graphql", json={"query": query, "variables": variables}, timeout=30
    )
    return answer.raise_for_status().json()["data"]


def runs(settings, *jobs):
    """The status of every run, or of those of ``jobs``, by its id."""
    query = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
    found = ask(settings, query)["runsOrError"]["results"]
    return {run["runId"]: run["status"] for run in found if not jobs or run["jobName"] in jobs}


def at_rest(settings):
    """Whether nothing runs and there is nothing to do."""
    ended = set(runs(settings).values()) <= {"SUCCESS", "FAILURE", "CANCELED"}
    return ended and not read_watermark(settings, _marts(settings.data_dir, settings.pg_database)).behind


@functools.cache
def _marts(data_dir, pg_database):
    # With the platform's own database: for another one the project would be parsed again, in the platform's place.
    settings = load(data_dir=data_dir, pg_database=pg_database)
    return mart_relations(load_manifest(ensure_manifest(settings)), nightly=False)


@functools.cache
def _client():
    # Making one reads every certificate of the machine, as dear as the question.
    return httpx.Client()


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
