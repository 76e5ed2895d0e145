import pytest
from airflow_bridge.errors import AirflowFailException
from airflow_bridge.launch import REBUILDS_TAG
from airflow_bridge.operators import DagsterOutcomeOperator
from task_instance import FAILED_CHECK, FAILURE, Task
from test_progress import FAILURE as FAILED_STEP
from test_progress import check, made, planned

from airflow_bridge import errors


class OutcomeTask(Task):
    """The task that answers for a run launched by another one."""

    operator = DagsterOutcomeOperator

    def __init__(self, run, **options):
        super().__init__(launch_task_id="launch", **options)
        self.pulled = {"launch": run.run_id} if run else {}


def test_the_outcome_follows_the_launched_run(dagster):
    run = dagster.add_run()
    task = OutcomeTask(run)
    _, trigger = task.start()
    run.status = "SUCCESS"
    assert (trigger.run_id, task.resume(run)) == (run.run_id, run.run_id)


def test_the_outcome_reports_a_failure_first_and_then_runs_again_what_failed(dagster):
    run = dagster.add_run(tags=OF_LAUNCH, status="FAILURE", events=FAILURE)
    task = OutcomeTask(run)
    with pytest.raises(errors.DagsterRunFailedError, match="no topic"):
        task.next_try().execute(task.context)
    _, trigger = task.start()
    again = dagster.runs[1]
    assert (trigger.run_id, again.params["parentRunId"]) == (again.run_id, run.run_id)
    _, trigger = task.start()  # a crash: the repetition is adopted
    assert (trigger.run_id, len(dagster.runs)) == (again.run_id, 2)
    again.status = "FAILURE"
    task.start()
    assert dagster.runs[2].params["parentRunId"] == again.run_id


def test_the_outcome_of_a_new_launch_has_nothing_to_do_with_the_old_repetitions(dagster):
    run = dagster.add_run(tags=OF_LAUNCH, status="FAILURE", events=[*PLANNED, FAILED_STEP])
    task = OutcomeTask(run)
    task.next_try()
    task.start()
    dagster.runs[1].status = "FAILURE"
    anew = dagster.add_run(tags=OF_LAUNCH)
    task.pulled = {"launch": anew.run_id}
    task.clear()
    _, trigger = task.start()
    assert trigger.run_id == anew.run_id
    anew.status = "SUCCESS"
    assert task.resume(anew) == anew.run_id


@pytest.mark.parametrize(("status", "events"), [("CANCELED", []), ("SUCCESS", [FAILED_CHECK])])
def test_an_outcome_that_a_retry_cannot_mend_is_not_retried_and_says_what_to_clear(dagster, status, events):
    run = dagster.add_run(status=status, events=events)
    task = OutcomeTask(run, fail_on_failed_checks=True)
    with pytest.raises(AirflowFailException, match="Clear this task"):
        task.next_try().execute(task.context)


OF_LAUNCH = {"airflow/dag_id": "shop_pipeline", "airflow/run_id": "manual__1", "airflow/task_id": "launch"}
PLANNED = planned("a/x", "a/y", "a/z")


def cleared(run, **options):
    task = OutcomeTask(run, **options)
    task.next_try()
    task.clear()
    return task


def test_a_cleared_outcome_of_a_run_that_was_cancelled_makes_what_is_missing(dagster):
    run = dagster.add_run(tags=OF_LAUNCH, status="CANCELED", events=PLANNED + made("a/x"))
    _, trigger = cleared(run).start()
    again = dagster.runs[1]
    assert trigger.run_id == again.run_id
    assert [each["path"] for each in again.params["selector"]["assetSelection"]] == [["a", "y"], ["a", "z"]]


def test_a_cleared_outcome_makes_again_those_whose_checks_failed(dagster):
    failed = check("a/y", "unique", success=False)
    run = dagster.add_run(tags=OF_LAUNCH, status="SUCCESS", events=PLANNED + made("a/x", "a/y", "a/z") + [failed])
    cleared(run, fail_on_failed_checks=True).start()
    again = dagster.runs[1]
    assert [each["path"] for each in again.params["selector"]["assetSelection"]] == [["a", "y"]]
    again.status = "SUCCESS"
    again.events = planned("a/y") + made("a/y") + [check("a/y", "unique", success=True)]
    task = cleared(run, fail_on_failed_checks=True)
    assert task.next_try().execute(task.context) == again.run_id
    assert len(dagster.runs) == 2


def test_a_cleared_outcome_counts_what_cleared_watchers_have_made_meanwhile(dagster):
    run = dagster.add_run(tags=OF_LAUNCH, status="FAILURE", events=[*PLANNED, *made("a/x"), FAILED_STEP])
    rebuild = OF_LAUNCH | {REBUILDS_TAG: run.run_id}
    dagster.add_run(tags=rebuild, status="SUCCESS", events=planned("a/y") + made("a/y"))
    alive = dagster.add_run(tags=rebuild, events=planned("a/z"))
    _, trigger = cleared(run).start()
    assert trigger.run_id == alive.run_id  # somebody makes it: that is waited for
    alive.status, alive.events = "SUCCESS", planned("a/z") + made("a/z")
    task = cleared(run)
    assert task.next_try().execute(task.context) == alive.run_id
    assert len(dagster.runs) == 3


def test_an_outcome_without_a_launch_says_so(dagster):
    task = OutcomeTask(None)
    with pytest.raises(errors.DagsterRequestInvalidError, match="'launch' has launched no Dagster run"):
        task.next_try().execute(task.context)
