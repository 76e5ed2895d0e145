import asyncio
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TaskFailedEvent, TaskSuccessEvent
from airflow_bridge.errors import DagsterRunFailedError
from airflow_bridge.watch import DagsterAssetTrigger, DagsterAssetWatcher
from test_progress import FAILURE, made, planned

TAGS = {"airflow/dag_id": "shop", "airflow/run_id": "r1", "airflow/task_id": "launch"}


def trigger(asset, **options):
    made_trigger = DagsterAssetTrigger(asset, "launch", **{"poll_interval": 0.01, **options})
    made_trigger.task_instance = SimpleNamespace(dag_id="shop", run_id="r1", task_id="x")
    return made_trigger


async def first(each):
    async for event in each.run():
        return event
    raise AssertionError("no event")


def fire(*triggers):
    async def all_of_them():
        return await asyncio.gather(*(first(each) for each in triggers))

    return asyncio.run(all_of_them())


def test_it_survives_being_stored_and_rebuilt():
    path, arguments = DagsterAssetTrigger("a/b", "launch", poll_interval=1.5).serialize()
    assert import_string(path)(**arguments).serialize() == (path, arguments)


def test_green_and_red_each_carry_the_link_to_the_run(dagster):
    run = dagster.add_run(tags=TAGS, status="FAILURE", events=[*planned("a/x", "a/y"), *made("a/x"), FAILURE])
    green, red = fire(trigger("a/x"), trigger("a/y"))
    assert isinstance(green, TaskSuccessEvent)
    assert isinstance(red, TaskFailedEvent)
    link = {"_link_DagsterRunLink": f"https://dagster.example/runs/{run.run_id}"}
    assert (green.xcoms, red.xcoms) == (link, link)


def test_a_hundred_watchers_ask_dagster_as_often_as_one(dagster):
    assets = [f"a/{number}" for number in range(100)]
    dagster.add_run(tags=TAGS, status="SUCCESS", events=planned(*assets) + made(*assets))
    fire(trigger("a/0"))
    alone = dagster.requests
    events = fire(*(trigger(asset) for asset in assets))
    assert all(isinstance(event, TaskSuccessEvent) for event in events)
    assert dagster.requests == 2 * alone
    assert dagster.connections == 2


def test_the_runs_of_another_airflow_run_are_not_looked_at(dagster):
    dagster.add_run(tags=TAGS | {"airflow/run_id": "other"}, status="SUCCESS", events=planned("a/x") + made("a/x"))
    dagster.add_run(tags=TAGS, status="CANCELED", events=planned("a/x"))
    (event,) = fire(trigger("a/x"))
    assert isinstance(event, TaskFailedEvent)


def test_an_outage_is_borne(dagster):
    dagster.add_run(tags=TAGS, status="SUCCESS", events=planned("a/x") + made("a/x"))
    dagster.outage = 5
    assert isinstance(fire(trigger("a/x"))[0], TaskSuccessEvent)


def test_an_outage_longer_than_the_tolerance_ends_the_task(dagster):
    dagster.outage = 10**6
    assert isinstance(fire(trigger("a/x", error_tolerance=0.1))[0], TaskFailedEvent)


def test_a_connection_that_cannot_be_used_ends_the_task_instead_of_hanging(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DAGSTER_DEFAULT", '{"conn_type": "dagster", "schema": "ftp", "host": "h"}')
    assert isinstance(fire(trigger("a/x"))[0], TaskFailedEvent)


def test_the_watcher_starts_in_the_triggerer_and_where_it_cannot_it_defers_at_once():
    watcher = DagsterAssetWatcher(task_id="w", asset="a/x", launch_task_id="launch")
    assert watcher.start_from_trigger
    assert watcher.start_trigger_args.trigger_kwargs["asset"] == "a/x"
    ti = SimpleNamespace(dag_id="shop", run_id="r1")
    with pytest.raises(TaskDeferred) as deferred:
        watcher.execute({"ti": ti})
    assert (deferred.value.trigger.dag_id, deferred.value.trigger.run_id) == ("shop", "r1")
    watcher.execute_complete({}, "success")
    with pytest.raises(DagsterRunFailedError, match="a/x"):
        watcher.execute_complete({}, "failed")
