"""A stored dead letter, and the message that it was, ready for the ingestion's own decoder."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from shop_platform.events.modes import structured
from shop_platform.ingest.dead import Headers

WAITING = ("open", "fixed")
"""The states a replay takes up."""

RETRACTED = "retracted"
"""State and class of a letter whose event had landed and was taken back by a person (`shop events retract`)."""

# The hour comes from PostgreSQL: Python cannot hold every time that a message may claim.
COLUMNS = (
    'dead_letter_id, status, topic_id, incarnation, topic, partition, "offset", message_key,'
    " coalesce(fixed_value, message_value), headers, (extract(epoch from message_time) * 1000)::bigint, event_id,"
    " floor(extract(epoch from event_time) / 3600)::bigint, error_class, error, schema_path, event_type"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it is stored. ``value`` is the corrected one if there is one; ``hour`` counts from 1970.

    ``event_id`` is the id that the message is known by: once landed, the event must bear the same.
    """

    id: int
    status: str
    topic_id: str
    incarnation: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[list[Any]]
    message_time_ms: int | None
    event_id: uuid.UUID | None
    hour: int | None
    error_class: str
    error: str
    schema_path: str | None
    event_type: str | None

    @property
    def document(self) -> bytes | None:
        """The whole event as one document: of a message in binary mode the headers' attributes with the value."""
        return structured(self.value, stored_headers(self.headers)) or self.value


class StoredMessage:
    """A letter in the shape of a Kafka message."""

    __slots__ = ("letter",)

    def __init__(self, letter: Letter) -> None:
        self.letter = letter

    def topic(self) -> str:
        """Return the topic's name."""
        return self.letter.topic

    def partition(self) -> int:
        """Return the original partition."""
        return self.letter.partition

    def offset(self) -> int:
        """Return the original offset."""
        return self.letter.offset

    def key(self) -> bytes | None:
        """Return the original key."""
        return self.letter.key

    def value(self) -> bytes | None:
        """Return the corrected value, or else the original one."""
        return self.letter.value

    def headers(self) -> Headers:
        """Return the original headers."""
        return stored_headers(self.letter.headers)

    def timestamp(self) -> tuple[int, int]:
        """Return Kafka's (kind, milliseconds); kind 0 when there was none."""
        ms = self.letter.message_time_ms
        return (0, -1) if ms is None else (1, ms)


def stored_headers(pairs: list[list[Any]]) -> Headers:
    """Return headers as they came from Kafka; the reverse of :func:`shop_platform.ingest.bury.headers_json`."""
    headers: Headers = []
    for name, content in pairs:
        if isinstance(content, dict):
            headers.append((name, bytes.fromhex(content["hex"])))
        else:
            headers.append((name, None if content is None else content.encode()))
    return headers
