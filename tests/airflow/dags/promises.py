"""Airflow DAGs whose Dagster jobs, or whose own workers, do not do what they should."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, CronPartitionTimetable, get_current_context, task
from airflow_bridge.asset_graph import read_graph
from airflow_bridge.assets import dagster_asset
from airflow_bridge.operators import DagsterJobOperator
from airflow_bridge.pipeline import watched_job

LOCATION = "tiny"
options = {
    "dagster_conn_id": "dagster_tiny",
    "location": LOCATION,
    "poll_interval": 0.5,
    "retry_delay": timedelta(seconds=1),
}


class DiesAfterLaunchOperator(DagsterJobOperator):
    """Its first worker is killed between the launch and the wait."""

    def defer(self, **kwargs):
        if get_current_context()["ti"].try_number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        super().defer(**kwargs)


with DAG("killed_worker", schedule=None, default_args=options):
    DiesAfterLaunchOperator(task_id="adopt", job_name="slow", tags={"test/hold": "killed"}, retries=1)

with DAG("mark_failed", schedule=None, default_args=options):
    DagsterJobOperator(task_id="wait", job_name="slow", tags={"test/hold": "marked"})

# Ten minutes of patience, of which the test needs seconds; the second task has too little.
with DAG("outage", schedule=None, default_args=options):
    DagsterJobOperator(task_id="patient", job_name="slow", tags={"test/hold": "outage"})
    DagsterJobOperator(task_id="impatient", job_name="slow", tags={"test/hold": "outage"}, poll_error_tolerance=1.0)

with DAG("misbehaving", schedule=None, default_args=options):
    DagsterJobOperator(task_id="lost", job_name="verify", fail_on_failed_checks=True)
    DagsterJobOperator(task_id="misspelt", job_name="sholw")
    DagsterJobOperator(
        task_id="too_slow", job_name="slow", tags={"test/hold": "too_slow"}, execution_timeout=timedelta(seconds=8)
    )

with DAG("watched", schedule=None, max_active_runs=1, default_args={"retry_delay": timedelta(seconds=2)}):
    watched_job(
        read_graph(Path(__file__).with_name("tiny_graph.json")),
        retries=1,
        report=["marts"],
        dagster_conn_id="dagster_tiny",
        outcome_options={"poll_interval": 0.5},
    )

with DAG("another_team", schedule=[dagster_asset("marts/first", LOCATION)]):

    @task
    def react(triggering_asset_events=None):
        """Return the Dagster runs that made the asset."""
        return [event.extra["dagster_run_id"] for events in triggering_asset_events.values() for event in events]

    react()

with DAG(
    "days",
    schedule=CronPartitionTimetable("0 5 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=options,
):
    DagsterJobOperator(task_id="day", job_name="days", partition_key="{{ dag_run.partition_key }}")
