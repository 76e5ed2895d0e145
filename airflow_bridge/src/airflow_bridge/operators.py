"""`DagsterJobOperator` launches a Dagster job once; `DagsterOutcomeOperator` answers for a run that is launched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.exceptions import AirflowFailException

from airflow_bridge import errors, graphql
from airflow_bridge.graphql import Run
from airflow_bridge.launch import (
    KEY_TAG,
    RETRIES_LEFT_TAG,
    TRY_TAG,
    Adopt,
    Entry,
    Launch,
    Replace,
    decide,
    epoch_of,
    retries_left,
)
from airflow_bridge.links import DagsterRunLink
from airflow_bridge.polling import Outcome
from airflow_bridge.run_operator import DagsterRunOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["DagsterJobOperator", "DagsterOutcomeOperator", "DagsterRunLink"]

PARTITION_TAG = "dagster/partition"
_OWN_TAGS = "airflow/"
_NO_PARTITION = ("", "None")


class DagsterJobOperator(DagsterRunOperator):
    """Runs a Dagster job and succeeds when the run did; returns the run id.

    `asset_selection` holds asset keys such as "marts/fct_orders". `partition_key` is used when the job is partitioned.
    With `wait_for_completion=False` it succeeds as soon as the run is launched. Other arguments: `DagsterRunOperator`.
    Raises the types of `airflow_bridge.errors`.
    """

    template_fields: Sequence[str] = (
        "job_name",
        "location",
        "repository",
        "run_config",
        "tags",
        "asset_selection",
        "partition_key",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"run_config": "json", "tags": "json"}

    def __init__(
        self,
        *,
        run_config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        asset_selection: Sequence[str] | None = None,
        partition_key: str | None = None,
        wait_for_completion: bool = True,
        promised_retries: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.run_config = run_config
        self.tags = tags
        self.asset_selection = asset_selection
        self.partition_key = partition_key
        self.wait_for_completion = wait_for_completion
        # How often a DagsterOutcomeOperator will run again what failed; None: as often as this task is retried.
        self.promised_retries = promised_retries

    def execute(self, context: Context) -> str:
        """Adopt the run of an earlier try, or launch one; then wait for it."""
        ledger = self.ledger(context)
        entry = ledger.read()
        runs = self.hook.run(graphql.find_runs({KEY_TAG: entry.key})) if entry else []
        if not self.wait_for_completion and runs and entry and entry.epoch == epoch_of(context["ti"]):
            return self.proceed(context, runs[0])  # launched by an earlier try: that was all
        decision = decide(entry, epoch_of(context["ti"]), runs, from_failure=self.retry_from_failure)
        if isinstance(decision, Launch):
            return self.proceed(context, self._launch(context, decision.entry))
        if isinstance(decision, Replace):
            return self.wait_for_the_end_of(context, decision.run)
        self.log.info("Adopting Dagster run %s (%s) of an earlier try", decision.run.run_id, decision.run.status)
        return self.proceed(context, decision.run)

    def relaunch(self, context: Context) -> Run:
        """Launch under a new key."""
        return self._launch(context, self.new_entry(context))

    def proceed(self, context: Context, run: Run) -> str:
        """Wait for the run, unless launching it was all that was asked for."""
        if self.wait_for_completion:
            return self.wait(context, run)
        self.show(context, run)
        return run.run_id

    def _launch(self, context: Context, entry: Entry) -> Run:
        if entry.parent:
            return self.rerun(context, entry)
        job = self.job(self.asset_selection or ())
        tags = self._run_tags(context) | {KEY_TAG: entry.key}
        if self.partition_key is not None:
            tags |= self._partition_tags(self.partition_key)
        return self.launch(context, entry, graphql.launch_run(job, self.run_config or {}, tags))

    def _partition_tags(self, key: str) -> dict[str, str]:
        if self.hook.run(graphql.get_job_facts(self.job())).is_partitioned:
            if key in _NO_PARTITION:
                raise _no_partition_key(f"Job {self.job_name!r} is partitioned")
            return {PARTITION_TAG: key}
        self.log.info("Job %s is not partitioned: the partition key %s only becomes a tag", self.job_name, key)
        return {} if key in _NO_PARTITION else {"airflow/partition_key": key}

    def _run_tags(self, context: Context) -> dict[str, str]:
        tags = {key: str(value) for key, value in (self.tags or {}).items()}
        reserved = sorted(key for key in tags if key.startswith(_OWN_TAGS))
        if reserved:
            raise errors.DagsterRequestInvalidError(
                f"Tags {', '.join(reserved)} are the bridge's own; choose names without the prefix {_OWN_TAGS!r}."
            )
        if tags.get(PARTITION_TAG) in _NO_PARTITION:
            # An absent partition key renders as "None", which Dagster would take for a name.
            raise _no_partition_key(f"Tag {PARTITION_TAG} is empty")
        ti = context["ti"]
        promised = retries_left(ti) if self.promised_retries is None else self.promised_retries
        tags |= {
            "airflow/dag_id": ti.dag_id,
            "airflow/run_id": ti.run_id,
            "airflow/task_id": ti.task_id,
            TRY_TAG: str(ti.try_number),
            RETRIES_LEFT_TAG: str(promised),
        }
        if ti.map_index is not None and ti.map_index >= 0:
            tags["airflow/map_index"] = str(ti.map_index)
        return tags


class DagsterOutcomeOperator(DagsterRunOperator):
    """Waits for the run that task `launch_task_id` of the same DAG run has launched, and answers for it.

    Fails as `DagsterJobOperator` does; a retry runs again what failed, a time-out and mark-failed cancel the run.
    """

    template_fields: Sequence[str] = ("job_name", "location", "repository")

    def __init__(self, *, launch_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.launch_task_id = launch_task_id

    def execute(self, context: Context) -> str:
        """Go on with an earlier try's repetition, or with the launched run; repeat what failed there."""
        entry = self.ledger(context).read()
        runs = self.hook.run(graphql.find_runs({KEY_TAG: entry.key})) if entry else []
        decision = decide(entry, epoch_of(context["ti"]), runs)
        if isinstance(decision, Adopt):
            return self.wait(context, decision.run)
        if isinstance(decision, Replace):
            return self.wait_for_the_end_of(context, decision.run)
        if decision.entry.parent:
            return self.wait(context, self.rerun(context, decision.entry))
        return self.wait(context, self.relaunch(context))

    def relaunch(self, context: Context) -> Run:
        """Return the launched run, or a repetition of what failed in it."""
        self.ledger(context).forget()
        return self._launched(context)

    def problem(self, outcome: Outcome, named: str, url: str) -> errors.DagsterBridgeError | None:
        """Let Airflow retry a failed run only: nothing else would end otherwise without a new launch."""
        problem = super().problem(outcome, named, url)
        if problem and outcome.status != "FAILURE":
            raise AirflowFailException(f"{problem} Clear {self.launch_task_id!r} for a new run.") from problem
        return problem

    def _launched(self, context: Context) -> Run:
        ti = context["ti"]
        run_id = ti.xcom_pull(task_ids=self.launch_task_id)
        if not run_id:
            raise errors.DagsterRequestInvalidError(
                f"Task {self.launch_task_id!r} has launched no Dagster run in this DAG run; clear it to launch one."
            )
        run = self.hook.run(graphql.get_run(run_id))
        # The first try reports the failure; whoever comes after it wants it repaired.
        if run.status == "FAILURE" and int(ti.try_number) > 1 and self.retry_from_failure:
            return self.rerun(context, self.new_entry(context, run.run_id))
        return run


def _no_partition_key(problem: str) -> errors.DagsterRequestInvalidError:
    return errors.DagsterRequestInvalidError(f"{problem}, but this Airflow run has no partition key.")
