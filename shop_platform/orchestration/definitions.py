"""The code location `shop_platform`: one connected lineage from Kafka topics to the screens."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration.defs.ingestion.assets import ledger_asset, raw_tables, topic_assets
from shop_platform.orchestration.defs.ingestion.checks import ledger_checks, reconciliation_check
from shop_platform.orchestration.defs.ingestion.drift_checks import drift_checks
from shop_platform.orchestration.defs.ingestion.sensors import ingest_on_lag
from shop_platform.orchestration.defs.operations.alert import build_alert_sensor
from shop_platform.orchestration.defs.operations.exposures import exposure_assets
from shop_platform.orchestration.defs.operations.jobs import build_jobs, build_schedules
from shop_platform.orchestration.defs.operations.orphans import end_orphaned_runs
from shop_platform.orchestration.defs.operations.run_status import record_run_status
from shop_platform.orchestration.defs.operations.verify import verify_job
from shop_platform.orchestration.defs.transformation.assets import (
    build_dbt_assets,
    load_manifest,
    mart_relations,
    nightly_keys,
)
from shop_platform.orchestration.defs.transformation.hot import build_hot_checks, hot_models
from shop_platform.orchestration.defs.transformation.reprocess import build_reprocessing
from shop_platform.orchestration.defs.transformation.sensors import build_transform_sensor, interval_seconds
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator
from shop_platform.orchestration.freshness import LAYERS
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.orchestration.orphans import end_with_code_server
from shop_platform.settings import Settings, get_settings


def build(settings: Settings) -> dg.Definitions:
    """Return the whole code location for ``settings``; parses the dbt project when its manifest is out of date."""
    manifest = load_manifest(ensure_manifest(settings))
    screens = exposure_assets(manifest, ShopTranslator())
    dbt_models = build_dbt_assets(manifest, screens)
    nightly = nightly_keys(manifest)
    hot_checks = build_hot_checks(hot_models(manifest))
    reprocessing = build_reprocessing(manifest, settings.shop_tz)
    jobs = build_jobs(dbt_models, nightly, hot_checks, reprocessing)
    return dg.Definitions(
        assets=[*topic_assets, raw_tables, ledger_asset, dbt_models, reprocessing, *screens],
        asset_checks=[ledger_checks, drift_checks, reconciliation_check, hot_checks],
        jobs=[*jobs, verify_job],
        schedules=build_schedules(jobs, settings.shop_tz),
        sensors=[
            ingest_on_lag,
            build_transform_sensor(
                mart_relations(manifest, nightly=False),
                interval_seconds=interval_seconds(),
                nightly=mart_relations(manifest, nightly=True),
                by_day=sorted(dbt_models.keys - set(nightly)),
            ),
            record_run_status,
            build_alert_sensor(LAYERS),
            end_orphaned_runs,
        ],
        resources={"settings": settings},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Build the code location from this process's settings."""
    end_with_code_server()
    return build(get_settings())
