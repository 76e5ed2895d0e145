"""One Airflow task instance without Airflow: its counters, its store and its XComs over tries and clears."""

from types import SimpleNamespace

import airflow.sdk.execution_time.context
import pytest
from airflow_bridge.launch import LaunchLedger
from airflow_bridge.operators import DagsterJobOperator

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # before Airflow 3.2
    from airflow.exceptions import TaskDeferred

# A store that outlives the tries came with Airflow 3.3.
HAS_STORE = hasattr(airflow.sdk.execution_time.context, "NEVER_EXPIRE")

FAILURE = [
    {
        "__typename": "AssetMaterializationPlannedEvent",
        "stepKey": "raw__events",
        "assetKey": {"path": ["raw", "events"]},
    },
    {
        "__typename": "ExecutionStepFailureEvent",
        "stepKey": "raw__events",
        "error": {"message": "wrapped", "causes": [{"message": "ValueError: no topic\nmore"}]},
    },
]
FAILED_CHECK = {
    "__typename": "AssetCheckEvaluationEvent",
    "evaluation": {
        "checkName": "i1",
        "success": False,
        "severity": "ERROR",
        "description": "3 events lost",
        "assetKey": {"path": ["ops", "ledger"]},
    },
}


class MemoryStore(dict):
    """A FAKE of Airflow's task_state_store."""

    def set(self, key, value, *, retention):
        self[key] = value

    def delete(self, key):
        self.pop(key, None)


class Task:
    """One Airflow task instance: its store and XComs outlive the tries, the operator does not."""

    operator = DagsterJobOperator
    has_store = HAS_STORE

    def __init__(self, **options):
        self.options = {"task_id": "ingest", "job_name": "ingest", "poll_interval": 0.01, "retries": 2, **options}
        self.store = MemoryStore()
        self.xcoms = {}
        self.pulled = {}
        self.state = "running"
        self.try_number = 0
        self.max_tries = self.options["retries"]

    def next_try(self):
        self.try_number += 1
        return self.operator(**self.options)

    def clear(self):
        """What Airflow does to the counters when somebody clears the task."""
        self.max_tries = self.try_number + self.options["retries"]

    @property
    def key(self):
        return LaunchLedger(self.store, None).read().key

    @property
    def context(self):
        ti = SimpleNamespace(
            dag_id="shop_pipeline",
            run_id="manual__1",
            task_id=self.options["task_id"],
            map_index=-1,
            try_number=self.try_number,
            max_tries=self.max_tries,
            xcom_pull=lambda *, task_ids: self.pulled.get(task_ids),
            get_task_states=lambda *, dag_id, task_ids, run_ids: {run_ids[0]: {task_ids[0]: self.state}},
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
        )
        return {"ti": ti} | ({"task_state_store": self.store} if self.has_store else {})

    def start(self):
        """Execute a new try up to its deferral; return the operator and the trigger."""
        operator = self.next_try()
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(self.context)
        assert deferred.value.method_name == "execute_complete"
        return operator, deferred.value.trigger

    def resume(self, run, status=None, message=""):
        """Resume in a new process, as Airflow does: with a new operator object."""
        event = {"run_id": run.run_id, "status": status or run.status, "message": message}
        return self.operator(**self.options).execute_complete(self.context, event)
