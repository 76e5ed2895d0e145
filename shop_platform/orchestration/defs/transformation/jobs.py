"""The jobs that build models, and their schedules."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.defs import schedules
from shop_platform.orchestration.defs.transformation.all_topics import all_topics
from shop_platform.orchestration.defs.transformation.assets import OP_NAME

# By the shop's clock. Half an hour after midnight the business day is over and most of its late events are there; five
# in the morning is before anybody looks.
NIGHTLY_AT = "30 0 * * *"
DAILY_AT = "0 5 * * *"

# One process per run: starting a process per step costs more than all of our steps but one.
_EXECUTOR = dg.in_process_executor


def build_jobs(
    dbt_models: dg.AssetsDefinition,
    nightly: Sequence[dg.AssetKey],
    hot_checks: dg.AssetChecksDefinition,
    reprocessing: dg.AssetsDefinition,
) -> list[dg.UnresolvedAssetJobDefinition]:
    """Return every asset job.

    ``nightly`` are the models that wait for the night; ``hot_checks`` run once a day, the refresher tells them itself.
    """
    everything = dg.AssetSelection.assets(all_topics, dbt_models)
    by_night = dg.AssetSelection.assets(*nightly)
    with_metadata = {"ops": {OP_NAME: {"config": {"column_metadata": True}}}}
    return [
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
            (everything - by_night) | dg.AssetSelection.checks(hot_checks),
            description="The full pipeline but for the nightly roll-ups, with row counts and column types.",
            executor_def=_EXECUTOR,
            config=with_metadata,
        ),
        dg.define_asset_job(
            names.JOB_NIGHTLY,
            by_night,
            description="The slow roll-ups over the whole history, once the business day is over.",
            executor_def=_EXECUTOR,
            config=with_metadata,
        ),
        dg.define_asset_job(
            names.JOB_REPROCESS,
            dg.AssetSelection.assets(reprocessing),
            description="Builds business days again from raw, and whatever is new; one partition per day.",
            executor_def=_EXECUTOR,
        ),
    ]


def build_schedules(jobs: Sequence[dg.UnresolvedAssetJobDefinition], shop_tz: str) -> list[dg.ScheduleDefinition]:
    """Return the schedules of those of ``jobs`` that have one, in the time zone ``shop_tz``."""
    table = [
        ("daily_at_five", names.JOB_DAILY, DAILY_AT),
        ("nightly_after_midnight", names.JOB_NIGHTLY, NIGHTLY_AT),
    ]
    return schedules.build(jobs, shop_tz, table)
