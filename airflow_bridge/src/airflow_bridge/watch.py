"""`DagsterAssetWatcher`: one asset of a run that another task has launched, as a task that needs no worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from airflow_bridge import errors, graphql
from airflow_bridge.airflow_state import NOT_SUCCEEDED, asked_for_at, task_state
from airflow_bridge.follow import Follower, Launch, following
from airflow_bridge.hook import AsyncDagster, DagsterHook
from airflow_bridge.links import DagsterRunLink
from airflow_bridge.polling import ERROR_TOLERANCE
from airflow_bridge.progress import FAILED, Verdict
from airflow_bridge.triggers import has_own_on_kill, stop, was_taken_from_the_triggerer

if TYPE_CHECKING:
    from airflow.sdk import Context

WATCH_INTERVAL = 2.0


class DagsterAssetTrigger(BaseTrigger):
    """Ends its task when the asset is there with its checks passed, or cannot be any more. Intervals are seconds.

    What a run made or failed to make that had ended before the task was cleared does not count: it is made again. The
    Airflow run is that of the task it was started for, unless `dag_id` and `run_id` name one.
    """

    def __init__(
        self,
        asset: str,
        launch_task_id: str,
        dagster_conn_id: str = DagsterHook.default_conn_name,
        poll_interval: float = WATCH_INTERVAL,
        error_tolerance: float = ERROR_TOLERANCE,
        dag_id: str | None = None,
        run_id: str | None = None,
        outcome_task_id: str | None = None,
    ) -> None:
        super().__init__()
        self.asset = asset
        self.launch_task_id = launch_task_id
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = poll_interval
        self.error_tolerance = error_tolerance
        self.dag_id = dag_id
        self.run_id = run_id
        self.outcome_task_id = outcome_task_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that rebuild this trigger."""
        names = ("asset", "launch_task_id", "dagster_conn_id", "poll_interval", "error_tolerance", "dag_id", "run_id")
        arguments = {name: getattr(self, name) for name in (*names, "outcome_task_id")}
        return "airflow_bridge.watch.DagsterAssetTrigger", arguments

    @property
    def launch(self) -> Launch:
        """Whose runs are watched."""
        ti: Any = self.task_instance
        dag_id, run_id = self.dag_id or ti.dag_id, self.run_id or ti.run_id
        return Launch(self.dagster_conn_id, dag_id, run_id, self.launch_task_id, self.outcome_task_id)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the verdict, and end the task with it."""
        try:
            async with following(self.launch, self.poll_interval, self.error_tolerance) as follower:
                verdict = await self._wait(follower)
                url = f"{follower.run_url}{verdict.run_id}"
        except asyncio.CancelledError:
            if not has_own_on_kill() and await was_taken_from_the_triggerer(self.task_instance):
                await self.on_kill()
            raise
        xcoms: dict[str, Any] = {DagsterRunLink().xcom_key: url} if verdict.run_id else {}
        if verdict.is_success:
            took = "" if verdict.seconds is None else f", made in {verdict.seconds:.1f} s"
            self.log.info("Asset %s is there%s: %s", self.asset, took, url)
            xcoms |= {} if verdict.seconds is None else {"seconds": round(verdict.seconds, 3)}
            yield TaskSuccessEvent(xcoms=xcoms)
        else:
            self.log.error("%s (%s)", verdict.message, url)
            yield TaskFailedEvent(xcoms=xcoms)

    async def _wait(self, follower: Follower) -> Verdict:
        asked_at = asked_for_at(self.task_instance)
        while True:
            verdict = follower.board.verdict(self.asset)
            if verdict and not verdict.is_from_before(asked_at):
                return verdict
            if self.asset in follower.refused:
                return Verdict(FAILED, "", f"Asset {self.asset} was not made again: {follower.refused[self.asset]}")
            if follower.lost:
                return Verdict(FAILED, "", follower.lost)
            if verdict:
                follower.make_again(self.asset, verdict)
            await follower.news()

    async def on_kill(self) -> None:
        """Stop the run if nobody answers for it any more: the whole DAG run was marked, or failed before.

        The task that answers for the run stops it itself; it may not have begun to wait.
        """
        launch = self.launch
        if self.outcome_task_id is None:
            return
        if await task_state(launch.dag_id, launch.run_id, self.outcome_task_id) not in NOT_SUCCEEDED:
            return
        async with await AsyncDagster.connect(self.dagster_conn_id) as dagster:
            for run in await dagster.run(graphql.find_runs(launch.tags())):
                if not run.is_finished:
                    self.log.info("Dagster run %s %s", run.run_id, await stop(dagster, run.run_id))


class DagsterAssetWatcher(BaseOperator):
    """Succeeds when asset `asset` ("marts/kpi_daily") of the run launched by `launch_task_id` is there and sound.

    That is: materialized, and no check of severity ERROR failed. It starts and ends in the triggerer (before Airflow
    3.3 a worker hands it over). `launch_task_id` must come before it; `outcome_task_id` runs again what failed. A
    failure is final: it is seen only when no retry of the launch is to come. Cleared, it makes its asset again, unless
    a run is under way that does. How long the asset took is its XCom `seconds`.
    """

    start_from_trigger = True
    template_fields: Sequence[str] = ()
    operator_extra_links = (DagsterRunLink(),)
    ui_color = "#e9e8ff"

    def __init__(
        self,
        *,
        asset: str,
        launch_task_id: str,
        outcome_task_id: str | None = None,
        dagster_conn_id: str = DagsterHook.default_conn_name,
        poll_interval: float = WATCH_INTERVAL,
        poll_error_tolerance: float = ERROR_TOLERANCE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.asset = asset
        self.launch_task_id = launch_task_id
        self.outcome_task_id = outcome_task_id
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = poll_interval
        self.poll_error_tolerance = poll_error_tolerance
        path, arguments = self._trigger().serialize()
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=path, trigger_kwargs=arguments, next_method="execute_complete", timeout=self.execution_timeout
        )

    def execute(self, context: Context) -> None:
        """Wait in the triggerer all the same: `airflow dags test` starts every task on a worker."""
        ti = context["ti"]
        launched = ti.xcom_pull(task_ids=self.launch_task_id)
        if launched:  # a worker that hands a task over asks for its link, and logs an error when there is none
            url = DagsterHook(self.dagster_conn_id).endpoint.run_url(launched)
            ti.xcom_push(key=DagsterRunLink().xcom_key, value=url)
        self.defer(trigger=self._trigger(ti.dag_id, ti.run_id), method_name="execute_complete")

    def execute_complete(self, context: Context, event: str | None = None) -> None:
        """Repeat the verdict where a worker was asked for it."""
        if event != "success":
            raise errors.DagsterRunFailedError(f"Asset {self.asset} was not made; the log above says why.")

    def _trigger(self, dag_id: str | None = None, run_id: str | None = None) -> DagsterAssetTrigger:
        return DagsterAssetTrigger(
            asset=self.asset,
            launch_task_id=self.launch_task_id,
            dagster_conn_id=self.dagster_conn_id,
            poll_interval=self.poll_interval,
            error_tolerance=self.poll_error_tolerance,
            dag_id=dag_id,
            run_id=run_id,
            outcome_task_id=self.outcome_task_id,
        )
