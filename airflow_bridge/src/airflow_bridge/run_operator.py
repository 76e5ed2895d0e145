"""What every operator does that has a Dagster run: wait for it, stop it, report how it ended."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_bridge import errors, graphql
from airflow_bridge.airflow_state import ended_from_outside
from airflow_bridge.cancel import CancelPlan
from airflow_bridge.claims import CLAIM_KEY, Claim
from airflow_bridge.errors import AirflowFailException
from airflow_bridge.graphql import Job, Run
from airflow_bridge.hook import DagsterHook
from airflow_bridge.launch import (
    EPOCH_TAG,
    KEY_TAG,
    RETRIES_LEFT_TAG,
    TRY_TAG,
    Entry,
    LaunchLedger,
    Ledger,
    TagLedger,
    epoch_of,
    fresh,
    marks_of,
    retries_left,
)
from airflow_bridge.links import DagsterRunLink
from airflow_bridge.polling import ERROR_TOLERANCE, MISSING, POLL_INTERVAL, TIMED_OUT, UNREACHABLE, Outcome, RunWatch
from airflow_bridge.text import shorten
from airflow_bridge.triggers import DagsterRunTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context

# Airflow sends SIGKILL five seconds after SIGTERM.
_KILL_SECONDS = 3.0
# Nobody ends a worker that has found out by itself that its task was taken away.
_TAKEN_AWAY_SECONDS = 20.0


class DagsterRunOperator(BaseOperator):
    """Base of the operators that wait for a run of job `job_name`; they differ in how they come by it.

    `location` and `repository` default to the connection's. `poll_interval` and `poll_error_tolerance` are seconds or
    timedeltas. `execution_timeout` limits the wait: past it the Dagster run is cancelled. With `fail_on_failed_checks`
    a successful run with failed asset checks of severity ERROR fails too. With `retry_from_failure` a retry runs again
    only what failed.
    """

    operator_extra_links = (DagsterRunLink(),)
    ui_color = "#dcd9fb"

    def __init__(
        self,
        *,
        job_name: str,
        location: str | None = None,
        repository: str | None = None,
        dagster_conn_id: str = DagsterHook.default_conn_name,
        poll_interval: float | timedelta = POLL_INTERVAL,
        poll_error_tolerance: float | timedelta = ERROR_TOLERANCE,
        fail_on_failed_checks: bool = False,
        retry_from_failure: bool = True,
        deferrable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name
        self.location = location
        self.repository = repository
        self.dagster_conn_id = dagster_conn_id
        self.poll_interval = in_seconds(poll_interval)
        self.poll_error_tolerance = in_seconds(poll_error_tolerance)
        self.fail_on_failed_checks = fail_on_failed_checks
        self.retry_from_failure = retry_from_failure
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

    @abstractmethod
    def relaunch(self, context: Context) -> Run:
        """Return a run in place of one that a clear or a time-out has ended."""

    def execute_complete(self, context: Context, event: dict[str, Any]) -> str:
        """Turn the end of the wait into the task's result; launch anew if the run was an earlier execution's."""
        outcome = Outcome(**event)
        self._run_id = outcome.run_id
        if outcome.status in graphql.FINISHED and self._is_of_an_earlier_execution(context, outcome):
            self.log.info("Dagster run %s of an earlier try has ended (%s)", outcome.run_id, outcome.status)
            return self.proceed(context, self.relaunch(context))
        self._settle(context, outcome)
        return outcome.run_id

    def proceed(self, context: Context, run: Run) -> str:
        """Do what is to be done with a run of this execution."""
        return self.wait(context, run)

    def wait_for_the_end_of(self, context: Context, run: Run) -> str:
        """Stop a run that a clear has left behind; `relaunch` follows when it has ended."""
        self.log.info("Stopping Dagster run %s (%s), which the clear has left behind", run.run_id, run.status)
        self.cancel(run.run_id, seconds=0.0, wait=False)
        return self.wait(context, run)

    def wait(self, context: Context, run: Run) -> str:  # noqa: RET503 - defer() never returns
        """Store the link, and wait for the run: in the triggerer, unless told otherwise."""
        self.begin(context, run)
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

    def claim(self, context: Context, tags: Mapping[str, str], *, dag_run_only: bool = False) -> None:
        """Note which runs this task answers for, before it has any; see `airflow_bridge.marks`."""
        claim = Claim(self.dagster_conn_id, dict(tags), dag_run_only)
        context["ti"].xcom_push(key=CLAIM_KEY, value=claim.as_xcom())

    def begin(self, context: Context, run: Run) -> None:
        """Take the run over, and show it; stop it instead if the task was marked meanwhile.

        Whoever marks a task stops the runs that are there then (`airflow_bridge.marks`). A run that comes later is seen
        here, because it is there before the state is asked for: so one of the two always sees the other.
        """
        self._run_id = run.run_id
        self.show(context, run)
        state = None if run.is_finished else ended_from_outside(context["ti"])
        if state:
            self.cancel(run.run_id, _TAKEN_AWAY_SECONDS)
            raise AirflowFailException(f"Task {self.task_id!r} was put to {state!r} while it launched Dagster runs.")

    def show(self, context: Context, run: Run) -> None:
        """Tell where the run can be seen, in the log and by the link."""
        url = self.hook.endpoint.run_url(run.run_id)
        self.log.info("Dagster run: %s", url)
        context["ti"].xcom_push(key=DagsterRunLink().xcom_key, value=url)

    def rerun(self, context: Context, entry: Entry) -> Run:
        """Run again what failed in `entry.parent`, under `entry.key`."""
        assert entry.parent is not None
        self._remember(context, entry)
        tags = {
            KEY_TAG: entry.key,
            TRY_TAG: str(context["ti"].try_number),
            RETRIES_LEFT_TAG: str(retries_left(context["ti"])),
        } | self.marks(context)
        job = self.job()
        facts = self.hook.run(graphql.get_job_facts(job))
        run = self.hook.run(graphql.rerun_failed(job, entry.parent, tags, is_asset_job=facts.is_asset_job))
        self.log.info("Dagster run %s runs again what failed in %s", run.run_id, entry.parent)
        self._note(run)
        return run

    def launch(self, context: Context, entry: Entry, operation: graphql.Operation[Run]) -> Run:
        """Send a launch that carries the tags of `entry`."""
        self._remember(context, entry)
        run = self.hook.run(operation)
        self.log.info("Launched Dagster run %s of job %s", run.run_id, self.job_name)
        self._note(run)
        return run

    def _remember(self, context: Context, entry: Entry) -> None:
        self._run_id = None
        self._launch_key = entry.key
        self.ledger(context).write(entry)

    def _note(self, run: Run) -> None:
        self._run_id = run.run_id
        if self._killed:
            self.on_kill()

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
                found = self.hook.run(graphql.find_runs({KEY_TAG: self._launch_key}))
                doomed = [run.run_id for run in found if not run.is_finished]
            else:
                return
        except errors.DagsterBridgeError as error:
            self.log.warning("The Dagster run could not be looked for: %s", error)
            return
        for run_id in doomed:
            self.cancel(run_id, _KILL_SECONDS)

    def cancel(self, run_id: str, seconds: float, *, wait: bool = True) -> None:
        """Stop the run within `seconds`, wait for its end, and log what has become of it."""
        plan = CancelPlan(run_id, seconds, wait=wait)
        while not plan.is_over:
            try:
                plan.on_answer(self.hook.run(plan.request()))
            except errors.DagsterBridgeError as error:
                plan.on_error(error)
            if not plan.is_over:
                time.sleep(plan.pause)
        self.log.log(logging.WARNING if plan.problem else logging.INFO, "Dagster run %s %s", run_id, plan.words())

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
            end = outcome.message or "was asked to stop"
            raise errors.DagsterRunTimedOutError(f"{named} outlived {self.execution_timeout} and {end}: {url}")
        problem = self.problem(outcome, named, url)
        # A success stays known, so that a worker that dies now does not make its retry run the job again;
        # a failure too, so that the retry knows what failed.
        if problem and not (outcome.status == "FAILURE" and self.retry_from_failure):
            self.ledger(context).forget()
        if problem:
            raise problem

    def problem(self, outcome: Outcome, named: str, url: str) -> errors.DagsterBridgeError | None:
        """Return what is wrong with a run that has ended, `named` in words and to be seen at `url`."""
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

    def _is_of_an_earlier_execution(self, context: Context, outcome: Outcome) -> bool:
        """Whether the run was stopped, or left behind, by a clear or by the time-out of an earlier try."""
        entry = self.ledger(context).read()
        if entry is None:
            return False
        if entry.epoch != epoch_of(context["ti"]):
            return True
        if outcome.status != "CANCELED":
            return False
        run = self.hook.run(graphql.get_run(outcome.run_id))
        return run.tags.get(TRY_TAG) != str(context["ti"].try_number)

    def ledger(self, context: Context) -> Ledger:
        """Return the memory of this task's launches: Airflow's store, or before Airflow 3.3 the tags of the runs."""
        store = context.get("task_state_store")
        if store is None:
            marks = marks_of(context["ti"])
            return TagLedger(lambda: next(iter(self.hook.run(graphql.find_runs(marks))), None))
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        return LaunchLedger(store, NEVER_EXPIRE)

    def marks(self, context: Context) -> dict[str, str]:
        """Return the tags by which the next try knows that this task launched the run, and in which execution."""
        return marks_of(context["ti"]) | {EPOCH_TAG: str(epoch_of(context["ti"]))}

    def new_entry(self, context: Context, parent: str | None = None) -> Entry:
        """Return an entry for a launch of this execution."""
        return fresh(epoch_of(context["ti"]), parent)

    def job(self, assets: Sequence[str] = ()) -> Job:
        """Return the job to run; raise `DagsterRequestInvalidError` when nothing says where it is."""
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
            assets=[key.split("/") for key in assets],
        )


def in_seconds(value: float | timedelta) -> float:
    """Return an interval in seconds; raise ValueError unless it is above 0."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds <= 0:
        raise ValueError(f"an interval must be above 0 seconds, not {seconds}")
    return seconds
