"""`DagsterOutcomeOperator` answers for a run that another task has launched, and repairs it when it is cleared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_bridge import errors, graphql
from airflow_bridge.errors import AirflowFailException
from airflow_bridge.graphql import Run
from airflow_bridge.launch import (
    KEY_TAG,
    RETRIES_LEFT_TAG,
    TRY_TAG,
    Adopt,
    Replace,
    decide,
    epoch_of,
    retries_left,
)
from airflow_bridge.polling import MISSING, Outcome
from airflow_bridge.progress import Board
from airflow_bridge.rebuild import some_again
from airflow_bridge.run_operator import DagsterRunOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class DagsterOutcomeOperator(DagsterRunOperator):
    """Waits for the run that task `launch_task_id` of the same DAG run has launched, and answers for it.

    Fails as `DagsterJobOperator` does; a retry runs again what failed, a time-out and mark-failed cancel the run.
    Cleared, it makes again what is missing, or whose checks failed; what cleared watchers have made meanwhile counts.
    """

    template_fields: Sequence[str] = ("job_name", "location", "repository")

    def __init__(self, *, launch_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.launch_task_id = launch_task_id
        self._is_mended = False

    def execute(self, context: Context) -> str:
        """Go on with an earlier try's repetition, or with the launched run; repeat what failed there."""
        self.claim(context, self._launch_tags(context))
        entry = self.ledger(context).read()
        runs = self.hook.run(graphql.find_runs({KEY_TAG: entry.key})) if entry else []
        decision = decide(entry, epoch_of(context["ti"]), runs)
        if isinstance(decision, Adopt):
            return self.wait(context, decision.run)
        if isinstance(decision, Replace):
            return self.wait_for_the_end_of(context, decision.run)
        if decision.entry.parent:
            return self.wait(context, self.rerun(context, decision.entry))
        return self.proceed(context, self.relaunch(context))

    def proceed(self, context: Context, run: Run) -> str:
        """Wait for the run, unless everything is there already."""
        if self._is_mended:
            self.show(context, run)
            self.log.info("Everything is there: what had failed has been made since")
            return run.run_id
        return self.wait(context, run)

    def relaunch(self, context: Context) -> Run:
        """Return the launched run, or a repetition of what is missing of it."""
        self.ledger(context).forget()
        root = self._launched(context)
        if int(context["ti"].try_number) == 1:
            return root  # the first try reports the failure; whoever comes after it wants it repaired
        board = self.board(context)
        newest = board.newest()
        if newest is None or board.root != root.run_id:
            return root
        if not newest.is_finished:
            return newest
        return self._repair(context, root, board)

    def problem(self, outcome: Outcome, named: str, url: str) -> errors.DagsterBridgeError | None:
        """Let Airflow retry a failed run only: nothing else would end otherwise without somebody's decision."""
        problem = super().problem(outcome, named, url)
        if problem and outcome.status != "FAILURE":
            advice = (
                f"Clear {self.launch_task_id!r} with its downstream tasks for a new run."
                if outcome.status == MISSING
                else f"Clear this task to make again what is missing, {self.launch_task_id!r} with its downstream"
                " tasks to make everything again."
            )
            raise AirflowFailException(f"{problem} {advice}") from problem
        return problem

    def board(self, context: Context) -> Board:
        """Return how far each asset has come in the launched run and in those that repeat parts of it."""
        return self.hook.board(self._launch_tags(context))

    def _launch_tags(self, context: Context) -> dict[str, str]:
        """Return the tags of the launched run and of all that repeat parts of it."""
        ti = context["ti"]
        return {"airflow/dag_id": ti.dag_id, "airflow/run_id": ti.run_id, "airflow/task_id": self.launch_task_id}

    def _repair(self, context: Context, root: Run, board: Board) -> Run:
        """Return a run that makes what is missing; note it when nothing is."""
        whole, newest = board.newest(partial=False) or root, board.newest() or root
        undone = board.undone(but_made=not self.fail_on_failed_checks)
        if not undone and (whole.status == "SUCCESS" or newest != whole):
            self._is_mended = True
            return newest
        if not self.retry_from_failure:
            return whole
        if whole.status == "FAILURE" and (not undone or any(board.is_unmade(key) for key in undone)):
            return self.rerun(context, self.new_entry(context, whole.run_id))
        if not undone:
            return whole
        ti, entry = context["ti"], self.new_entry(context)
        own = {KEY_TAG: entry.key, TRY_TAG: str(ti.try_number), RETRIES_LEFT_TAG: str(retries_left(ti))}
        origin = self.hook.run(graphql.get_origin(root.run_id))
        return self.launch(context, entry, some_again(origin, root.run_id, undone, own | self.marks(context)))

    def _launched(self, context: Context) -> Run:
        run_id = context["ti"].xcom_pull(task_ids=self.launch_task_id)
        if not run_id:
            raise errors.DagsterRequestInvalidError(
                f"Task {self.launch_task_id!r} has launched no Dagster run in this DAG run; clear it to launch one."
            )
        return self.hook.run(graphql.get_run(run_id))
