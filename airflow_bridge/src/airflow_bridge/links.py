"""The buttons in Airflow's UI that open Dagster's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.bases.xcom import BaseXCom

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey


class DagsterRunLink(BaseOperatorLink):
    """The button that opens the run in Dagster's UI; its address is stored as an XCom at launch."""

    name = "Dagster run"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address that was stored, or nothing before it."""
        return BaseXCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""
