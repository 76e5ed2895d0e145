"""What can be said of a message that is no event: whose it was, and when."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from shop_platform.events.envelope import MAX_ID, NIL_ID, UtcTime

_T = TypeVar("_T")

ID_HEADER = "ce_id"
TIME_HEADER = "ce_time"


class Attribution(NamedTuple):
    """What can be said of a message that is no event: whose it was and when, if either can be read."""

    event_id: str | None
    event_time: dt.datetime | None


def attribute(value: bytes | None, headers: list[tuple[str, bytes | None]] | None) -> Attribution:
    """Return id and event time of a message that could not be decoded, from its headers or else its body.

    An id that names nothing (:data:`NIL_ID`) is none: many messages would be known by it.
    """
    named: dict[str, bytes | None] = {}
    for name, content in headers or []:
        if name in {ID_HEADER, TIME_HEADER}:
            # Two that contradict each other attribute nothing.
            named[name] = content if named.get(name, content) == content else b""
    body: dict[str, object] = {}
    try:
        document = msgspec.json.decode(value or b"")
        body = document if isinstance(document, dict) else {}
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    return Attribution(
        _first(_as_id, named.get(ID_HEADER), body.get("id")), _first(_as_time, named.get(TIME_HEADER), body.get("time"))
    )


def _first(convert: Callable[[str], _T], *candidates: object) -> _T | None:
    for candidate in candidates:
        if candidate is None:
            continue
        try:
            return convert(candidate.decode() if isinstance(candidate, bytes) else str(candidate))
        except (ValueError, OverflowError, UnicodeDecodeError, msgspec.ValidationError):
            continue
    return None


def _as_id(text: str) -> str:
    identifier = uuid.UUID(text)
    if identifier in {NIL_ID, MAX_ID}:
        raise ValueError("names nothing")
    return str(identifier)


def _as_time(text: str) -> dt.datetime:
    return msgspec.convert(text, UtcTime).astimezone(dt.UTC)
