from datetime import timedelta

import pytest
from airflow_bridge.errors import AirflowFailException
from airflow_bridge.launch import KEY_TAG, RETRIES_LEFT_TAG, STORE_KEY, TRY_TAG
from airflow_bridge.operators import DagsterJobOperator
from task_instance import FAILED_CHECK, HAS_STORE, Task, TaskDeferred

from airflow_bridge import errors, run_operator


@pytest.fixture
def task():
    return Task()


def test_it_is_deferrable_unless_told_otherwise(dagster, task):
    _, trigger = task.start()
    assert trigger.run_id == dagster.runs[0].run_id
    assert trigger.error_tolerance >= 600


needs_store = pytest.mark.skipif(not HAS_STORE, reason="Airflow has no store that outlives a try before 3.3")


@needs_store
def test_the_key_is_stored_before_the_launch(dagster, task):
    seen = []
    dagster.before_launch = lambda: seen.append(task.key)
    task.start()
    assert seen == [dagster.runs[0].tags[KEY_TAG]]


def test_the_run_says_which_task_wanted_it(dagster):
    task = Task(tags={"team": "shop"}, run_config={"ops": {"a": 1}}, asset_selection=["raw/events"])
    task.start()
    (run,) = dagster.runs
    assert run.tags == {
        "team": "shop",
        "airflow/dag_id": "shop_pipeline",
        "airflow/run_id": "manual__1",
        "airflow/task_id": "ingest",
        TRY_TAG: "1",
        RETRIES_LEFT_TAG: "2",
        KEY_TAG: run.tags[KEY_TAG],
        "airflow/epoch": "2",
        "airflow/launched_by": "ingest[-1]",
    }
    assert run.params["runConfigData"] == {"ops": {"a": 1}}
    assert run.params["selector"]["assetSelection"] == [{"path": ["raw", "events"]}]


def test_the_link_is_there_while_the_run_lasts(dagster, task):
    task.start()
    url = f"https://dagster.example/runs/{dagster.runs[0].run_id}"
    assert task.xcoms["_link_DagsterRunLink"] == url


def test_losing_sight_of_dagster_keeps_the_run_for_the_next_try(dagster, task):
    task.start()
    with pytest.raises(errors.DagsterUnreachableError, match="HTTP 503"):
        task.resume(dagster.runs[0], "UNREACHABLE", "HTTP 503")
    task.start()
    assert len(dagster.runs) == 1


def test_a_deleted_run_fails_the_task_and_frees_the_next_try(dagster, task):
    task.start()
    run = dagster.runs.pop()
    with pytest.raises(errors.DagsterRunNotFoundError):
        task.resume(run, "MISSING")
    assert task.store == {}


def test_execution_timeout_becomes_the_deadline_past_which_the_next_try_launches_anew(dagster):
    task = Task(execution_timeout=timedelta(hours=1))
    _, trigger = task.start()
    assert trigger.deadline is not None
    with pytest.raises(errors.DagsterRunTimedOutError, match="outlived 1:00:00 and was cancelled"):
        task.resume(dagster.runs[0], "TIMED_OUT", "was cancelled")
    dagster.runs[0].status = "CANCELED"
    task.start()
    assert len(dagster.runs) == 2


@needs_store
def test_a_time_out_says_so_when_the_run_could_not_be_stopped(dagster):
    task = Task(execution_timeout=timedelta(hours=1))
    task.start()
    with pytest.raises(errors.DagsterRunTimedOutError, match=r"could not be stopped .* is STARTED"):
        task.resume(dagster.runs[0], "TIMED_OUT", "could not be stopped (Dagster refuses: it is STARTED)")
    assert STORE_KEY in task.store


def test_after_a_time_out_the_next_try_waits_for_the_dying_run(dagster):
    task = Task(execution_timeout=timedelta(hours=1))
    task.start()
    with pytest.raises(errors.DagsterRunTimedOutError):
        task.resume(dagster.runs[0], "TIMED_OUT")
    dagster.runs[0].status = "CANCELING"
    _, trigger = task.start()
    assert trigger.run_id == dagster.runs[0].run_id


