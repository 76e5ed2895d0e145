"""The asset jobs and the daily schedule."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.defs.ingestion.assets import raw_tables
from shop_platform.orchestration.defs.ingestion.checks import ledger_checks, reconciliation_check
from shop_platform.orchestration.defs.transformation.assets import OP_NAME

DAILY_AT = "0 5 * * *"

# One process per run: starting a process per step costs more than all of our steps but one.
_EXECUTOR = dg.in_process_executor


def build_jobs(dbt_models: dg.AssetsDefinition) -> list[dg.UnresolvedAssetJobDefinition]:
    """Return every asset job."""
    raw = dg.AssetSelection.assets(raw_tables).without_checks()
    ledger = dg.AssetSelection.checks(ledger_checks)
    # The reconciliation reads every id there is: once per full run, not with every handful of messages.
    everything = raw | ledger | dg.AssetSelection.checks(reconciliation_check) | dg.AssetSelection.assets(dbt_models)
    return [
        dg.define_asset_job(
            names.JOB_INGEST,
            raw | ledger,
            description="Brings every raw table up to the end of its topic.",
            executor_def=_EXECUTOR,
        ),
        dg.define_asset_job(
            names.JOB_TRANSFORM,
            dg.AssetSelection.assets(dbt_models),
            description="Builds and tests every dbt model from the new raw rows.",
            executor_def=_EXECUTOR,
        ),
        dg.define_asset_job(
            names.JOB_FULL_PIPELINE,
            everything,
            description="Ingestion, transformation and every check, in this order, in one run.",
            executor_def=_EXECUTOR,
        ),
        dg.define_asset_job(
            names.JOB_DAILY,
            everything,
            description="The full pipeline with row counts and column lineage.",
            executor_def=_EXECUTOR,
            config={"ops": {OP_NAME: {"config": {"column_metadata": True}}}},
        ),
    ]


def build_daily_schedule(daily: dg.UnresolvedAssetJobDefinition, shop_tz: str) -> dg.ScheduleDefinition:
    """Return the schedule of the daily job: five in the morning by the shop's clock, before anybody looks."""
    return dg.ScheduleDefinition(
        name="daily_at_five",
        job=daily,
        cron_schedule=DAILY_AT,
        execution_timezone=shop_tz,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
