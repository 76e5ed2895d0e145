"""What the bridge asks Airflow: the states of tasks, and when an execution of a task was asked for."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async

FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
NOT_SUCCEEDED = FINISHED - {"success"}

_log = logging.getLogger(__name__)


async def task_state(dag_id: str, run_id: str, task_id: str) -> str | None:
    """Return the state of a task of a DAG run; None also when it has not been scheduled yet."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found: dict[str, Any] = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=dag_id, task_ids=[task_id], run_ids=[run_id]
    )
    state = (found.get(run_id) or {}).get(task_id)
    return None if state is None else str(getattr(state, "value", state))


async def dag_run_has_failed(dag_id: str, run_id: str) -> bool:
    """Return whether a DAG run has failed; False also when Airflow does not tell."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    try:
        state = await sync_to_async(RuntimeTaskInstance.get_dagrun_state)(dag_id=dag_id, run_id=run_id)
    except Exception as error:
        _log.warning("Airflow did not tell the state of %s: %s: %s", run_id, type(error).__name__, error)
        return False
    return str(getattr(state, "value", state)) == "failed"


def ended_from_outside(ti: Any) -> str | None:
    """Return the state in which somebody has put the task that this worker executes; None while it is the worker's.

    None also when Airflow does not tell: then the worker goes on.
    """
    asked = {"dag_id": ti.dag_id, "task_ids": [ti.task_id], "run_ids": [ti.run_id]}
    if ti.map_index is not None and ti.map_index >= 0:
        asked["map_index"] = ti.map_index
    try:
        found = ti.get_task_states(**asked).get(ti.run_id, {})
    except Exception as error:
        _log.warning("Airflow did not tell the state of %s: %s: %s", ti.task_id, type(error).__name__, error)
        return None
    states = {str(getattr(state, "value", state)) for state in found.values()}
    return next(iter(states & FINISHED), None)


def asked_for_at(ti: Any) -> float:
    """Return when this execution of the task instance was asked for, in Unix seconds; 0 when its id does not tell.

    Airflow gives a task instance a new id of version 7, which begins with the time, with the DAG run and with each
    clear and retry.
    """
    try:
        number = UUID(str(ti.id))
    except (AttributeError, ValueError):
        return 0.0
    return (number.int >> 80) / 1000 if number.version == 7 else 0.0
