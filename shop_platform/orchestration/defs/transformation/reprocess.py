"""Build chosen business days again, beside live ingestion: one partition per day, a range of days in one run."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import orjson

from shop_platform.events.registry import TOPICS
from shop_platform.orchestration import names
from shop_platform.orchestration.dagster_dbt_light import DagsterDbtCliRuntimeError, get_asset_check_key_for_test
from shop_platform.orchestration.dbt_build import compiled_sql, dbt_command, exported, new_run_folder
from shop_platform.orchestration.defs.transformation.assets import build_again, lineage_metadata, readable
from shop_platform.orchestration.defs.transformation.translator import ShopTranslator
from shop_platform.orchestration.lineage import ColumnLineage
from shop_platform.orchestration.offenders import Offenders
from shop_platform.settings import Settings
from shop_platform.warehouse.locks import LockLostError, transform_lock

# Dagster is pinned, so that its beta may not change unseen; every process of it would begin its log with the warning.
warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)


def reprocessed_days(shop_tz: str) -> dg.DailyPartitionsDefinition:
    """Return the business days of the shop, today included."""
    return dg.DailyPartitionsDefinition(start_date=names.FIRST_DAY, timezone=shop_tz, end_offset=1)


def build_reprocessing(manifest: Mapping[str, Any], shop_tz: str, lineage: ColumnLineage) -> dg.AssetsDefinition:
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
        offenders = Offenders(settings, manifest["nodes"])
        with exported(settings, told_dbt), transform_lock(settings) as lock, offenders:
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
                failed = None
            except LockLostError as error:
                raise build_again() from error
            except DagsterDbtCliRuntimeError as error:
                failed = error
            found = list(events_of(manifest, invocation.target_path, f"Built again: {told}.", lineage, offenders))
            for each in found:
                context.log_event(each)
            if failed is not None:
                raise readable(invocation, failed, offenders.told) from failed
        built = sum(isinstance(each, dg.AssetMaterialization) for each in found)
        lineage.keep()
        return dg.MaterializeResult(metadata={"days": told, "models": built})

    return reprocess_days


def events_of(
    manifest: Mapping[str, Any], target: Path, told: str, lineage: ColumnLineage, offenders: Offenders
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Yield what dbt built and tested, as ``run_results.json`` in ``target`` has it: models first.

    Without the results, Dagster would show every check of a model that was built again as not evaluated.
    """
    try:
        results = orjson.loads((target / "run_results.json").read_bytes())["results"]
    except (OSError, orjson.JSONDecodeError):
        return  # dbt gave up before it ran a node
    translator = ShopTranslator()
    for result in results:
        unique_id = result["unique_id"]
        if unique_id.startswith("model.") and result["status"] == "success":
            node = manifest["nodes"][unique_id]
            columns = lineage_metadata(lineage.of(unique_id, compiled_sql(target, node)))
            yield dg.AssetMaterialization(translator.get_asset_key(node), description=told, metadata=columns)
    for result in results:
        unique_id = result["unique_id"]
        key = None
        if unique_id.startswith("test.") and result["status"] != "skipped":
            key = get_asset_check_key_for_test(manifest, translator, unique_id, project=None)
        if key is None:
            continue
        passed = result["status"] == "pass"
        compiled = compiled_sql(target, manifest["nodes"][unique_id])
        yield dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN if result["status"] == "warn" else dg.AssetCheckSeverity.ERROR,
            description=None if passed else offenders.reason(unique_id, compiled, result["failures"]),
        )
