"""The Airflow DAG of the shop: ingest, staging, intermediate, marts, checks; the work itself is one Dagster run.

Every asset is a task that waits, without a worker, for its own success; `asset_graph.json` says which there are.

Settings (environment of the scheduler, DAG processor and workers, read when the file is parsed):
SHOP_AIRFLOW_SCHEDULE  cron expression or preset, "none" for manual runs only; default @hourly
SHOP_AIRFLOW_LOCATION  Dagster's code location; default: that of the graph
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG, TaskGroup
from airflow_bridge.asset_graph import read_graph
from airflow_bridge.operators import DagsterJobOperator
from airflow_bridge.pipeline import watched_job

schedule = os.environ.get("SHOP_AIRFLOW_SCHEDULE", "@hourly").strip()
graph = read_graph(Path(__file__).with_name("asset_graph.json"))
location = os.environ.get("SHOP_AIRFLOW_LOCATION", graph.location)

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
    },
    tags=["shop", "dagster"],
) as dag:
    checks = TaskGroup("checks")
    pipeline = watched_job(
        replace(graph, location=location),
        group_ids={"raw": "ingest", "staging": "staging", "intermediate": "intermediate", "marts": "marts"},
        report=["marts"],
        outcome_group=checks,
        # Dagster calls a run with failed checks a success.
        outcome_options={"fail_on_failed_checks": True, "poll_interval": 2.0},
    )
    verify = DagsterJobOperator(
        task_id="verify",
        task_group=checks,
        job_name="verify",
        location=location,
        poll_interval=2.0,
        fail_on_failed_checks=True,
    )
    [pipeline.outcome, *pipeline.last_watchers()] >> verify
