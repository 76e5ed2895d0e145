"""The plugin by which Airflow's processes load the bridge's listener."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from airflow_bridge import marks


class DagsterBridgePlugin(AirflowPlugin):
    """Only listens; see `airflow_bridge.marks`."""

    name = "airflow_bridge"
    listeners: ClassVar[list[Any]] = [marks]
