"""Run by Quix Streams' interpreter: the web topic to its PostgreSQLSink with the settings it comes with."""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.parse import unquote, urlparse

from quixstreams import Application  # type: ignore[import-not-found,unused-ignore]
from quixstreams.sinks.community.postgresql import (  # type: ignore[import-not-found,unused-ignore]
    PostgreSQLSink,
)

_QUIET_SECONDS = 20.0


def row(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event's columns; the sink adds the message's key and timestamp."""
    return {
        "event_id": event["id"],
        "event_type": event["type"],
        "source": event["source"],
        "subject": event["subject"],
        "event_time": event["time"],
        "data": event["data"],
    }


def main() -> None:
    """Read the order from stdin, say when reading starts, stop after the last message (it commits at once then)."""
    order = json.loads(sys.stdin.readline())
    server = urlparse(order["dsn"])
    application = Application(
        broker_address=order["bootstrap"],
        consumer_group=order["group"],
        auto_offset_reset="earliest",
        loglevel="WARNING",
        on_consumer_error=lambda *_: True,  # what is no JSON is skipped (and lost)
    )
    key = {"primary_key_columns": "event_id", "upsert_on_primary_key": True}
    sink = PostgreSQLSink(
        host=server.hostname,
        port=server.port,
        dbname=server.path[1:],
        user=server.username,
        password=unquote(server.password or ""),
        schema_name="peer",
        table_name="events",
        **(key if order["mode"] == "upsert" else {}),
    )
    events = application.dataframe(application.topic(order["topic"], value_deserializer="json"))
    # The driver refuses a NUL in a text.
    events = events.filter(lambda event: isinstance(event, dict) and "\x00" not in event.get("source", ""))
    events.apply(row).sink(sink)
    print(json.dumps({"started": time.time()}), flush=True)  # noqa: T201
    application.run(count=order["count"], timeout=_QUIET_SECONDS)


if __name__ == "__main__":
    main()
