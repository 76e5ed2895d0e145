"""Start the transformation when committed raw rows lie beyond what the marts were built from."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import dagster as dg

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.check_states import owed
from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.run_requests import in_flight, retry_window
from shop_platform.orchestration.watermark import Watermark, read_watermark
from shop_platform.refresh.attempts import alive
from shop_platform.settings import Settings

INTERVAL_VARIABLE = "SHOP_TRANSFORM_INTERVAL_SECONDS"
_DEFAULT_INTERVAL_SECONDS = 30
# While a refresher keeps the hot marts, a whole build only brings the others up to date, and holds the hot ones up.
BESIDE_REFRESHER_SECONDS = 600


def interval_seconds() -> int:
    """Return the least time between two transformations; raise :class:`ShopError` when the variable is no number."""
    text = os.environ.get(INTERVAL_VARIABLE, str(_DEFAULT_INTERVAL_SECONDS))
    if not text.isdecimal() or int(text) == 0:
        raise ShopError(f"{INTERVAL_VARIABLE}={text!r} is not a number of seconds", "Set it to 30, or leave it out.")
    return int(text)


def build_transform_sensor(
    marts: Sequence[str],
    *,
    interval_seconds: int,
    nightly: Sequence[str] = (),
    by_day: Sequence[dg.AssetKey] | None = None,
    checks: Sequence[dg.AssetCheckKey] = (),
) -> dg.SensorDefinition:
    """Return the sensor; ``marts`` are the relations whose watermarks count, and one run starts per interval.

    A run builds the assets ``by_day`` (``None``: all), and all of them while a relation of ``nightly`` was never built:
    nobody should wait for the first night. What a person took back or landed again is wrong on screens until it is
    built: then a run builds all of them at once, those of the night too, whoever keeps the hot ones. One also starts
    when a run that broke off has left any of ``checks`` without a result; they stay like that until they are run again,
    and rows may be long in coming.
    """

    @dg.sensor(
        name="transform_on_watermark",
        job_name=names.JOB_TRANSFORM,
        minimum_interval_seconds=sensor_interval(interval_seconds),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts `transform` when raw rows are committed that some mart has not been built from, when a"
        " run that broke off has left checks without a result, and, with every mart, when events were taken back.",
    )
    def transform_on_watermark(
        context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]
    ) -> dg.RunRequest | dg.SkipReason:
        # First the runs, then the watermark: the other way round, a run that ends in between would be missed and
        # its rows asked for twice.
        if in_flight(context.instance, [names.JOB_TRANSFORM, names.JOB_FULL_PIPELINE, names.JOB_DAILY]):
            return dg.SkipReason("A run that builds the marts is queued or running.")
        watermark = read_watermark(settings, marts)
        # Most shops never take an event back, so the nightly marts are asked about only after that.
        whole = watermark if watermark.corrected is None else read_watermark(settings, [*marts, *nightly])
        # Once in each retry window: if that run fails, the others go on meanwhile.
        if whole.wrong and context.cursor != (key := correction_key(whole, time.time())):
            context.update_cursor(key)
            return dg.RunRequest(run_key=key)
        if watermark.newest is None:
            return dg.SkipReason("The raw tables are empty.")
        unjudged = owed(context.instance, checks, time.time())
        if not watermark.behind and not unjudged:
            return dg.SkipReason(f"Every mart contains every row up to transaction {watermark.newest}.")
        age = watermark.oldest_build_seconds
        if not unjudged and age is not None and age < BESIDE_REFRESHER_SECONDS and alive(settings):
            return dg.SkipReason(f"A refresher keeps the hot marts; the others were built {age:.0f} s ago.")
        first = bool(nightly) and read_watermark(settings, nightly).ceiling is None
        everything = first or by_day is None or bool(unjudged - set(by_day))
        return dg.RunRequest(run_key=run_key(watermark, time.time()), asset_selection=None if everything else by_day)

    return transform_on_watermark


def correction_key(watermark: Watermark, now: float) -> str:
    """Name the work by the newest event that was taken back or landed again, and the retry window."""
    return f"correction-{watermark.corrected}-{retry_window(now)}"


def run_key(watermark: Watermark, now: float) -> str:
    """Name the work by the newest row it would read; a failed build is tried again in the next retry window."""
    return f"watermark-{watermark.newest}-{retry_window(now)}"
