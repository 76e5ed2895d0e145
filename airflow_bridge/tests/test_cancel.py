import pytest
from airflow_bridge.cancel import CancelPlan
from airflow_bridge.errors import DagsterRunNotFoundError, DagsterUnreachableError
from airflow_bridge.graphql import Run


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def policy(plan):
    return plan.request().variables["policy"]


def run(status):
    return Run("r", status, {})


def test_an_accepted_request_is_not_the_end_and_the_run_is_looked_at_until_it_has_ended():
    plan = CancelPlan("r", 3, Clock())
    plan.on_answer(None)
    assert not plan.is_over
    assert "runOrError" in plan.request().query
    plan.on_answer(run("CANCELING"))
    assert not plan.is_over
    plan.on_answer(run("CANCELED"))
    assert (plan.is_over, plan.problem, plan.words()) == (True, None, "was cancelled")


def test_what_ended_by_itself_or_has_not_ended_was_not_cancelled():
    plan = CancelPlan("r", 3)
    plan.on_answer(None)
    plan.on_answer(run("SUCCESS"))
    assert plan.words() == "was not cancelled: it had ended before (SUCCESS)"
    clock = Clock()
    plan = CancelPlan("r", 3, clock)
    plan.on_answer(None)
    clock.now = 3
    plan.on_answer(run("CANCELING"))
    assert (plan.is_over, plan.words()) == (
        True,
        "could not be stopped (it was asked to stop and is still CANCELING)",
    )


def test_where_somebody_else_waits_for_the_end_an_accepted_request_is_enough():
    plan = CancelPlan("r", 3, wait=False)
    plan.on_answer(None)
    assert (plan.is_over, plan.words()) == (True, "was asked to stop")


def test_a_starting_run_is_asked_again_and_marked_only_when_time_is_up():
    clock = Clock()
    plan = CancelPlan("r", 3, clock)
    for _ in range(5):
        plan.on_answer("STARTING")
        assert policy(plan) == "SAFE_TERMINATE"
    clock.now = 3
    plan.on_answer("STARTING")
    assert (plan.is_over, policy(plan)) == (False, "MARK_AS_CANCELED_IMMEDIATELY")
    plan.on_answer(None)
    plan.on_answer(run("CANCELED"))
    assert (plan.is_over, plan.problem) == (True, None)


@pytest.mark.parametrize("status", ["STARTED", "CANCELING"])
def test_a_run_that_has_begun_is_never_only_marked(status):
    clock = Clock()
    plan = CancelPlan("r", 3, clock)
    clock.now = 3
    plan.on_answer(status)
    assert plan.is_over
    assert status in plan.problem


def test_an_outage_is_borne_until_time_is_up():
    clock = Clock()
    plan = CancelPlan("r", 3, clock)
    plan.on_error(DagsterUnreachableError("away"))
    assert not plan.is_over
    clock.now = 3
    plan.on_error(DagsterUnreachableError("away"))
    assert (plan.is_over, plan.problem) == (True, "away")


def test_a_deleted_run_needs_no_stopping():
    plan = CancelPlan("r", 3)
    plan.on_error(DagsterRunNotFoundError("gone"))
    assert (plan.is_over, plan.problem) == (True, None)
