"""The Airflow DAG of the shop's day: the Dagster job `reprocess`, one partition per business day.

Every morning it builds yesterday again from raw, and whatever is new; a backfill in Airflow asks for one run per day,
and each becomes the Dagster partition of that day. Nothing needs it (late events restate their day by themselves), so
the DAG is paused until somebody wants it.

Settings: SHOP_AIRFLOW_LOCATION as in shop_pipeline; SHOP_SHOP_TZ, the shop's time zone (default Europe/Berlin).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronPartitionTimetable
from airflow_bridge.operators import DagsterJobOperator

with DAG(
    dag_id="shop_daily",
    description="Yesterday's business day, once it is over: built again from raw and tested.",
    doc_md=__doc__,
    # At half past five, after Dagster's own daily run; the partition is the day before.
    schedule=CronPartitionTimetable(
        "30 5 * * *",
        timezone=os.environ.get("SHOP_SHOP_TZ", "Europe/Berlin"),
        run_offset=-1,
        key_format="%Y-%m-%d",
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(hours=2)},
    tags=["shop", "dagster"],
) as dag:
    DagsterJobOperator(
        task_id="reprocess",
        job_name="reprocess",
        location=os.environ.get("SHOP_AIRFLOW_LOCATION", "warehouse"),
        partition_key="{{ dag_run.partition_key }}",
        poll_interval=2.0,
    )
