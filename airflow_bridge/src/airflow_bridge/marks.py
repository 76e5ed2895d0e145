"""Listens for DAG runs and tasks that are ended from outside, and has their Dagster runs stopped.

Airflow's triggerer tells a trigger of a mark only when the trigger runs already. One that was never loaded is dropped
without a word, and a task that had not begun to wait has none. So the process that writes the mark looks for the runs
too: the API server, or, for a DAG run past its time, the scheduler. Loaded into every process of Airflow: it imports
nothing of the bridge until there is a mark.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

from airflow.listeners import hookimpl
from airflow.utils.state import State
from sqlalchemy import event, inspect

_log = logging.getLogger(__name__)

# The messages with which the scheduler ends a DAG run whose tasks have all come to their end.
_ENDED_BY_ITSELF = ("task_failure", "all_tasks_deadlocked", "success")
_PENDING = "airflow_bridge.marks"


class Mark(NamedTuple):
    """A DAG run, or one of its task instances, that was ended from outside."""

    dag_id: str
    run_id: str
    task_id: str | None = None
    map_index: int = -1


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Take in a DAG run that a person has marked, or that has outlived its `dagrun_timeout`."""
    if msg in _ENDED_BY_ITSELF:
        _keep_what_was_marked(dag_run)
    else:
        _note(dag_run, Mark(dag_run.dag_id, dag_run.run_id))


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """Take in a DAG run that a person has marked as a success: nobody waits for its Dagster runs any more."""
    on_dag_run_failed(dag_run, msg)


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:
    """Take in a task that a person has marked as a success."""
    on_task_instance_failed(previous_state, task_instance)


@hookimpl
def on_task_instance_failed(previous_state: Any, task_instance: Any) -> None:
    """Take in a task that a person has marked: only then Airflow names no previous state."""
    if previous_state is None:
        ti = task_instance
        _note(ti, Mark(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))


def _keep_what_was_marked(dag_run: Any) -> None:
    """Give a run that the scheduler has just ended the state back in which it had ended before.

    A mark and the scheduler may wait for each other's rows. PostgreSQL then rolls the scheduler back, which tries again
    with the runs that it had read before, and makes a success of one whose leaves the mark has skipped.
    """
    try:
        before = inspect(dag_run).attrs["_state"].history.deleted
        if before and before[0] in State.finished_dr_states:
            _log.warning("%s of %s stays %s, as it was marked", dag_run.run_id, dag_run.dag_id, before[0])
            dag_run.set_state(before[0])
    except Exception:
        _log.exception("Whether %s of %s was marked is not known", dag_run.run_id, dag_run.dag_id)


def _note(row: Any, mark: Mark) -> None:
    """Act on `mark` once it is written: what is launched from then on, its own worker stops (`DagsterRunOperator`)."""
    try:
        session = inspect(row).session
        pending: set[Mark] = session.info.setdefault(_PENDING, set())
        if not pending:
            event.listen(session, "after_commit", _begin, once=True)
        pending.add(mark)
    except Exception:  # other listeners, and whoever marks, have nothing to do with it
        _log.exception("The Dagster runs of %s are left to the triggerer", mark)


def _begin(session: Any) -> None:
    marks = session.info.pop(_PENDING, set())
    # A thread, because Dagster refuses to stop a run that is just STARTING, for up to half a minute, and whoever marks
    # must not wait for that. It ends soon after `stopping.SECONDS`; a daemon, so that Airflow's end does not wait.
    threading.Thread(target=_stop, args=(marks,), name="stop-dagster-runs", daemon=True).start()


def _stop(marks: set[Mark]) -> None:
    from airflow_bridge import stopping

    try:
        stopping.stop_runs_of(marks)
    except Exception:
        _log.exception("The Dagster runs of %s could not be stopped", ", ".join(mark.run_id for mark in marks))
