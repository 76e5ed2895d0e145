"""Waits in the triggerer, on one event loop for all tasks, until a Dagster run has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_bridge import graphql
from airflow_bridge.airflow_state import task_state
from airflow_bridge.cancel import CancelPlan
from airflow_bridge.errors import DagsterBridgeError
from airflow_bridge.hook import AsyncDagster
from airflow_bridge.polling import ERROR_TOLERANCE, POLL_INTERVAL, TIMED_OUT, Outcome, RunWatch

_log = logging.getLogger(__name__)

# The triggerer gives on_kill 30 s by default ([triggerer] on_kill_timeout).
_KILL_SECONDS = 20.0
_AGAIN_SECONDS = 0.5
_TIME_OUT_SECONDS = 60.0


class DagsterRunTrigger(BaseTrigger):
    """Fires once, with the payload of a `polling.Outcome`.

    Intervals are seconds; `deadline` is seconds since the epoch, or None to wait for ever. A run that outlives it is
    stopped here: a worker that resumes has only `execution_timeout` again, which may be too short for that.
    """

    def __init__(
        self,
        run_id: str,
        dagster_conn_id: str = "dagster_default",
        poll_interval: float = POLL_INTERVAL,
        error_tolerance: float = ERROR_TOLERANCE,
        deadline: float | None = None,
    ) -> None:
        super().__init__()
        self.run_id = run_id
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = poll_interval
        self.error_tolerance = error_tolerance
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that rebuild this trigger."""
        return (
            "airflow_bridge.triggers.DagsterRunTrigger",
            {
                "run_id": self.run_id,
                "dagster_conn_id": self.dagster_conn_id,
                "poll_interval": self.poll_interval,
                "error_tolerance": self.error_tolerance,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the wait is over, and fire."""
        try:
            async with await AsyncDagster.connect(self.dagster_conn_id) as dagster:
                outcome = await self._wait(dagster)
                if outcome.status == TIMED_OUT:
                    outcome = Outcome(
                        outcome.run_id, outcome.status, await stop(dagster, self.run_id, _TIME_OUT_SECONDS)
                    )
        except asyncio.CancelledError:
            if not has_own_on_kill() and await was_taken_from_the_triggerer(self.task_instance):
                await self.on_kill()
            raise
        yield TriggerEvent(outcome.payload())

    async def _wait(self, dagster: AsyncDagster) -> Outcome:
        watch = RunWatch(self.run_id, self.error_tolerance, self.deadline)
        while True:
            try:
                outcome = watch.on_answer(await dagster.run(graphql.get_run(self.run_id)))
            except DagsterBridgeError as error:
                self.log.warning("No answer about Dagster run %s: %s", self.run_id, error)
                outcome = watch.on_error(error)
            if outcome:
                return outcome
            await asyncio.sleep(self.poll_interval)

    async def on_kill(self) -> None:
        """Stop the Dagster run when somebody marks or clears the deferred task, and wait for its end."""
        # The client of run() is closed by now: the cancellation has unwound it.
        async with await AsyncDagster.connect(self.dagster_conn_id) as dagster:
            self.log.info("Dagster run %s %s", self.run_id, await stop(dagster, self.run_id))


async def stop(dagster: AsyncDagster, run_id: str, seconds: float | None = None) -> str:
    """Stop a run and wait for its end; return what has become of it, to be put after its name."""
    plan = CancelPlan(run_id, _KILL_SECONDS if seconds is None else seconds)
    while not plan.is_over:
        try:
            plan.on_answer(await dagster.run(plan.request()))
        except DagsterBridgeError as error:
            plan.on_error(error)
        if not plan.is_over:
            await asyncio.sleep(plan.pause)
    return plan.words()


def has_own_on_kill() -> bool:
    """Whether Airflow tells a trigger that its task was marked or cleared: from 3.3 on."""
    return hasattr(BaseTrigger, "on_kill")


async def was_taken_from_the_triggerer(ti: Any) -> bool:
    """Tell why a trigger is cut off, before Airflow 3.3: its task waits no longer, or only the triggerer ends."""
    for _ in range(2):  # the question that was cut off may still be under way
        try:
            return await task_state(ti.dag_id, ti.run_id, ti.task_id) != "deferred"
        except Exception as error:
            _log.warning("Airflow did not tell whether %s still waits: %s: %s", ti.task_id, type(error).__name__, error)
            await asyncio.sleep(_AGAIN_SECONDS)
    return False