@pytest.mark.parametrize("strict", [False, True])
def test_failed_checks_fail_the_task_only_when_asked_to(dagster, strict):
    dagster.next_events = [FAILED_CHECK]
    task = Task(fail_on_failed_checks=strict)
    task.start()
    run = dagster.runs[0]
    run.status = "SUCCESS"
    if not strict:
        assert task.resume(run) == run.run_id
        return
    with pytest.raises(errors.DagsterChecksFailedError, match=r"ops/ledger:i1 \(3 events lost\)"):
        task.resume(run)
    assert task.store == {}


def test_without_deferring_it_waits_on_the_worker(dagster):
    task = Task(deferrable=False)
    dagster.next_status = "SUCCESS"
    assert task.next_try().execute(task.context) == dagster.runs[0].run_id


def test_without_deferring_an_outage_is_borne(dagster):
    task = Task(deferrable=False)
    operator = task.next_try()
    run = operator.relaunch(task.context)
    dagster.runs[0].polls_until = (2, "SUCCESS")
    dagster.outage = 3
    assert operator._poll(run).status == "SUCCESS"


def test_a_kill_on_the_worker_cancels_the_run(dagster, task):
    operator, _ = task.start()
    operator.on_kill()
    assert dagster.runs[0].status == "CANCELED"


def test_a_kill_while_the_launch_is_under_way_cancels_the_run_too(dagster, task):
    operator = task.next_try()
    dagster.before_launch = operator.on_kill  # the signal comes before the answer does
    with pytest.raises(TaskDeferred):
        operator.execute(task.context)
    assert [run.status for run in dagster.runs] == ["CANCELED"]


def test_a_kill_after_a_lost_answer_finds_the_run_by_its_key(dagster, task):
    dagster.lose_launch_answers = True
    operator = task.next_try()
    with pytest.raises(errors.DagsterUnreachableError):
        operator.execute(task.context)
    operator.on_kill()
    assert dagster.runs[0].status == "CANCELED"


def test_a_kill_without_a_launch_or_without_dagster_is_quiet(dagster, task, monkeypatch):
    monkeypatch.setattr(run_operator, "_KILL_SECONDS", 0.0)
    task.next_try().on_kill()
    operator, _ = task.start()
    dagster.outage = 10**6
    operator.on_kill()
    assert dagster.runs[0].status == "STARTED"


def test_a_kill_on_the_worker_ends_a_run_that_keeps_starting_before_airflow_ends_the_worker(dagster, monkeypatch):
    monkeypatch.setattr(run_operator, "_KILL_SECONDS", 0.0)
    dagster.next_status = "STARTING"
    operator, _ = Task().start()
    operator.on_kill()
    assert (dagster.runs[0].status, dagster.forced) == ("CANCELED", 1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tags": {"airflow/dag_id": "x"}}, "airflow/dag_id"),
        ({"tags": {"dagster/partition": "None"}}, "partition key"),
        ({"tags": {"dagster/partition": ""}}, "partition key"),
    ],
)
def test_impossible_tags_are_refused_before_anything_is_launched(dagster, options, problem):
    task = Task(**options)
    with pytest.raises(errors.DagsterRequestInvalidError, match=problem):
        task.next_try().execute(task.context)
    assert (dagster.runs, task.store) == ([], {})


def test_a_missing_code_location_says_where_to_set_it(dagster, task, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_DAGSTER_DEFAULT", f'{{"host": "127.0.0.1", "port": {dagster.port}}}')
    with pytest.raises(errors.DagsterRequestInvalidError, match=r"extra\.location"):
        task.next_try().execute(task.context)


def test_a_refused_run_config_is_not_retried(dagster, task):
    dagster.launch_problem = {"__typename": "RunConfigValidationInvalid", "errors": [{"message": "missing ops"}]}
    with pytest.raises(AirflowFailException, match="missing ops"):
        task.next_try().execute(task.context)


def test_a_job_that_is_not_loaded_yet_may_be_retried(dagster, task):
    dagster.jobs.clear()
    with pytest.raises(errors.DagsterJobNotFoundError, match="no such job") as caught:
        task.next_try().execute(task.context)
    assert not isinstance(caught.value, AirflowFailException)


@pytest.mark.parametrize("option", ["poll_interval", "poll_error_tolerance"])
def test_an_interval_must_be_above_zero(option):
    with pytest.raises(ValueError, match="above 0"):
        DagsterJobOperator(task_id="t", job_name="j", **{option: timedelta(0)})
