import asyncio
import time
from types import SimpleNamespace

import pytest
from airflow.sdk.module_loading import import_string
from airflow_bridge.triggers import DagsterRunTrigger

from airflow_bridge import triggers


def fire(trigger):
    async def first():
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(first())
    return payload


def cut_off(trigger, dagster):
    """Cancel the trigger while it waits, as Airflow does."""

    async def cut():
        until = dagster.requests + 3
        waiting = asyncio.create_task(anext(aiter(trigger.run())))
        while dagster.requests < until:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(cut())


def trigger_for(run, **options):
    return DagsterRunTrigger(run.run_id, **{"poll_interval": 0.01, **options})


def test_it_survives_being_stored_and_rebuilt():
    path, arguments = DagsterRunTrigger("r", poll_interval=1.5, error_tolerance=700, deadline=9.0).serialize()
    rebuilt = import_string(path)(**arguments)
    assert rebuilt.serialize() == (path, arguments)


def test_it_fires_once_when_the_run_has_ended(dagster):
    run = dagster.add_run(polls_until=(5, "SUCCESS"))
    assert fire(trigger_for(run)) == {"run_id": run.run_id, "status": "SUCCESS", "message": ""}


def test_all_polls_go_through_one_connection(dagster):
    fire(trigger_for(dagster.add_run(polls_until=(8, "SUCCESS"))))
    assert (dagster.requests, dagster.connections) == (8, 1)


def test_an_outage_is_borne(dagster):
    run = dagster.add_run(status="SUCCESS")
    dagster.outage = 5
    assert fire(trigger_for(run))["status"] == "SUCCESS"


def test_an_outage_longer_than_the_tolerance_is_reported(dagster):
    dagster.outage = 10**6
    event = fire(trigger_for(dagster.add_run(), error_tolerance=0.1))
    assert event["status"] == "UNREACHABLE"
    assert "HTTP 503" in event["message"]


def test_a_web_server_that_is_gone_is_an_outage(dagster):
    run = dagster.add_run()
    dagster.stop()
    assert "gave no answer" in fire(trigger_for(run, error_tolerance=0.1))["message"]


def test_past_the_deadline_the_run_is_stopped_before_a_worker_is_asked_for(dagster):
    run = dagster.add_run(status="STARTING", starting_for=2)
    event = fire(trigger_for(run, deadline=time.time()))
    assert event == {"run_id": run.run_id, "status": "TIMED_OUT", "message": "was cancelled"}
    assert (run.status, dagster.forced) == ("CANCELED", 0)


def test_a_run_that_cannot_be_stopped_at_its_deadline_is_reported(dagster, monkeypatch):
    monkeypatch.setattr("airflow_bridge.triggers._TIME_OUT_SECONDS", 0.0)
    dagster.refuses_to_stop = True
    event = fire(trigger_for(dagster.add_run(), deadline=time.time()))
    assert (event["status"], event["message"]) == (
        "TIMED_OUT",
        "could not be stopped (Dagster refuses to stop a run that is STARTED)",
    )


def test_a_deleted_run_is_reported(dagster):
    run = dagster.add_run()
    dagster.runs.clear()
    assert fire(trigger_for(run))["status"] == "MISSING"


def test_a_kill_cancels_the_run_also_through_a_short_outage(dagster):
    run = dagster.add_run()
    dagster.outage = 1
    asyncio.run(trigger_for(run).on_kill())
    assert run.status == "CANCELED"


def test_a_kill_waits_until_the_run_has_really_ended(dagster):
    run = dagster.add_run(canceling_for=2)
    asyncio.run(trigger_for(run).on_kill())
    assert run.status == "CANCELED"


def test_before_airflow_3_3_a_trigger_that_is_cut_off_asks_whether_its_task_still_waits(dagster, monkeypatch):
    monkeypatch.setattr(triggers, "has_own_on_kill", lambda: False)
    for state, status in (("deferred", "STARTED"), ("failed", "CANCELED"), (None, "CANCELED")):
        run = dagster.add_run()
        trigger = trigger_for(run)
        trigger.task_instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t")

        async def state_of(*_, state=state):
            return state

        monkeypatch.setattr(triggers, "task_state", state_of)
        cut_off(trigger, dagster)
        assert run.status == status


def test_a_kill_waits_for_a_run_that_is_just_starting(dagster):
    run = dagster.add_run(status="STARTING", starting_for=2)
    asyncio.run(trigger_for(run).on_kill())
    assert (run.status, dagster.forced) == ("CANCELED", 0)


@pytest.mark.parametrize("status", ["SUCCESS", "CANCELED"])
def test_a_kill_after_the_end_changes_nothing(dagster, status):
    run = dagster.add_run(status=status)
    asyncio.run(trigger_for(run).on_kill())
    assert (run.status, dagster.forced) == (status, 0)


def test_a_restart_of_the_triggerer_leaves_the_run_alone(dagster):
    run = dagster.add_run()
    cut_off(trigger_for(run), dagster)
    assert run.status == "STARTED"
