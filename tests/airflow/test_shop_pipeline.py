"""End to end: Airflow's REST API starts `shop_pipeline`, and events that wait in Kafka are in the marts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.airflow import DAGS
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.local.processes import Supervisor
from shop_platform.orchestration import names
from shop_platform.orchestration.instance import dagster_services, free_code_ports, prepare_home
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.airflow.client import AirflowClient, DagRun
from tests.conftest import _drop, _new_warehouse
from tests.orchestration.shop_day import shop_day
from tests.support.airflow_env import binary, clean_environment
from tests.support.events import LedgerProducer
from tests.support.waiting import eventually, without_limits

pytestmark = pytest.mark.airflow

_SENSORS = """query Sensors($repository: RepositorySelector!) { sensorsOrError(repositorySelector: $repository) {
  ... on Sensors { results { name sensorState { id } } } } }"""
_STOP = "mutation Stop($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"


@pytest.fixture(scope="module")
def shop(
    postgres_server: EmbeddedPostgres,
    airflow: AirflowClient,
    shop_dagster_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Settings]:
    """Warehouse, broker and the shop's own Dagster with its sensors stopped: only Airflow moves anything."""
    folder = tmp_path_factory.mktemp("shop")
    warehouse = _new_warehouse(postgres_server, folder, dagster=True)
    supervisor = Supervisor(folder / "logs")
    code_ports = free_code_ports()
    try:
        with start_broker_process(folder / "broker") as broker:
            settings = warehouse.settings.model_copy(
                update={
                    "kafka_bootstrap": f"127.0.0.1:{broker.port}",
                    "dagster_url": f"http://127.0.0.1:{shop_dagster_port}",
                }
            )
            ensure_topics(settings)
            prepare_home(settings, code_ports=code_ports)
            services = dagster_services(settings, code_ports=code_ports, web_port=shop_dagster_port)
            *before, daemon = without_limits(services)
            try:
                for service in before:
                    supervisor.start(service)
                for service in before:
                    supervisor.wait_ready(service.name)
                stop_sensors(settings)
                supervisor.start(daemon)
                supervisor.wait_ready(daemon.name)
                yield settings
            finally:
                supervisor.stop_all()
    finally:
        _drop(warehouse)


def ask(settings: Settings, query: str, variables: dict[str, object]) -> dict[str, object]:
    answer = httpx.post(f"{settings.dagster_url}/graphql", json={"query": query, "variables": variables}, timeout=60)
    return dict(answer.raise_for_status().json()["data"])


def stop_sensors(settings: Settings) -> None:
    for location in names.MODULES:
        repository = {"repositoryName": names.REPOSITORY, "repositoryLocationName": location}
        found = ask(settings, _SENSORS, {"repository": repository})["sensorsOrError"]
        for sensor in found["results"]:
            stopped = ask(settings, _STOP, {"id": sensor["sensorState"]["id"]})["stopSensor"]
            assert stopped["__typename"] == "StopSensorMutationResult", stopped


def orders(settings: Settings) -> set[str]:
    with connect(settings, Role.ORCHESTRATOR) as connection:
        if connection.execute("select to_regclass('marts.kpi_daily')").fetchone() == (None,):
            return set()
        counted = connection.execute("select coalesce(sum(orders_count), 0) from marts.kpi_daily").fetchone()
        rows = connection.execute("select order_id from marts.fct_orders").fetchall()
    assert counted == (len(rows),)
    return {row[0] for row in rows}


def test_a_run_triggered_over_the_rest_api_brings_waiting_events_into_the_marts(
    airflow: AirflowClient, shop: Settings
) -> None:
    LedgerProducer(shop, "airflow").send(shop_day(7))
    assert orders(shop) == set()
    run = airflow.trigger("shop_pipeline")
    assert run.wait() == "success"
    assert orders(shop) == {"ord_7"}

    tasks = run.tasks()
    assert tasks.pop("asset_events_after_failure") == "skipped"
    assert set(tasks.values()) == {"success"}
    graph = json.loads((DAGS / "asset_graph.json").read_text(encoding="utf-8"))["assets"]
    assert len(tasks) == len(graph) + len({"launch", "checks.dagster_run", "checks.verify", "asset_events"})
    events = airflow.get("/api/v2/assets/events", source_dag_id="shop_pipeline", limit=100)["asset_events"]
    assert {event["name"] for event in events} == {
        key.replace("/", ".") for key, node in graph.items() if node["group"] == "marts"
    }


def test_the_exporter_finds_no_drift_between_the_running_dagster_and_the_committed_graph(
    shop: Settings, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(binary("python"), "-m", "airflow_bridge.export_graph", "--check", "--url", shop.dagster_url),
            *("--location", names.LOCATION_WAREHOUSE, "--job", names.JOB_FULL_PIPELINE),
            *("--output", str(DAGS / "asset_graph.json")),
        ],
        env=clean_environment({"AIRFLOW_HOME": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_day_that_is_due_and_an_airflow_backfill_build_their_days_again_as_partitions_of_the_shops_dagster(
    airflow: AirflowClient, shop: Settings
) -> None:
    eventually(lambda: airflow.knows("shop_daily"))
    airflow.send("PATCH", "/api/v2/dags/shop_daily", {"is_paused": False})
    try:
        body = {"dag_id": "shop_daily", "from_date": "2026-01-03T00:00:00Z", "to_date": "2026-01-03T23:00:00Z"}
        airflow.send("POST", "/api/v2/backfills", body | {"max_active_runs": 1})

        def runs(kind: str) -> list[DagRun]:
            return [run for run in airflow.runs("shop_daily") if run.run_id.startswith(kind)]

        eventually(lambda: len(runs("backfill__")) == len(runs("scheduled__")) == 1)
        assert [run.wait() for run in runs("")] == ["success", "success"]
    finally:
        airflow.send("PATCH", "/api/v2/dags/shop_daily", {"is_paused": True})
    query = "{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }"
    found = [run for run in ask(shop, query, {})["runsOrError"]["results"] if run["jobName"] == names.JOB_REPROCESS]
    states = {tag["value"]: run["status"] for run in found for tag in run["tags"] if tag["key"] == "dagster/partition"}
    assert len(states) == 2 and states["2026-01-03"] == "SUCCESS"
    assert set(states.values()) == {"SUCCESS"}
