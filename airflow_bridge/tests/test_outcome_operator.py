import pytest
from airflow.sdk.exceptions import AirflowFailException
from airflow_bridge.operators import DagsterOutcomeOperator
from task_instance import FAILED_CHECK, FAILURE, Task

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
    run = dagster.add_run(status="FAILURE", events=FAILURE)
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
    run = dagster.add_run(status="FAILURE")
    task = OutcomeTask(run)
    task.next_try()
    task.start()
    dagster.runs[1].status = "FAILURE"
    anew = dagster.add_run()
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
    with pytest.raises(AirflowFailException, match="Clear 'launch'"):
        task.next_try().execute(task.context)


def test_an_outcome_without_a_launch_says_so(dagster):
    task = OutcomeTask(None)
    with pytest.raises(errors.DagsterRequestInvalidError, match="'launch' has launched no Dagster run"):
        task.next_try().execute(task.context)
