"""Rows of raw.web with ids of a chosen time."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import uuid
from typing import Any

import psycopg

_NUMBER = itertools.count()


def at(year: int, month: int = 1, day: int = 1, hour: int = 0) -> dt.datetime:
    """Return an instant in UTC."""
    return dt.datetime(year, month, day, hour, tzinfo=dt.UTC)


def id_at(instant: dt.datetime) -> uuid.UUID:
    """Return a UUID of version 7 made at ``instant``, another one each time."""
    ms = round(instant.timestamp() * 1000)
    return uuid.UUID(int=ms << 80 | 7 << 76 | 0b10 << 62 | next(_NUMBER))


def random_id() -> uuid.UUID:
    """Return a UUID of version 4 that belongs to no year near ours."""
    return uuid.UUID(int=uuid.uuid4().int | 1 << 127)


def add(
    connection: psycopg.Connection[Any],
    event_id: uuid.UUID,
    time: dt.datetime,
    *,
    kind: str = "shop.web.page_viewed.v1",
    session: str = "ses_1",
    **data: Any,
) -> uuid.UUID:
    """Insert one event and return its id."""
    document = {"session_id": session, "visitor_id": "vis_1", "page": "/sale", "page_type": "category"} | data
    connection.execute(
        "insert into raw.web (event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset)"
        " values (%s, %s, '/shop/test', %s, %s, %s, 0, %s)",
        [event_id, kind, session, time, json.dumps(document), next(_NUMBER)],
    )
    return event_id


def partitions(connection: psycopg.Connection[Any]) -> dict[str, tuple[dt.datetime | None, dt.datetime | None]]:
    """Return the partitions of raw.web with their times, in order; the default last."""
    return {
        name: (since, until)
        for name, since, until in connection.execute(
            "select partition, from_time, until_time from ops.partitions where relation = 'raw.web' order by until_time"
        )
    }
