import pytest
from airflow_bridge.errors import DagsterRunNotFoundError, DagsterUnreachableError
from airflow_bridge.graphql import Run
from airflow_bridge.polling import RunWatch

AWAY = DagsterUnreachableError("away")
STARTED = Run("r", "STARTED", {})


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def watch(clock, tolerance=600.0, deadline=None):
    return RunWatch("r", tolerance, deadline, clock)


def test_many_failures_in_little_time_are_borne():
    clock = Clock()
    following = watch(clock)
    for _ in range(500):
        clock.now += 1
        assert following.on_error(AWAY) is None


def test_failures_for_the_whole_tolerance_end_the_wait():
    clock = Clock()
    following = watch(clock)
    assert following.on_error(AWAY) is None
    clock.now += 600
    outcome = following.on_error(AWAY)
    assert (outcome.status, outcome.message) == ("UNREACHABLE", "away")


def test_one_answer_starts_the_tolerance_anew():
    clock = Clock()
    following = watch(clock)
    following.on_error(AWAY)
    clock.now += 599
    assert following.on_answer(STARTED) is None
    clock.now += 599
    assert following.on_error(AWAY) is None


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "CANCELED"])
def test_a_final_status_ends_the_wait_even_past_the_deadline(status):
    assert watch(Clock(), deadline=0).on_answer(Run("r", status, {})).status == status


@pytest.mark.parametrize("status", ["QUEUED", "STARTING", "CANCELING", "SOMETHING_NEW"])
def test_any_other_status_is_waited_for(status):
    assert watch(Clock()).on_answer(Run("r", status, {})) is None


def test_the_deadline_ends_the_wait_also_during_an_outage():
    clock = Clock()
    following = watch(clock, deadline=1005)
    assert following.on_answer(STARTED) is None
    clock.now = 1005
    assert following.on_answer(STARTED).status == "TIMED_OUT"
    assert following.on_error(AWAY).status == "TIMED_OUT"


def test_a_deleted_run_ends_the_wait_at_once():
    assert watch(Clock()).on_error(DagsterRunNotFoundError("gone")).status == "MISSING"
