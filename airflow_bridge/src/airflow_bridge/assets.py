"""Airflow Assets of Dagster's: their names, and the task that reports which of them were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias, BaseOperator

from airflow_bridge.hook import DagsterHook

if TYPE_CHECKING:
    from airflow.sdk import Context


def dagster_asset(key: str, location: str) -> Asset:
    """Return the Airflow Asset of Dagster asset `key` ("marts/kpi_daily"): schedule a DAG on it.

    Its name is "marts.kpi_daily", its URI "x-dagster://<location>/marts/kpi_daily".
    """
    return Asset(name=key.replace("/", "."), uri=f"x-dagster://{location}/{key}")


class DagsterAssetEventsOperator(BaseOperator):
    """Emits an Airflow Asset event for each of `assets` that the run of `launch_task_id` made, repetitions included.

    An asset whose checks failed is not reported, one that was made in a run that failed elsewhere is. What task
    `besides` has reported of the same Dagster runs is left out. Returns the id of the Dagster run of each asset.
    """

    ui_color = "#e9e8ff"

    def __init__(
        self,
        *,
        assets: Sequence[str],
        location: str,
        launch_task_id: str,
        besides: str | None = None,
        dagster_conn_id: str = DagsterHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        self.alias = AssetAlias(f"dagster:{location}")
        super().__init__(outlets=[self.alias], **kwargs)
        self.assets = list(assets)
        self.location = location
        self.launch_task_id = launch_task_id
        self.besides = besides
        self.dagster_conn_id = dagster_conn_id

    def execute(self, context: Context) -> dict[str, str]:
        """Read the logs of the runs and report what they made."""
        hook, ti = DagsterHook(self.dagster_conn_id), context["ti"]
        tags = {"airflow/dag_id": ti.dag_id, "airflow/run_id": ti.run_id, "airflow/task_id": self.launch_task_id}
        board = hook.board(tags)
        reported = (ti.xcom_pull(task_ids=self.besides) if self.besides else None) or {}
        made = {}
        for key in self.assets:
            verdict = board.verdict(key)
            if not (verdict and verdict.is_success) or reported.get(key) == verdict.run_id:
                continue
            extra = {"dagster_run_id": verdict.run_id, "dagster_url": hook.endpoint.run_url(verdict.run_id)}
            context["outlet_events"][self.alias].add(dagster_asset(key, self.location), extra=extra)
            made[key] = verdict.run_id
        self.log.info("%d of %d assets are new: %s", len(made), len(self.assets), ", ".join(made))
        return made
