"""What can be said of a message that is no event: whose it was, and when."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from shop_platform.events.envelope import MAX_ID, NIL_ID, SourceUri, UtcTime
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.events.urls import source_path

_T = TypeVar("_T")

ID_HEADER = "ce_id"
TIME_HEADER = "ce_time"
_SOURCE_HEADER = "ce_source"
_TYPE_HEADER = "ce_type"
_NAMED = frozenset({ID_HEADER, TIME_HEADER, _SOURCE_HEADER, _TYPE_HEADER})


class _Body(msgspec.Struct):
    """What of a body is read, each by itself; what else is in it is nobody's concern here."""

    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    time: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    source: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    type: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_text = msgspec.json.Decoder(str).decode


class Attribution(NamedTuple):
    """What can be said of a message that is no event: whose it was and when, from where and of which known type.

    Each is ``None`` where it cannot be read.
    """

    event_id: str | None
    event_time: dt.datetime | None
    source: str | None = None
    event_type: str | None = None


def attribute(value: bytes | None, headers: list[tuple[str, bytes | None]] | None) -> Attribution:
    """Return what can be told of a message that could not be decoded, from its headers or else its body.

    An id that names nothing (:data:`NIL_ID`) is none: many messages would be known by it.
    """
    named: dict[str, bytes | None] = {}
    for name, content in headers or []:
        if name in _NAMED:
            # Two that contradict each other attribute nothing.
            named[name] = content if named.get(name, content) == content else b""
    try:
        body = _decode_body(value or b"")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        body = _Body()
    return Attribution(
        _first(_as_id, named.get(ID_HEADER), _text(body.id)),
        _first(_as_time, named.get(TIME_HEADER), _text(body.time)),
        _first(_as_source, named.get(_SOURCE_HEADER), _text(body.source)),
        _first(_as_type, named.get(_TYPE_HEADER), _text(body.type)),
    )


def _text(raw: msgspec.Raw | msgspec.UnsetType) -> str | None:
    try:
        return None if raw is msgspec.UNSET else _decode_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _first(convert: Callable[[str], _T], *candidates: bytes | str | None) -> _T | None:
    for candidate in candidates:
        if candidate is None:
            continue
        try:
            return convert(candidate.decode() if isinstance(candidate, bytes) else candidate)
        except (ValueError, OverflowError, UnicodeDecodeError, msgspec.ValidationError):
            continue
    return None


def _as_id(text: str) -> str:
    identifier = uuid.UUID(text)
    if identifier in {NIL_ID, MAX_ID}:
        raise ValueError("names nothing")
    return str(identifier)


def _as_source(text: str) -> str:
    return source_path(msgspec.convert(text, SourceUri))


def _as_type(text: str) -> str:
    if text not in EVENT_TYPES:
        raise ValueError("is a word of the message's own")
    return text


def _as_time(text: str) -> dt.datetime:
    return msgspec.convert(text, UtcTime).astimezone(dt.UTC)
