import asyncio
from types import SimpleNamespace
from uuid import UUID

import pytest
from airflow.sdk.module_loading import import_string
from airflow.triggers.base import TaskFailedEvent, TaskSuccessEvent
from airflow_bridge.errors import DagsterRunFailedError
from airflow_bridge.watch import DagsterAssetTrigger, DagsterAssetWatcher
from task_instance import TaskDeferred
from test_progress import FAILURE, made, planned

TAGS = {"airflow/dag_id": "shop", "airflow/run_id": "r1", "airflow/task_id": "launch"}


def id_of(moment):
    """A task instance's id that Airflow made at `moment`, in Unix seconds (UUID version 7)."""
    return UUID(int=int(moment * 1000) << 80 | 7 << 76 | 2 << 62)


def trigger(asset, asked_at=0.0, **options):
    made_trigger = DagsterAssetTrigger(asset, "launch", **{"poll_interval": 0.01, **options})
    made_trigger.task_instance = SimpleNamespace(dag_id="shop", run_id="r1", task_id="x", id=id_of(asked_at))
    return made_trigger


@pytest.fixture
def outcome_is(monkeypatch):
    """Tell the watchers in which state the task is that answers for the run."""
    states = {}

    async def state_of(_dag_id, _run_id, task_id):
        return states[task_id]

    monkeypatch.setattr("airflow_bridge.follow.task_state", state_of)
    monkeypatch.setattr("airflow_bridge.watch.task_state", state_of)
    return lambda state: states.update(dagster_run=state)


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


def test_a_watcher_tells_how_long_the_asset_itself_took(dagster):
    duration = {"label": "Execution Duration", "floatValue": 1.25}
    begun = {"__typename": "ExecutionStepStartEvent", "stepKey": "dbt", "timestamp": "1764442800000"}
    (measured,) = made("a/x")
    (timed,) = made("a/y")
    measured |= {"timestamp": "1764442809000", "metadataEntries": [{"label": "rows"}, duration]}
    timed |= {"timestamp": "1764442803500", "metadataEntries": []}
    dagster.add_run(tags=TAGS, status="SUCCESS", events=[*planned("a/x", "a/y"), begun, measured, timed])
    by_dbt, by_the_log = fire(trigger("a/x"), trigger("a/y"))
    assert (by_dbt.xcoms["seconds"], by_the_log.xcoms["seconds"]) == (1.25, 3.5)


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


