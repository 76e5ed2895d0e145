"""`DagsterJobOperator` launches a Dagster job once, and waits for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_bridge import errors, graphql
from airflow_bridge.graphql import PARTITION_TAG, Run
from airflow_bridge.launch import (
    KEY_TAG,
    RETRIES_LEFT_TAG,
    TRY_TAG,
    Entry,
    Launch,
    Replace,
    decide,
    epoch_of,
    marks_of,
    retries_left,
)
from airflow_bridge.links import DagsterRunLink
from airflow_bridge.outcome_operator import DagsterOutcomeOperator
from airflow_bridge.run_operator import DagsterRunOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["DagsterJobOperator", "DagsterOutcomeOperator", "DagsterRunLink"]

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
        ti = context["ti"]
        if self.wait_for_completion:
            self.claim(context, marks_of(ti))
        elif self.promised_retries is not None:
            launched = {"airflow/dag_id": ti.dag_id, "airflow/run_id": ti.run_id, "airflow/task_id": ti.task_id}
            self.claim(context, launched, dag_run_only=True)
        ledger = self.ledger(context)
        entry = ledger.read()
        runs = self.hook.run(graphql.find_runs({KEY_TAG: entry.key})) if entry else []
        if not self.wait_for_completion and runs and entry and entry.epoch == epoch_of(ti):
            return self.proceed(context, runs[0])  # launched by an earlier try: that was all
        decision = decide(entry, epoch_of(ti), runs, from_failure=self.retry_from_failure)
        if isinstance(decision, Launch):
            return self.proceed(context, self._launch(context, decision.entry))
        if isinstance(decision, Replace):
            return self.wait_for_the_end_of(context, decision.run)
        if self._is_a_seen_failure(context, decision.run):
            return self.proceed(context, self.relaunch(context))
        self.log.info("Adopting Dagster run %s (%s) of an earlier try", decision.run.run_id, decision.run.status)
        return self.proceed(context, decision.run)

    def _is_a_seen_failure(self, context: Context, run: Run) -> bool:
        """Whether an earlier try has failed over the checks of this successful run, without a store to note it in."""
        if run.status != "SUCCESS" or not self.fail_on_failed_checks:
            return False
        is_earlier = run.tags.get(TRY_TAG) != str(context["ti"].try_number)
        return is_earlier and bool(self.hook.collect_events(run.run_id).failed_checks)

    def relaunch(self, context: Context) -> Run:
        """Launch under a new key."""
        return self._launch(context, self.new_entry(context))

    def proceed(self, context: Context, run: Run) -> str:
        """Wait for the run, unless launching it was all that was asked for."""
        if self.wait_for_completion:
            return self.wait(context, run)
        self.begin(context, run)
        return run.run_id

    def _launch(self, context: Context, entry: Entry) -> Run:
        if entry.parent:
            return self.rerun(context, entry)
        job = self.job(self.asset_selection or ())
        tags = self._run_tags(context) | {KEY_TAG: entry.key}
        # Of a job that is not there Dagster says so here; of a selection of it, only that something went wrong.
        facts = self.hook.run(graphql.get_job_facts(job))
        if self.partition_key is not None:
            tags |= self._partition_tags(self.partition_key, is_partitioned=facts.is_partitioned)
        return self.launch(context, entry, graphql.launch_run(job, self.run_config or {}, tags))

    def _partition_tags(self, key: str, *, is_partitioned: bool) -> dict[str, str]:
        if is_partitioned:
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
        return tags | self.marks(context)


def _no_partition_key(problem: str) -> errors.DagsterRequestInvalidError:
    return errors.DagsterRequestInvalidError(f"{problem}, but this Airflow run has no partition key.")
