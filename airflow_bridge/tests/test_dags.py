import runpy
import socket
from pathlib import Path

import pytest

DAG_FILE = Path(__file__).parents[1] / "dags" / "shop_pipeline.py"


def parse():
    return runpy.run_path(str(DAG_FILE))["dag"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a DAG file must not open a connection while it is parsed")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("AIRFLOW_CONN_DAGSTER_DEFAULT", raising=False)


def test_the_shop_pipeline_ingests_then_transforms_then_verifies():
    dag = parse()
    assert {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks} == {
        "ingest": ["transform"],
        "transform": ["verify"],
        "verify": [],
    }
    assert [task.job_name for task in dag.tasks] == ["ingest", "transform", "verify"]
    assert {task.location for task in dag.tasks} == {"shop_platform"}
    assert all(task.deferrable for task in dag.tasks)
    assert [task.fail_on_failed_checks for task in dag.tasks] == [False, False, True]


def test_runs_neither_overlap_nor_catch_up():
    dag = parse()
    assert (dag.dag_id, dag.max_active_runs, dag.catchup) == ("shop_pipeline", 1, False)


@pytest.mark.parametrize(("value", "schedule"), [("15 3 * * *", "15 3 * * *"), ("none", None), ("", None)])
def test_the_schedule_comes_from_the_environment(monkeypatch, value, schedule):
    monkeypatch.setenv("SHOP_AIRFLOW_SCHEDULE", value)
    assert parse().schedule == schedule
