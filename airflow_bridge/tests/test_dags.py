import re
import runpy
import socket
from pathlib import Path

import airflow.sdk
import pytest
from airflow_bridge.asset_graph import read_graph
from airflow_bridge.watch import DagsterAssetWatcher

DAGS = Path(__file__).parents[1] / "dags"
GRAPH = read_graph(DAGS / "asset_graph.json")


def parse(name="shop_pipeline"):
    return runpy.run_path(str(DAGS / f"{name}.py"))["dag"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a DAG file must not open a connection while it is parsed")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("AIRFLOW_CONN_DAGSTER_DEFAULT", raising=False)


def test_every_asset_of_the_graph_has_a_watcher_wired_as_the_graph_is():
    dag = parse()
    watchers = {task.asset: task for task in dag.tasks if isinstance(task, DagsterAssetWatcher)}
    assert watchers.keys() == GRAPH.nodes.keys()
    names = {key: task.task_id for key, task in watchers.items()}
    for key, node in GRAPH.nodes.items():
        above = {names[each] for each in node.upstream} or {"launch"}
        assert watchers[key].upstream_task_ids == above
    assert re.fullmatch(r"marts(_\d)?\.kpi_daily", names["marts/kpi_daily"])
    assert names["raw/all_topics"] == "ingest.all_topics"
    assert names["staging/stg_ingest_ledger"] == "staging.stg_ingest_ledger"


def test_each_of_the_shops_layers_is_a_task_group():
    assert set(GRAPH.groups()) == {"raw", "staging", "intermediate", "marts"}
    layers = {"ingest", "staging", "intermediate", "marts"}
    assert {re.sub(r"_\d$", "", name) for name in parse().task_group.children} == layers | {
        "launch",
        "checks",
        "asset_events",
        "asset_events_after_failure",
    }


def test_no_two_task_groups_need_each_other_or_airflow_could_not_draw_them():
    group = parse().task_group
    assert len(group.topological_sort()) == len(group.children)


def test_the_run_answers_for_itself_whatever_the_watchers_wait_for():
    tasks = parse().task_dict
    assert tasks["checks.dagster_run"].upstream_task_ids == {"launch"}
    assert tasks["launch"].promised_retries == tasks["checks.dagster_run"].retries == 2
    assert tasks["checks.dagster_run"].fail_on_failed_checks
    assert tasks["checks.verify"].fail_on_failed_checks
    assert "checks.dagster_run" in tasks["checks.verify"].upstream_task_ids


def test_what_was_made_is_reported_after_a_good_and_after_a_failed_run_and_a_marked_dag_run_waits_for_neither():
    tasks = parse().task_dict
    reported = [node.key for node in GRAPH.in_order() if node.group == "marts"]
    for name, rule in (("asset_events", "all_success"), ("asset_events_after_failure", "all_failed")):
        assert tasks[name].assets == reported
        assert (tasks[name].upstream_task_ids, tasks[name].trigger_rule) == ({"checks.dagster_run"}, rule)
    # Airflow ends a marked DAG run by its leaves as long as a teardown is to come, and skipped leaves are a success.
    assert not [task.task_id for task in parse().tasks if task.is_teardown]


def test_a_task_has_the_owner_and_the_description_of_its_model_and_the_marts_are_what_it_produces():
    watchers = {task.asset: task for task in parse().tasks if isinstance(task, DagsterAssetWatcher)}
    for key, node in GRAPH.nodes.items():
        assert watchers[key].owner == ", ".join(owner.removeprefix("team:") for owner in node.owners)
        assert watchers[key].doc_md.startswith(node.description)
        assert watchers[key].outcome_task_id == "checks.dagster_run"
        assert [asset.name for asset in watchers[key].outlets] == (
            [key.replace("/", ".")] if node.group == "marts" else []
        )
    assert watchers["marts/kpi_daily"].owner == "analytics@shop.example"
    assert "day" in watchers["marts/kpi_daily"].doc_md


def test_watchers_need_no_worker_and_are_never_retried():
    watchers = [task for task in parse().tasks if isinstance(task, DagsterAssetWatcher)]
    assert all(task.start_from_trigger and task.retries == 0 for task in watchers)


has_partitions = pytest.mark.skipif(
    not hasattr(airflow.sdk, "CronPartitionTimetable"), reason="Airflow has no partitions before 3.2"
)


@pytest.mark.parametrize("name", ["shop_pipeline", pytest.param("shop_daily", marks=has_partitions)])
def test_runs_neither_overlap_nor_catch_up(name):
    dag = parse(name)
    assert (dag.dag_id, dag.max_active_runs, dag.catchup) == (name, 1, False)


@pytest.mark.parametrize(("value", "schedule"), [("15 3 * * *", "15 3 * * *"), ("none", None), ("", None)])
def test_the_schedule_comes_from_the_environment(monkeypatch, value, schedule):
    monkeypatch.setenv("SHOP_AIRFLOW_SCHEDULE", value)
    assert parse().schedule == schedule


def test_the_location_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("SHOP_AIRFLOW_LOCATION", "elsewhere")
    tasks = parse().task_dict
    assert {tasks[name].location for name in ("launch", "checks.dagster_run", "checks.verify")} == {"elsewhere"}


@has_partitions
def test_the_daily_dag_has_one_partition_per_day_and_waits_to_be_wanted():
    dag = parse("shop_daily")
    assert type(dag.timetable).__name__ == "CronPartitionTimetable"
    assert dag.is_paused_upon_creation
    assert dag.task_dict["reprocess"].partition_key == "{{ dag_run.partition_key }}"
