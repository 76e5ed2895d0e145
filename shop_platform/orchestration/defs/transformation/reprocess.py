"""Build chosen business days again, beside live ingestion: one partition per day, a range of days in one run."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from shop_platform.events.registry import TOPICS
from shop_platform.orchestration import names
from shop_platform.orchestration.dagster_dbt_light import DagsterDbtCliRuntimeError
from shop_platform.orchestration.dbt_build import dbt_command, exported, new_run_folder
from shop_platform.orchestration.defs.transformation.assets import build_again, readable
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator
from shop_platform.settings import Settings
from shop_platform.warehouse.locks import LockLostError, transform_lock

# Dagster is pinned, so that its beta may not change unseen; every process of it would begin its log with the warning.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)


def reprocessed_days(shop_tz: str) -> dg.DailyPartitionsDefinition:
    """Return the business days of the shop, today included."""
    return dg.DailyPartitionsDefinition(start_date=names.FIRST_DAY, timezone=shop_tz, end_offset=1)


def build_reprocessing(manifest: Mapping[str, Any], shop_tz: str) -> dg.AssetsDefinition:
    """Return the asset whose partitions are days that were built again.

    An asset of its own instead of partitioned models: the models follow the events by transaction, whatever day those
    belong to, and a partition could be asked for every minute.
    """

    @dg.asset(
        key=names.REPROCESSED_KEY,
        deps=[names.raw_key(topic.subject) for topic in TOPICS],
        partitions_def=reprocessed_days(shop_tz),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=names.GROUP_OPERATIONS,
        owners=[names.TEAM_PLATFORM],
        kinds={"dbt", "postgres"},
        pool=names.POOL_DBT,
        description="Business days that somebody had built again from raw: every fact with an event of the day, every"
        " roll-up of it, and whatever is new. Safe at any time; days before the retention of raw are refused.",
    )
    def reprocess_days(
        context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult[None]:
        days = context.partition_key_range
        told = days.start if days.start == days.end else f"{days.start} to {days.end}"
        # Not by --vars: dbt would parse the whole project again, which takes longer than many a day takes to build.
        told_dbt = {"SHOP_REPROCESS_FROM": days.start, "SHOP_REPROCESS_TO": days.end}
        with exported(settings, told_dbt), transform_lock(settings) as lock:
            invocation = dbt_command(with_adapter=False).cli(
                ["build", "--exclude-resource-type", "unit_test"],
                manifest=manifest,
                target_path=new_run_folder(settings, context.run.run_id),
            )
            try:
                with lock.guarding(invocation.process.terminate):
                    for event in invocation.stream_raw_events():
                        if event.raw_event["info"]["name"] == "LogModelResult":
                            context.log.info(str(event))
            except LockLostError as error:
                raise build_again() from error
            except DagsterDbtCliRuntimeError as error:
                raise readable(invocation, error) from error
        built = built_models(invocation.get_artifact("run_results.json"))
        keys = [ShopTranslator().get_asset_key(manifest["nodes"][model]) for model in built]
        for key in keys:
            context.log_event(dg.AssetMaterialization(key, description=f"Built again: {told}."))
        return dg.MaterializeResult(metadata={"days": told, "models": len(keys)})

    return reprocess_days


def built_models(run_results: Mapping[str, Any]) -> list[str]:
    """Return the unique ids of the models that dbt built."""
    return [
        result["unique_id"]
        for result in run_results["results"]
        if result["unique_id"].startswith("model.") and result["status"] == "success"
    ]
