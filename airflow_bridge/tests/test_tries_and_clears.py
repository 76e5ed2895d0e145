import pytest
from airflow_bridge.launch import KEY_TAG, RETRIES_LEFT_TAG, TRY_TAG
from task_instance import FAILED_CHECK, FAILURE, HAS_STORE, Task, TaskDeferred

from airflow_bridge import errors


@pytest.fixture(autouse=True, params=["3.3", "before"] if HAS_STORE else ["before"])
def has_store(request, monkeypatch):
    """Airflow 3.3 has a store that outlives tries; before it, the tags of the runs have to do."""
    monkeypatch.setattr(Task, "has_store", request.param == "3.3")
    return Task.has_store


@pytest.fixture
def task():
    return Task()


def test_success_returns_the_run_and_a_cleared_task_launches_anew(dagster, task):
    task.start()
    run = dagster.runs[0]
    run.status = "SUCCESS"
    assert task.resume(run) == run.run_id
    task.clear()
    task.start()
    first, second = dagster.runs
    assert first.tags[KEY_TAG] != second.tags[KEY_TAG]


def test_a_worker_that_dies_after_the_success_does_not_make_its_retry_run_the_job_again(dagster, task):
    task.start()
    dagster.runs[0].status = "SUCCESS"
    task.resume(dagster.runs[0])
    assert task.next_try().execute(task.context) == dagster.runs[0].run_id
    assert len(dagster.runs) == 1


def test_a_clear_stops_the_live_run_waits_for_its_end_and_launches_anew(dagster, task):
    task.start()
    task.clear()
    _, trigger = task.start()
    left = dagster.runs[0]
    assert (trigger.run_id, left.status) == (left.run_id, "CANCELED")
    with pytest.raises(TaskDeferred) as deferred:
        task.resume(left)
    assert deferred.value.trigger.run_id == dagster.runs[1].run_id != left.run_id


def test_a_run_left_behind_by_a_clear_does_not_count_even_if_it_succeeds_before_it_can_be_stopped(dagster, task):
    task.start()
    task.clear()
    task.start()
    dagster.runs[0].status = "SUCCESS"
    with pytest.raises(TaskDeferred):
        task.resume(dagster.runs[0])
    assert len(dagster.runs) == 2


def test_a_retry_runs_again_only_what_failed_and_the_next_retry_what_failed_there(dagster, task):
    task.start()
    for parent in range(2):
        dagster.runs[parent].status = "FAILURE"
        with pytest.raises(errors.DagsterRunFailedError):
            task.resume(dagster.runs[parent])
        task.start()
        again = dagster.runs[parent + 1]
        assert again.params["parentRunId"] == dagster.runs[parent].run_id
        assert again.params["strategy"] == "FROM_ASSET_FAILURE"
        assert (again.tags[TRY_TAG], again.tags[RETRIES_LEFT_TAG]) == (str(parent + 2), str(1 - parent))


def test_a_lost_answer_to_the_repetition_does_not_make_a_second_one(dagster, task):
    task.start()
    dagster.runs[0].status = "FAILURE"
    dagster.lose_launch_answers = True
    with pytest.raises(errors.DagsterUnreachableError):
        task.next_try().execute(task.context)
    _, trigger = task.start()
    assert [run.run_id for run in dagster.runs[1:]] == [trigger.run_id]


def test_a_clear_after_a_failure_runs_everything(dagster, task):
    task.start()
    dagster.runs[0].status = "FAILURE"
    task.clear()
    task.start()
    assert "parentRunId" not in dagster.runs[1].params


def test_a_retry_runs_everything_when_told_so(dagster):
    task = Task(retry_from_failure=False)
    task.start()
    dagster.runs[0].status = "FAILURE"
    with pytest.raises(errors.DagsterRunFailedError):
        task.resume(dagster.runs[0])
    task.start()
    assert "parentRunId" not in dagster.runs[1].params


def test_a_retry_adopts_the_live_run(dagster, task):
    task.start()
    _, trigger = task.start()
    assert [run.run_id for run in dagster.runs] == [trigger.run_id]


