"""Sort polled messages into rows and dead letters (pure)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from shop_platform.events.decode import ContractViolation, ErrorClass, Event, attributed_id, decode

Headers = list[tuple[str, bytes | None]]


class Message(Protocol):
    """The part of a confluent-kafka message that is read."""

    def topic(self) -> str: ...  # noqa: D102
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Headers | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Row:
    """A valid event and the message it came in."""

    event: Event
    message: Message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is no valid event, byte for byte, with the reason."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    message_time_ms: int | None
    error_class: ErrorClass
    error: str
    schema_path: str | None
    event_id: str | None
    event_type: str | None


@dataclass
class PartitionSlice:
    """What one batch holds of one partition. ``rows`` are unique by event id within the topic's batch."""

    topic: str
    partition: int
    next_offset: int = 0
    messages: int = 0
    duplicates: int = 0
    rows: list[Row] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    min_event_time: dt.datetime | None = None
    max_event_time: dt.datetime | None = None

    def saw(self, time: dt.datetime) -> None:
        """Widen the range of event times."""
        if self.min_event_time is None or time < self.min_event_time:
            self.min_event_time = time
        if self.max_event_time is None or time > self.max_event_time:
            self.max_event_time = time


def sort_messages(messages: Iterable[Message]) -> dict[tuple[str, int], PartitionSlice]:
    """Decode every message once; a repeated id within the batch is counted as a duplicate.

    Messages of a partition must come in offset order. Nothing is dropped: per slice,
    ``messages = len(rows) + duplicates + len(dead)``.
    """
    slices: dict[tuple[str, int], PartitionSlice] = {}
    seen: dict[str, set[str]] = {}
    for message in messages:
        topic, partition = message.topic(), message.partition()
        part = slices.get((topic, partition))
        if part is None:
            part = slices[topic, partition] = PartitionSlice(topic, partition)
        part.messages += 1
        part.next_offset = message.offset() + 1
        try:
            event = decode(message.value(), topic)
        except ContractViolation as violation:
            part.dead.append(dead_letter(message, violation))
            continue
        part.saw(event.time)
        ids = seen.setdefault(topic, set())
        if event.event_id in ids:
            part.duplicates += 1
            continue
        ids.add(event.event_id)
        part.rows.append(Row(event, message))
    return slices


def dead_letter(message: Message, violation: ContractViolation) -> DeadLetter:
    """Return the dead letter of ``message``: everything a later replay needs."""
    headers = message.headers() or []
    kind, timestamp = message.timestamp()
    return DeadLetter(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=headers,
        message_time_ms=timestamp if kind else None,
        error_class=violation.error_class,
        error=str(violation),
        schema_path=violation.path,
        event_id=attributed_id(message.value(), headers),
        event_type=violation.event_type,
    )
