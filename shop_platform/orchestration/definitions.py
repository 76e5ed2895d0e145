"""The code location `shop_platform`: one connected lineage from Kafka topics to the screens."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration.defs.ingestion.assets import ledger_asset, raw_tables, topic_assets
from shop_platform.orchestration.defs.ingestion.checks import ledger_checks, reconciliation_check
from shop_platform.orchestration.defs.ingestion.sensors import ingest_on_lag
from shop_platform.orchestration.defs.operations.exposures import exposure_assets
from shop_platform.orchestration.defs.operations.jobs import build_daily_schedule, build_jobs
from shop_platform.orchestration.defs.operations.run_status import record_run_status
from shop_platform.orchestration.defs.operations.verify import verify_job
from shop_platform.orchestration.defs.transformation.assets import build_dbt_assets, load_manifest, mart_relations
from shop_platform.orchestration.defs.transformation.sensors import build_transform_sensor, interval_seconds
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.settings import Settings, get_settings


def build(settings: Settings) -> dg.Definitions:
    """Return the whole code location for ``settings``; parses the dbt project when its manifest is out of date."""
    manifest = load_manifest(ensure_manifest(settings))
    screens = exposure_assets(manifest, ShopTranslator())
    dbt_models = build_dbt_assets(manifest, screens)
    jobs = build_jobs(dbt_models)
    return dg.Definitions(
        assets=[*topic_assets, raw_tables, ledger_asset, dbt_models, *screens],
        asset_checks=[ledger_checks, reconciliation_check],
        jobs=[*jobs, verify_job],
        schedules=[build_daily_schedule(jobs[-1], settings.shop_tz)],
        sensors=[
            ingest_on_lag,
            build_transform_sensor(mart_relations(manifest), interval_seconds=interval_seconds()),
            record_run_status,
        ],
        resources={"settings": settings},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Build the code location from this process's settings."""
    return build(get_settings())
