"""Run by dlt's interpreter: the web topic to PostgreSQL by one `pipeline.run`.

The resource is the minimal form of dlt's verified Kafka source (which `dlt init kafka` copies from GitHub): batches of
3,000 by `consume`, up to the ends at the start, offsets in the resource's state, one dict a message. Its message
processor, which that source lets its users replace, parses the event into columns.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt  # type: ignore[import-not-found,unused-ignore]
import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
from confluent_kafka import Consumer, TopicPartition
from dlt.common import json as fast_json  # type: ignore[import-not-found,unused-ignore]

_BATCH, _SECONDS = 3_000, 3
_COLUMNS = {"event_id": {"data_type": "text"}, "event_time": {"data_type": "timestamp"}, "data": {"data_type": "json"}}


def row(message: Any) -> dict[str, Any] | None:
    """Return the message's columns, or nothing for one that is no JSON object or holds a NUL (it is lost)."""
    try:
        event = fast_json.loadb(message.value())
        if "\x00" in event["source"]:
            return None
    except (ValueError, TypeError, KeyError):
        return None
    return {
        "event_id": event["id"],
        "event_type": event["type"],
        "source": event["source"],
        "subject": event["subject"],
        "event_time": event["time"],
        "data": event["data"],
        "kafka_partition": message.partition(),
        "kafka_offset": message.offset(),
    }


def batches(bootstrap: str, topic: str) -> Iterator[list[dict[str, Any]]]:
    """Yield rows up to the ends the topic has now."""
    offsets = dlt.current.resource_state().setdefault("offsets", {})
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "dlt", "auto.offset.reset": "earliest"})
    left = {}
    for partition in consumer.list_topics(topic).topics[topic].partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition))
        offsets.setdefault(str(partition), 0)
        left[partition] = end
    consumer.assign([TopicPartition(topic, partition, offsets[str(partition)]) for partition in left])
    while any(offsets[str(partition)] < end for partition, end in left.items()):
        messages = consumer.consume(_BATCH, _SECONDS)
        if not messages:
            break
        for message in messages:
            offsets[str(message.partition())] = int(message.offset() or 0) + 1
        yield [found for message in messages if (found := row(message)) is not None]
    consumer.close()


def arrow_tables(bootstrap: str, topic: str) -> Iterator[Any]:
    """Yield the same rows as Arrow tables."""
    for rows in batches(bootstrap, topic):
        for each in rows:
            each["event_time"] = dt.datetime.fromisoformat(each["event_time"])
            each["data"] = fast_json.dumps(each["data"])
        yield pyarrow.Table.from_pylist(rows)


def main() -> None:
    """Read the order from stdin, say when reading starts, run to the end."""
    order = json.loads(sys.stdin.readline())
    merge = {"write_disposition": "merge", "primary_key": "event_id"}
    resource = dlt.resource(
        arrow_tables if order["mode"] == "arrow" else batches,
        name="events",
        columns=_COLUMNS,
        **(merge if order["mode"] == "merge" else {"write_disposition": "append"}),
    )
    pipeline = dlt.pipeline(
        pipeline_name="peer",
        destination=dlt.destinations.postgres(order["dsn"]),
        dataset_name="peer",
        pipelines_dir=order["folder"],
    )
    faster = {"loader_file_format": "csv"} if order["mode"] == "arrow" else {}
    print(json.dumps({"started": time.time()}), flush=True)  # noqa: T201
    pipeline.run(resource(order["bootstrap"], order["topic"]), **faster).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