def test_a_retry_adopts_a_success_nobody_saw(dagster, task):
    task.start()
    dagster.runs[0].status = "SUCCESS"
    assert task.next_try().execute(task.context) == dagster.runs[0].run_id
    assert len(dagster.runs) == 1


@pytest.mark.parametrize("status", ["FAILURE", "CANCELED"])
def test_a_retry_after_an_unseen_failure_launches_under_a_new_key(dagster, task, status):
    task.start()
    dagster.runs[0].status = status
    task.start()
    first, second = dagster.runs
    assert first.tags[KEY_TAG] != second.tags[KEY_TAG]


def test_a_lost_answer_to_the_launch_does_not_make_a_second_run(dagster, task):
    dagster.lose_launch_answers = True
    with pytest.raises(errors.DagsterUnreachableError):
        task.next_try().execute(task.context)
    _, trigger = task.start()
    assert [run.run_id for run in dagster.runs] == [trigger.run_id]


def test_a_launch_that_never_arrived_is_repeated_under_the_same_key_if_there_is_a_store(
    dagster, task, has_store, monkeypatch
):
    ask = dagster._facts
    with monkeypatch.context() as before, pytest.raises(errors.DagsterUnreachableError):
        before.setattr(dagster, "_facts", lambda variables: setattr(dagster, "outage", 1) or ask(variables))
        task.next_try().execute(task.context)
    key = task.key if has_store else None
    task.start()
    (run,) = dagster.runs
    assert not has_store or run.tags[KEY_TAG] == key


def test_a_seen_failure_names_step_asset_error_and_link_and_lets_a_retry_launch(dagster, task):
    dagster.next_events = FAILURE
    task.start()
    run = dagster.runs[0]
    run.status = "FAILURE"
    with pytest.raises(errors.DagsterRunFailedError) as caught:
        task.resume(run)
    assert str(caught.value) == (
        f"Dagster run {run.run_id} of job 'ingest' failed at step 'raw__events', asset raw/events: "
        f"ValueError: no topic (https://dagster.example/runs/{run.run_id})"
    )
    task.start()
    assert len(dagster.runs) == 2


def test_a_failure_whose_log_cannot_be_read_is_still_a_failure(dagster, task, has_store):
    task.start()
    run = dagster.runs[0]
    dagster.outage = 1
    # Without a store the run itself has to be asked for first: the next try goes on with it.
    error = errors.DagsterRunFailedError if has_store else errors.DagsterUnreachableError
    with pytest.raises(error, match=run.run_id if has_store else "503"):
        task.resume(run, "FAILURE")


def test_a_run_cancelled_in_dagster_fails_the_task(dagster, task):
    task.start()
    dagster.runs[0].status = "CANCELED"
    with pytest.raises(errors.DagsterRunCanceledError):
        task.resume(dagster.runs[0])
    assert task.store == {}


def test_a_time_out_that_cancels_the_adopted_run_launches_anew(dagster, task):
    task.start()
    task.start()  # the next try adopts the run ...
    dying = dagster.runs[0]
    dying.status = "CANCELED"  # ... which the time-out was already cancelling
    with pytest.raises(TaskDeferred) as deferred:
        task.resume(dying)
    assert len(dagster.runs) == 2
    assert deferred.value.trigger.run_id == dagster.runs[1].run_id
    assert dagster.runs[1].tags[KEY_TAG] != dying.tags[KEY_TAG]
    dagster.runs[1].status = "CANCELED"
    with pytest.raises(errors.DagsterRunCanceledError):  # only once: this one is the try's own
        task.resume(dagster.runs[1])


def test_a_try_that_failed_over_checks_is_followed_by_a_new_run(dagster):
    task = Task(fail_on_failed_checks=True)
    dagster.next_events = [FAILED_CHECK]
    task.start()
    dagster.runs[0].status = "SUCCESS"
    with pytest.raises(errors.DagsterChecksFailedError):
        task.resume(dagster.runs[0])
    task.start()
    assert len(dagster.runs) == 2
