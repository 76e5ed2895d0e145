"""The code location `ingestion`: topics, raw tables, their checks, and what watches over every run. It needs no dbt."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration.defs.ingestion.assets import ledger_asset, raw_tables, topic_assets
from shop_platform.orchestration.defs.ingestion.checks import ledger_checks, reconciliation_check
from shop_platform.orchestration.defs.ingestion.drift_checks import drift_checks
from shop_platform.orchestration.defs.ingestion.jobs import build_ingestion_schedules, ingestion_jobs
from shop_platform.orchestration.defs.ingestion.sensors import ingest_on_lag
from shop_platform.orchestration.defs.operations.freshness import build_freshness_sensor
from shop_platform.orchestration.defs.operations.orphans import end_orphaned_runs
from shop_platform.orchestration.defs.operations.run_status import record_run_status
from shop_platform.orchestration.freshness import LAYERS
from shop_platform.orchestration.orphans import end_with_code_server
from shop_platform.settings import Settings, get_settings


def build(settings: Settings) -> dg.Definitions:
    """Return the code location for ``settings``."""
    return dg.Definitions(
        assets=[*topic_assets, raw_tables, ledger_asset],
        asset_checks=[ledger_checks, drift_checks, reconciliation_check],
        jobs=ingestion_jobs,
        schedules=build_ingestion_schedules(settings.shop_tz),
        sensors=[ingest_on_lag, record_run_status, build_freshness_sensor(LAYERS), end_orphaned_runs],
        resources={"settings": settings},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Build the code location from this process's settings."""
    end_with_code_server()
    return build(get_settings())
