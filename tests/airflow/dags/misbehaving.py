"""Airflow DAGs whose Dagster jobs, or whose own workers, do not do what they should."""

from datetime import timedelta

from airflow.sdk import DAG, get_current_context
from airflow_bridge.operators import DagsterJobOperator


class DiesAfterLaunchOperator(DagsterJobOperator):
    """Loses its first worker between the launch and the wait."""

    def defer(self, **kwargs):
        if get_current_context()["ti"].try_number == 1:
            raise RuntimeError("this worker is lost")
        super().defer(**kwargs)


options = {"location": "shop_platform", "poll_interval": 0.5}

with DAG("misbehaving", schedule=None, default_args=options):
    DagsterJobOperator(task_id="broken", job_name="broken")
    DagsterJobOperator(task_id="lost", job_name="verify", tags={"test/lost": "3"}, fail_on_failed_checks=True)
    DagsterJobOperator(task_id="misspelt", job_name="ingets")
    DagsterJobOperator(
        task_id="too_slow",
        job_name="slow",
        tags={"test/seconds": "300"},
        execution_timeout=timedelta(seconds=10),
    )

with DAG("lost_worker", schedule=None, default_args=options):
    DiesAfterLaunchOperator(
        task_id="adopt",
        job_name="slow",
        tags={"test/seconds": "15"},
        retries=1,
        retry_delay=timedelta(seconds=0),
    )
