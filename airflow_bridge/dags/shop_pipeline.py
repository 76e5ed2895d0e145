"""The Airflow DAG of the shop: ingest, then transform, then verify; the work itself is Dagster's.

Settings (environment of the scheduler, DAG processor and workers, read when the file is parsed):
SHOP_AIRFLOW_SCHEDULE  cron expression or preset, "none" for manual runs only; default @hourly
SHOP_AIRFLOW_LOCATION  Dagster's code location; default shop_platform
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, chain
from airflow_bridge.operators import DagsterJobOperator

schedule = os.environ.get("SHOP_AIRFLOW_SCHEDULE", "@hourly").strip()
location = os.environ.get("SHOP_AIRFLOW_LOCATION", "shop_platform")

with DAG(
    dag_id="shop_pipeline",
    description="Kafka to raw tables, raw tables to marts, and proof that nothing was lost.",
    doc_md=__doc__,
    schedule=None if schedule.lower() in ("", "none") else schedule,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=2),
        "location": location,
        "poll_interval": 2.0,
    },
    tags=["shop", "dagster"],
) as dag:
    chain(
        DagsterJobOperator(task_id="ingest", job_name="ingest"),
        DagsterJobOperator(task_id="transform", job_name="transform"),
        # Dagster calls a run with failed checks a success; for a verification it is none.
        DagsterJobOperator(task_id="verify", job_name="verify", fail_on_failed_checks=True),
    )