def test_the_watcher_starts_in_the_triggerer_and_where_it_cannot_it_defers_at_once_with_its_link(dagster):
    watcher = DagsterAssetWatcher(task_id="w", asset="a/x", launch_task_id="launch")
    assert watcher.start_from_trigger
    assert watcher.start_trigger_args.trigger_kwargs["asset"] == "a/x"
    pushed = {}
    ti = SimpleNamespace(
        dag_id="shop",
        run_id="r1",
        xcom_pull=lambda *, task_ids: {"launch": "run-1"}.get(task_ids),
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    with pytest.raises(TaskDeferred) as deferred:
        watcher.execute({"ti": ti})
    assert pushed == {"_link_DagsterRunLink": "https://dagster.example/runs/run-1"}
    assert (deferred.value.trigger.dag_id, deferred.value.trigger.run_id) == ("shop", "r1")
    assert deferred.value.trigger.outcome_task_id is None
    watcher.execute_complete({}, "success")
    with pytest.raises(DagsterRunFailedError, match="a/x"):
        watcher.execute_complete({}, "failed")


CLEARED = {"asked_at": 2000.0, "outcome_task_id": "dagster_run"}


def makes(dagster, status, *events):
    """Let the next launched runs end at once, so."""
    dagster.next_status, dagster.next_events = status, list(events)


def test_watchers_cleared_after_a_good_run_make_their_assets_again_in_one_run_of_these_alone(dagster, outcome_is):
    outcome_is("success")
    before = dagster.add_run(
        tags=TAGS | {"team": "shop", "dagster/partition": "2026-01-01", "dagster/code_location": "x"},
        status="SUCCESS",
        events=[*planned("a/x", "a/y", "a/z"), *made("a/x", "a/y", "a/z")],
        ended_at=1000.0,
    )
    makes(dagster, "SUCCESS", *planned("a/x", "a/y"), *made("a/x", "a/y"))
    events = fire(trigger("a/x", **CLEARED), trigger("a/y", **CLEARED), trigger("a/z", asked_at=500.0))
    assert all(isinstance(event, TaskSuccessEvent) for event in events)
    again = dagster.runs[1:]
    selected = [path for run in again for path in run.params["selector"]["assetSelection"]]
    assert sorted(each["path"] for each in selected) == [["a", "x"], ["a", "y"]]
    for run in again:
        assert run.tags["airflow/rebuilds"] == before.run_id
        assert TAGS.items() <= run.tags.items()
        assert (run.tags["team"], run.tags["dagster/partition"]) == ("shop", "2026-01-01")
        assert "dagster/code_location" not in run.tags


def test_what_is_made_again_after_the_dag_run_was_marked_as_failed_is_stopped(dagster, outcome_is, monkeypatch):
    async def has_failed(_dag_id, _run_id):
        return True

    outcome_is("success")
    dagster.add_run(tags=TAGS, status="SUCCESS", events=[*planned("a/x"), *made("a/x")], ended_at=1000.0)
    makes(dagster, "STARTED", *planned("a/x"))
    monkeypatch.setattr("airflow_bridge.follow.dag_run_has_failed", has_failed)
    (event,) = fire(trigger("a/x", **CLEARED))
    assert isinstance(event, TaskFailedEvent)
    assert [run.status for run in dagster.runs] == ["SUCCESS", "CANCELED"]


def test_cleared_watchers_of_a_failed_run_run_again_what_failed_there_once(dagster, outcome_is):
    outcome_is("failed")
    failed = dagster.add_run(tags=TAGS, status="FAILURE", events=[*planned("a/x", "a/y"), FAILURE], ended_at=1000.0)
    makes(dagster, "SUCCESS", *planned("a/x", "a/y"), *made("a/x", "a/y"))
    events = fire(trigger("a/x", **CLEARED), trigger("a/y", **CLEARED))
    assert all(isinstance(event, TaskSuccessEvent) for event in events)
    (again,) = dagster.runs[1:]
    assert (again.params["parentRunId"], again.params["strategy"]) == (failed.run_id, "FROM_ASSET_FAILURE")


def test_a_cleared_watcher_leaves_it_to_the_task_that_answers_for_the_run_when_that_was_cleared_too(
    dagster, outcome_is
):
    outcome_is("scheduled")
    failed = dagster.add_run(tags=TAGS, status="FAILURE", events=[*planned("a/x"), FAILURE], ended_at=1000.0)

    async def both():
        waiting = asyncio.create_task(first(trigger("a/x", **CLEARED)))
        until = dagster.requests + 6
        while dagster.requests < until:
            await asyncio.sleep(0.01)
        assert len(dagster.runs) == 1
        dagster.add_run(
            tags=TAGS | {"dagster/root_run_id": failed.run_id},
            status="SUCCESS",
            events=planned("a/x") + made("a/x"),
        )
        return await waiting

    assert isinstance(asyncio.run(both()), TaskSuccessEvent)
    assert len(dagster.runs) == 2


def test_a_cleared_watcher_whose_asset_cannot_be_made_again_says_why(dagster, outcome_is, capsys):
    outcome_is("success")
    dagster.add_run(tags=TAGS, status="SUCCESS", events=planned("a/x") + made("a/x"), ended_at=1000.0)
    dagster.launch_problem = {"__typename": "InvalidSubsetError", "message": "a/x is not in the job"}
    each = trigger("a/x", **CLEARED)
    verdicts = []
    each._wait, wait = lambda follower: keep(verdicts, wait, follower), each._wait
    assert isinstance(fire(each)[0], TaskFailedEvent)
    assert "Asset a/x was not made again" in verdicts[0].message
    assert "a/x is not in the job" in verdicts[0].message


async def keep(verdicts, wait, follower):
    verdicts.append(await wait(follower))
    return verdicts[-1]


def test_what_a_run_makes_that_has_not_ended_counts_for_a_cleared_watcher_too(dagster):
    dagster.add_run(tags=TAGS, status="STARTED", events=planned("a/x") + made("a/x"))
    assert isinstance(fire(trigger("a/x", **CLEARED))[0], TaskSuccessEvent)
    assert len(dagster.runs) == 1


@pytest.mark.parametrize(
    ("state", "status"), [("skipped", "CANCELED"), ("failed", "CANCELED"), ("deferred", "STARTED")]
)
def test_a_killed_watcher_stops_the_run_only_when_nobody_answers_for_it_any_more(dagster, outcome_is, state, status):
    outcome_is(state)
    run = dagster.add_run(tags=TAGS)
    asyncio.run(trigger("a/x", outcome_task_id="dagster_run").on_kill())
    assert run.status == status
