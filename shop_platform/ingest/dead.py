"""A message that is no valid event, byte for byte, with the reason."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from operator import methodcaller
from typing import Protocol

from shop_platform.events.attribution import attribute
from shop_platform.events.decode import ContractViolation, ErrorClass
from shop_platform.ingest.encode import epoch_us

Headers = list[tuple[str, bytes | None]]

_HOUR_US = 3600 * 1_000_000
# The year 10000: a producer may claim any time for its message.
_END_OF_TIME_MS = 253_402_300_800_000
_ask_headers = methodcaller("headers")
_STAND_IN: Headers = [("(unreadable: the name of a header is not UTF-8)", None)]
# Messages that must not be asked again; held, so that no other one gets their id().
_unreadable: dict[int, Message] = {}
_MOST_UNREADABLE = 1_000


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
    event_time: dt.datetime | None
    source: str | None = None

    @property
    def hour(self) -> int | None:
        """Hours since 1970 of the event time, ``None`` when nobody can read it."""
        return None if self.event_time is None else epoch_us(self.event_time) // _HOUR_US


def readable_headers(message: Message) -> Headers:
    """Return the headers; one stand-in when the name of one is not UTF-8.

    confluent-kafka fails with a SystemError then, and crashes the process when it is asked again. `methodcaller`:
    a plain call that the interpreter has specialised does not even notice the error, and crashes at once.
    """
    if id(message) in _unreadable:
        return _STAND_IN
    try:
        return _ask_headers(message) or []
    except SystemError:
        if len(_unreadable) >= _MOST_UNREADABLE:
            del _unreadable[next(iter(_unreadable))]
        _unreadable[id(message)] = message
        return _STAND_IN


def dead_letter(message: Message, violation: ContractViolation, headers: Headers | None = None) -> DeadLetter:
    """Return the dead letter of ``message``: everything a later replay needs; ``headers`` where they are known."""
    headers = [*(readable_headers(message) if headers is None else headers)]
    kind, timestamp = message.timestamp()
    found = attribute(message.value(), headers)
    return DeadLetter(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=headers,
        message_time_ms=timestamp if kind and 0 <= timestamp < _END_OF_TIME_MS else None,
        error_class=violation.error_class,
        error=str(violation),
        schema_path=violation.path,
        event_id=found.event_id,
        event_type=violation.event_type or found.event_type,
        event_time=found.event_time,
        source=found.source,
    )
