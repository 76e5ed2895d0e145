"""`DagsterAssetWatcher`: one asset of a run that another task has launched, as a task that needs no worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskFailedEvent, TaskSuccessEvent, TriggerEvent

from airflow_bridge import errors
from airflow_bridge.follow import Follower, Launch, following
from airflow_bridge.hook import DagsterHook
from airflow_bridge.links import DagsterRunLink
from airflow_bridge.polling import ERROR_TOLERANCE
from airflow_bridge.progress import FAILED, Verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

WATCH_INTERVAL = 2.0


class DagsterAssetTrigger(BaseTrigger):
    """Ends its task when the asset is there with its checks passed, or cannot be any more. Intervals are seconds.

    The Airflow run is that of the task it was started for, unless `dag_id` and `run_id` name one.
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
    ) -> None:
        super().__init__()
        self.asset = asset
        self.launch_task_id = launch_task_id
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = poll_interval
        self.error_tolerance = error_tolerance
        self.dag_id = dag_id
        self.run_id = run_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that rebuild this trigger."""
        names = ("asset", "launch_task_id", "dagster_conn_id", "poll_interval", "error_tolerance", "dag_id", "run_id")
        return "airflow_bridge.watch.DagsterAssetTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the verdict, and end the task with it."""
        ti: Any = self.task_instance
        launch = Launch(self.dagster_conn_id, self.dag_id or ti.dag_id, self.run_id or ti.run_id, self.launch_task_id)
        async with following(launch, self.poll_interval, self.error_tolerance) as follower:
            verdict = await self._wait(follower)
            url = f"{follower.run_url}{verdict.run_id}"
        xcoms = {DagsterRunLink().xcom_key: url} if verdict.run_id else None
        if verdict.is_success:
            self.log.info("Asset %s is there: %s", self.asset, url)
            yield TaskSuccessEvent(xcoms=xcoms)
        else:
            self.log.error("%s (%s)", verdict.message, url)
            yield TaskFailedEvent(xcoms=xcoms)

    async def _wait(self, follower: Follower) -> Verdict:
        while True:
            verdict = follower.board.verdict(self.asset)
            if verdict:
                return verdict
            if follower.lost:
                return Verdict(FAILED, "", follower.lost)
            await follower.news()


class DagsterAssetWatcher(BaseOperator):
    """Succeeds when asset `asset` ("marts/kpi_daily") of the run launched by `launch_task_id` is there and sound.

    That is: materialized, and no check of severity ERROR failed. It starts and ends in the triggerer. `launch_task_id`
    must come before it. A failure is final: it is seen only when no retry of the launch is to come.
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
        dagster_conn_id: str = DagsterHook.default_conn_name,
        poll_interval: float = WATCH_INTERVAL,
        poll_error_tolerance: float = ERROR_TOLERANCE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.asset = asset
        self.launch_task_id = launch_task_id
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
        )
