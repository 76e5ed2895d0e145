"""CloudEvents' content modes in Kafka: binary mode is read like structured mode, batched mode is told in words.

Source: CloudEvents 1.0.2, Kafka protocol binding, sections 3.1 to 3.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from shop_platform.events.envelope import CONTENT_TYPE
from shop_platform.events.faults import ContractViolation, ErrorClass
from shop_platform.events.places import quote

Headers = Sequence[tuple[str, bytes | None]]

_PREFIX = "ce_"
_HTTP_PREFIX = "ce-"
_CONTENT_TYPE_HEADER = "content-type"
_BATCH = "application/cloudevents-batch"
# What every event has in binary mode. Our own structured messages repeat id and time in such headers, no more.
_MARKS = ("ce_specversion", "ce_type")
_NAME = re.compile(r"[a-z0-9]+")
_encode = msgspec.json.encode


def structured(value: bytes | None, headers: Headers) -> bytes | None:
    """Return the event of a message in binary mode as structured mode would say it; ``None`` when it is in another.

    The headers are the attributes, the value is ``data`` as it stands, byte for byte. An attribute that is not UTF-8
    is left out, so that the contract says which one is missing.
    """
    named = _by_name(headers)
    media_type = _text(named.get(_CONTENT_TYPE_HEADER))
    if media_type is not None and media_type.lower().startswith(("application/cloudevents+", _BATCH)):
        return None
    if not value or not all(named.get(mark) is not None for mark in _MARKS) or _has_attributes(value):
        return None
    parts = [
        _encode(name.removeprefix(_PREFIX)) + b":" + _encode(text)
        for name, content in named.items()
        if name.startswith(_PREFIX)
        and _NAME.fullmatch(name.removeprefix(_PREFIX))
        and name not in {"ce_data", "ce_datacontenttype"}
        and (text := _text(content)) is not None
    ]
    if media_type is not None:
        parts.append(b'"datacontenttype":' + _encode(media_type))
    return b"{" + b",".join([*parts, b'"data":' + value]) + b"}"


def is_batch(value: bytes | None, headers: Headers) -> bool:
    """Tell whether a message is in batched mode: several events as one JSON array."""
    media_type = content_type(headers)
    if media_type is not None and media_type.lower().startswith(_BATCH):
        return True
    return b'"specversion"' in (value or b"") and (value or b"").lstrip()[:1] == b"["


def has_http_headers(value: bytes | None, headers: Headers) -> bool:
    """Tell whether attributes stand in headers as HTTP spells them (``ce-id``), and not in the value."""
    return any(name.lower().startswith(_HTTP_PREFIX) for name, _ in headers) and not _has_attributes(value or b"")


def content_type(headers: Headers) -> str | None:
    """Return the content type that the headers name."""
    return _text(_by_name(headers).get(_CONTENT_TYPE_HEADER))


def refuse_contradicting_headers(headers: Headers) -> None:
    """Refuse an attribute that two headers tell differently. One that is merely repeated says the same."""
    seen: dict[str, bytes | None] = {}
    for spelled, content in headers:
        name = spelled.lower()
        if seen.setdefault(name, content) != content and name.startswith((_PREFIX, _CONTENT_TYPE_HEADER)):
            first, other = (quote((each or b"").decode(errors="replace")) for each in (seen[name], content))
            field = "datacontenttype" if name == _CONTENT_TYPE_HEADER else name.removeprefix(_PREFIX)
            raise ContractViolation(
                ErrorClass.ENVELOPE_INVALID,
                f"the header `{name}` stands twice and says {first} and {other}; send it once",
                f"$.{field}",
            )


def _by_name(headers: Headers) -> Mapping[str, bytes | None]:
    """Return headers by lower-case name; of one that stands twice the last."""
    return {name.lower(): content for name, content in headers}


def _has_attributes(value: bytes) -> bool:
    """Tell whether a value is an event with its attributes already: a corrected one keeps the headers it came with."""
    if b'"specversion"' not in value:
        return False
    try:
        document = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return isinstance(document, dict) and "specversion" in document


def _text(content: bytes | None) -> str | None:
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


BATCH_SENTENCE = (
    f"a batch of events in one message (JSON array); send each event as a message of its own, as {CONTENT_TYPE}"
)
HTTP_SENTENCE = "headers that begin with `ce-` are those of HTTP, in Kafka they begin with `ce_` (`ce_id`, `ce_type`)"
