"""The code location `warehouse`: everything dbt makes of the raw tables, up to the screens, and the proofs."""

from __future__ import annotations

import dagster as dg

from shop_platform.orchestration.defs.transformation.all_topics import all_topics
from shop_platform.orchestration.defs.transformation.assets import (
    build_dbt_assets,
    load_manifest,
    mart_relations,
    nightly_keys,
)
from shop_platform.orchestration.defs.transformation.exposures import exposure_assets
from shop_platform.orchestration.defs.transformation.hot import build_hot_checks, hot_models
from shop_platform.orchestration.defs.transformation.jobs import build_jobs, build_schedules
from shop_platform.orchestration.defs.transformation.reprocess import build_reprocessing
from shop_platform.orchestration.defs.transformation.sensors import build_transform_sensor, interval_seconds
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator
from shop_platform.orchestration.defs.transformation.verify import verify_job
from shop_platform.orchestration.lineage import ColumnLineage
from shop_platform.orchestration.manifest import ensure_manifest, lineage_file
from shop_platform.orchestration.orphans import end_with_code_server
from shop_platform.settings import Settings, get_settings


def build(settings: Settings) -> dg.Definitions:
    """Return the code location for ``settings``; parses the dbt project when its manifest is out of date."""
    manifest = load_manifest(ensure_manifest(settings))
    screens = exposure_assets(manifest, ShopTranslator())
    lineage = ColumnLineage(manifest["nodes"], manifest["sources"], lineage_file(settings))
    dbt_models = build_dbt_assets(manifest, screens, lineage)
    nightly = nightly_keys(manifest)
    hot_checks = build_hot_checks(hot_models(manifest))
    reprocessing = build_reprocessing(manifest, settings.shop_tz, lineage)
    jobs = build_jobs(dbt_models, nightly, hot_checks, reprocessing)
    sensor = build_transform_sensor(
        mart_relations(manifest, nightly=False),
        interval_seconds=interval_seconds(),
        nightly=mart_relations(manifest, nightly=True),
        by_day=sorted(dbt_models.keys - set(nightly)),
        checks=sorted({*dbt_models.check_keys, *hot_checks.check_keys}, key=str),
    )
    return dg.Definitions(
        assets=[all_topics, dbt_models, reprocessing, *screens],
        asset_checks=[hot_checks],
        jobs=[*jobs, verify_job],
        schedules=build_schedules(jobs, settings.shop_tz),
        sensors=[sensor],
        resources={"settings": settings},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Build the code location from this process's settings."""
    end_with_code_server()
    return build(get_settings())
