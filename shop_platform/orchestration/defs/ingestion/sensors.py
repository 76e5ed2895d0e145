"""Start the ingestion when Kafka holds what the warehouse has not read, and show what each topic holds."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping

import dagster as dg

from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.lag import PartitionLag, measure_lag, services_alive
from shop_platform.orchestration import names
from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.run_requests import in_flight, retry_window
from shop_platform.settings import Settings

INTERVAL_SECONDS = 30
# A topic that grows all the time is reported this often: enough for its freshness, few rows in Dagster's storage.
TOPIC_REPORT_SECONDS = 300

Lags = Mapping[str, Mapping[int, PartitionLag]]


@dg.sensor(
    name="ingest_on_lag",
    job_name=names.JOB_INGEST,
    minimum_interval_seconds=sensor_interval(INTERVAL_SECONDS),
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts `ingest` when a topic is ahead of its raw table and no continuous service is alive.",
)
def ingest_on_lag(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    """Ask Kafka and the warehouse for the lag; request at most one run per standstill."""
    lags = measure_lag(settings)
    events, cursor = topic_reports(lags, context.cursor, time.time())
    waiting = [partition for partitions in lags.values() for partition in partitions.values()]
    total = sum(partition.lag for partition in waiting if not partition.held)
    held = sum(partition.lag for partition in waiting if partition.held)
    reason = None
    if total == 0 and held:
        reason = f"{held} messages wait for a person's decision (`shop offsets list`); everything else was read."
    elif total == 0:
        reason = "The warehouse has read everything Kafka holds."
    elif services_alive(settings):
        reason = f"{total} messages behind; a continuous ingest service is alive and reads them."
    elif in_flight(context.instance, [names.JOB_INGEST, names.JOB_FULL_PIPELINE, names.JOB_DAILY]):
        reason = f"{total} messages behind; a run that ingests is queued or running."
    if reason is not None:
        return dg.SensorResult(skip_reason=reason, asset_events=events, cursor=cursor)
    request = dg.RunRequest(run_key=run_key(lags, time.time()))
    return dg.SensorResult(run_requests=[request], asset_events=events, cursor=cursor)


def run_key(lags: Lags, now: float) -> str:
    """Name the standstill: the same stored offsets give the same key, whatever the sensor's cursor says.

    A run that succeeded moved the offsets, so the next key differs. One that failed did not; the retry window lets
    it try again after a while.
    """
    positions = sorted((topic, n, lag.next_offset) for topic, parts in lags.items() for n, lag in parts.items())
    digest = hashlib.sha256(json.dumps(positions).encode()).hexdigest()[:16]
    return f"offsets-{digest}-{retry_window(now)}"


def topic_reports(lags: Lags, cursor: str | None, now: float) -> tuple[list[dg.AssetMaterialization], str]:
    """Return an event for each topic that grew since it was last reported, and the cursor that remembers it."""
    seen: dict[str, list[float]] = json.loads(cursor) if cursor else {}
    events = []
    for topic, partitions in lags.items():
        if topic not in TOPIC_BY_NAME:
            continue
        end = sum(partition.end_offset for partition in partitions.values())
        last_end, last_at = seen.get(topic, [0, 0.0])
        if end == last_end or now - last_at < TOPIC_REPORT_SECONDS:
            continue
        seen[topic] = [end, now]
        events.append(
            dg.AssetMaterialization(
                asset_key=names.topic_key(TOPIC_BY_NAME[topic].subject),
                description="The topic has new messages.",
                metadata={
                    "end_offsets": {str(number): lag.end_offset for number, lag in partitions.items()},
                    "lag": sum(lag.lag for lag in partitions.values()),
                },
            )
        )
    return events, json.dumps(seen)
