"""The columns of a typed table of the web topic, from the event contract (pure)."""

from __future__ import annotations

import msgspec

from bench.peers.stack import TOPIC
from shop_platform.events.registry import TOPIC_BY_NAME

ENVELOPE = {"id": "uuid", "type": "text", "source": "text", "subject": "text", "time": "timestamptz"}


def data_columns() -> dict[str, str]:
    """Return every field of the web events' data with its PostgreSQL type: what a typed table of the topic needs."""
    columns: dict[str, str] = {}
    for kind in TOPIC_BY_NAME[TOPIC].event_types:
        info = msgspec.inspect.type_info(kind.payload)
        assert isinstance(info, msgspec.inspect.StructType)
        for field in info.fields:
            types = field.type.types if isinstance(field.type, msgspec.inspect.UnionType) else (field.type,)
            whole = any(isinstance(each, msgspec.inspect.IntType) for each in types)
            columns[field.name] = "integer" if whole else "text"
    return columns
