"""`DagsterJobOperator`: launches a Dagster job once, waits for it, and reports how it ended."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from airflow_bridge import errors, graphql
from airflow_bridge.cancel import PAUSE, CancelPlan
from airflow_bridge.graphql import Job, Run
from airflow_bridge.hook import DagsterHook
from airflow_bridge.launch import KEY_TAG, TRY_TAG, LaunchLedger, find_unseen_run
from airflow_bridge.outcome import shorten
from airflow_bridge.polling import (
    ERROR_TOLERANCE,
    MISSING,
    POLL_INTERVAL,
    TIMED_OUT,
    UNREACHABLE,
    Outcome,
    RunWatch,
)
from airflow_bridge.triggers import DagsterRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

PARTITION_TAG = "dagster/partition"
_OWN_TAGS = "airflow/"
# Airflow sends SIGKILL five seconds after SIGTERM.
_KILL_SECONDS = 3.0
_TIME_OUT_SECONDS = 60.0


class DagsterRunLink(BaseOperatorLink):
    """The button in Airflow's UI that opens the run in Dagster's."""

    name = "Dagster run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that was stored at launch, or nothing before it."""
        return BaseXCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""


class DagsterJobOperator(BaseOperator):
    """Runs a Dagster job and succeeds when the run did; returns the run id.

    `location` and `repository` default to the connection's. `asset_selection` holds asset keys
    such as "marts/fct_orders". `execution_timeout` limits the wait: past it the Dagster run is
    cancelled. `poll_interval` and `poll_error_tolerance` are seconds or timedeltas. With
    `fail_on_failed_checks` a successful run with failed asset checks of severity ERROR fails too.

    Raises the types of `airflow_bridge.errors`.
    """

    template_fields: Sequence[str] = (
        "job_name",
        "location",
        "repository",
        "run_config",
        "tags",
        "asset_selection",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"run_config": "json", "tags": "json"}
    operator_extra_links = (DagsterRunLink(),)
    ui_color = "#dcd9fb"

    def __init__(
        self,
        *,
        job_name: str,
        location: str | None = None,
        repository: str | None = None,
        run_config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        asset_selection: Sequence[str] | None = None,
        dagster_conn_id: str = DagsterHook.default_conn_name,
        poll_interval: float | timedelta = POLL_INTERVAL,
        poll_error_tolerance: float | timedelta = ERROR_TOLERANCE,
        fail_on_failed_checks: bool = False,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.location = location
        self.repository = repository
        self.run_config = run_config
        self.tags = tags
        self.asset_selection = asset_selection
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = _seconds(poll_interval)
        self.poll_error_tolerance = _seconds(poll_error_tolerance)
        self.fail_on_failed_checks = fail_on_failed_checks
        self.deferrable = deferrable
        self._hook: DagsterHook | None = None
        self._launch_key: str | None = None
        self._run_id: str | None = None
        self._killed = False

    @property
    def hook(self) -> DagsterHook:
        """The hook of this task, made once so that `on_kill` finds its connection already read."""
        if self._hook is None:
            self._hook = DagsterHook(self.dagster_conn_id)
        return self._hook

    def execute(self, context: Context) -> str:
        """Adopt the run of an earlier try or launch one, then wait for it."""
        run = find_unseen_run(self.hook, self._ledger(context))
        if run is None:
            run = self._launch(context)
        else:
            self.log.info("Adopting Dagster run %s (%s) of an earlier try", run.run_id, run.status)
        return self._wait(context, run)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Turn the end of the wait into the task's result; launch anew if a clear cut it short."""
        outcome = Outcome(**event)
        self._run_id = outcome.run_id
        if outcome.status == "CANCELED" and self._was_of_an_earlier_try(context, outcome.run_id):
            # Clearing a deferred task cancels its run; this try may have adopted it just before.
            self.log.info("Dagster run %s was cancelled with its try; launching anew", outcome.run_id)
            self._ledger(context).forget()
            return self._wait(context, self._launch(context))
        self._settle(context, outcome)
        return outcome.run_id

    def on_kill(self) -> None:
        """Cancel the Dagster run when the task is killed or timed out on the worker.

        Runs in a signal handler: it must not speak to Airflow, only to Dagster.
        """
        self._killed = True
        if self._hook is None:
            return
        try:
            if self._run_id:
                doomed = [self._run_id]
            elif self._launch_key:  # the launch was under way: its answer has not come back
                found = self.hook.run(graphql.find_runs(KEY_TAG, self._launch_key))
                doomed = [run.run_id for run in found if not run.is_finished]
            else:
                return
        except errors.DagsterBridgeError as error:
            self.log.warning("The Dagster run could not be looked for: %s", error)
            return
        for run_id in doomed:
            self._cancel(run_id, _KILL_SECONDS)

    def _cancel(self, run_id: str, seconds: float) -> str | None:
        """Stop the run; return why it may go on, if it may."""
        plan = CancelPlan(run_id, seconds)
        while not plan.is_over:
            try:
                plan.on_answer(self.hook.run(plan.request()))
            except errors.DagsterBridgeError as error:
                plan.on_error(error)
            if not plan.is_over:
                time.sleep(PAUSE)
        if plan.problem:
            self.log.warning("Dagster run %s may go on: %s", run_id, plan.problem)
        return plan.problem

    def _launch(self, context: Context) -> Run:
        job, tags = self._job(), self._run_tags(context)
        self._run_id = None
        self._launch_key = self._ledger(context).ensure_key()
        tags[KEY_TAG] = self._launch_key
        run = self.hook.run(graphql.launch_run(job, self.run_config or {}, tags))
        self._run_id = run.run_id
        self.log.info("Launched Dagster run %s of job %s", run.run_id, job.name)
        if self._killed:
            self.on_kill()
        return run

    def _wait(self, context: Context, run: Run) -> str:  # noqa: RET503 - defer() never returns
        self._run_id = run.run_id
        url = self.hook.endpoint.run_url(run.run_id)
        self.log.info("Dagster run: %s", url)
        context["ti"].xcom_push(key=DagsterRunLink().xcom_key, value=url)
        if run.is_finished:
            return self.execute_complete(context, Outcome(run.run_id, run.status).payload())
        if not self.deferrable:
            return self.execute_complete(context, self._poll(run).payload())
        deadline = time.time() + self.execution_timeout.total_seconds() if self.execution_timeout else None
        self.defer(
            trigger=DagsterRunTrigger(
                run_id=run.run_id,
                dagster_conn_id=self.dagster_conn_id,
                poll_interval=self.poll_interval,
                error_tolerance=self.poll_error_tolerance,
                deadline=deadline,
            ),
            method_name="execute_complete",
        )

    def _poll(self, run: Run) -> Outcome:
        # No deadline: Airflow itself interrupts a task that holds its worker for too long.
        watch = RunWatch(run.run_id, self.poll_error_tolerance, deadline=None)
        while True:
            try:
                outcome = watch.on_answer(self.hook.run(graphql.get_run(run.run_id)))
            except errors.DagsterBridgeError as error:
                self.log.warning("No answer about Dagster run %s: %s", run.run_id, error)
                outcome = watch.on_error(error)
            if outcome:
                return outcome
            time.sleep(self.poll_interval)

    def _settle(self, context: Context, outcome: Outcome) -> None:
        run_id, url = outcome.run_id, self.hook.endpoint.run_url(outcome.run_id)
        named = f"Dagster run {run_id} of job {self.job_name!r}"
        if outcome.status == UNREACHABLE:  # the key stays: the next try goes on with this run
            raise errors.DagsterUnreachableError(
                f"Lost sight of {named} for {self.poll_error_tolerance:.0f} s: {outcome.message} ({url})"
            )
        if outcome.status == TIMED_OUT:  # the key stays: the next try waits until this run is gone
            problem = self._cancel(outcome.run_id, _TIME_OUT_SECONDS)
            end = f"could not be stopped ({problem})" if problem else "was cancelled"
            raise errors.DagsterRunTimedOutError(f"{named} outlived {self.execution_timeout} and {end}: {url}")
        problem = self._problem(outcome, named, url)
        self._ledger(context).forget()
        if problem:
            raise problem

    def _problem(self, outcome: Outcome, named: str, url: str) -> errors.DagsterBridgeError | None:
        if outcome.status == MISSING:
            return errors.DagsterRunNotFoundError(f"{named} was deleted from Dagster: {outcome.message}")
        if outcome.status == "CANCELED":
            return errors.DagsterRunCanceledError(f"{named} was cancelled in Dagster: {url}")
        if outcome.status == "FAILURE":
            return errors.DagsterRunFailedError(f"{named} failed at {self._describe(outcome.run_id)} ({url})")
        if self.fail_on_failed_checks:
            failed = self.hook.collect_events(outcome.run_id).failed_checks
            if failed:
                return errors.DagsterChecksFailedError(f"{named} left failed checks: {shorten(failed)} ({url})")
        return None

    def _describe(self, run_id: str) -> str:
        try:
            return self.hook.collect_events(run_id).describe_failure()
        except errors.DagsterBridgeError as error:
            return f"a step that could not be read: {error}"

    def _was_of_an_earlier_try(self, context: Context, run_id: str) -> bool:
        run = self.hook.run(graphql.get_run(run_id))
        return run.tags.get(TRY_TAG) != str(context["ti"].try_number)

    def _ledger(self, context: Context) -> LaunchLedger:
        return LaunchLedger(context["task_state_store"], NEVER_EXPIRE)

    def _job(self) -> Job:
        location = self.location or self.hook.endpoint.location
        if not location:
            raise errors.DagsterRequestInvalidError(
                f"Task {self.task_id!r} names no code location: pass `location`, or set extra.location "
                f"of the Airflow connection {self.dagster_conn_id!r}."
            )
        return Job(
            name=self.job_name,
            location=location,
            repository=self.repository or self.hook.endpoint.repository,
            assets=[key.split("/") for key in self.asset_selection or ()],
        )

    def _run_tags(self, context: Context) -> dict[str, str]:
        tags = {key: str(value) for key, value in (self.tags or {}).items()}
        reserved = sorted(key for key in tags if key.startswith(_OWN_TAGS))
        if reserved:
            raise errors.DagsterRequestInvalidError(
                f"Tags {', '.join(reserved)} are the bridge's own; choose names without the prefix {_OWN_TAGS!r}."
            )
        if tags.get(PARTITION_TAG) in ("", "None"):
            # An absent partition key renders as "None", which Dagster would take for a name.
            raise errors.DagsterRequestInvalidError(
                f"Tag {PARTITION_TAG} is empty: this Airflow run has no partition key."
            )
        ti = context["ti"]
        tags |= {
            "airflow/dag_id": ti.dag_id,
            "airflow/run_id": ti.run_id,
            "airflow/task_id": ti.task_id,
            TRY_TAG: str(ti.try_number),
        }
        if ti.map_index is not None and ti.map_index >= 0:
            tags["airflow/map_index"] = str(ti.map_index)
        return tags


def _seconds(value: float | timedelta) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds <= 0:
        raise ValueError(f"an interval must be above 0 seconds, not {seconds}")
    return seconds
