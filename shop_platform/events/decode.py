"""Decode one Kafka message into a validated event, or say exactly why it is none."""

from __future__ import annotations

import datetime as dt
import json
import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from shop_platform.events.vocabulary import Identifier

MAX_MESSAGE_BYTES = 1_000_000
ID_HEADER = "ce_id"
CONTENT_TYPE = "application/cloudevents+json"

SourceUri = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,255}$(?!\n)",
        description="Which system emitted the event, a URI reference.",
        examples=["/shop/web"],
    ),
]
_UTC_TIME = Annotated[dt.datetime, msgspec.Meta(tz=True)]
_PATH = re.compile(r" - at `(.+)`$")
_FAMILY = re.compile(r"^(.+)\.v([1-9][0-9]*)$")


class ErrorClass(StrEnum):
    """Why a message is not a valid event."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    FORBIDDEN_CHARACTER = "forbidden_character"
    ENVELOPE_INVALID = "envelope_invalid"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    WRONG_TOPIC = "wrong_topic"
    DATA_INVALID = "data_invalid"
    SUBJECT_MISMATCH = "subject_mismatch"
    DATABASE_REJECTED = "database_rejected"


class ContractViolation(Exception):  # noqa: N818 - the contract's own word
    """A message that is not a valid event: its class, a sentence, and where in the document."""

    def __init__(
        self, error_class: ErrorClass, message: str, path: str | None = None, event_type: str | None = None
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.path = path
        self.event_type = event_type


class Envelope(msgspec.Struct, frozen=True):
    """The CloudEvents 1.0 envelope in structured JSON; ``data`` stays as it came."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: SourceUri
    type: str
    time: _UTC_TIME
    subject: Identifier
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] = "application/json"


@dataclass(frozen=True, slots=True)
class Event:
    """A valid event, ready for the warehouse: ``data`` is the JSON text exactly as it was sent."""

    event_id: str
    event_type: str
    source: str
    subject: str
    time: dt.datetime
    data: str


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_data = {name: msgspec.json.Decoder(kind.payload).decode for name, kind in EVENT_TYPES.items()}
_subject_field = {name: kind.subject_field for name, kind in EVENT_TYPES.items()}
_topic_name = {name: topic.name for name, topic in TOPIC_OF_TYPE.items()}
_LATEST = {match[1]: name for name in EVENT_TYPES if (match := _FAMILY.match(name))}


def decode(value: bytes | None, topic: str) -> Event:
    """Return the event in ``value``; raise :class:`ContractViolation` for anything that is not a valid one."""
    if not value:
        raise ContractViolation(ErrorClass.EMPTY, "the message has no value")
    if len(value) > MAX_MESSAGE_BYTES:
        raise ContractViolation(
            ErrorClass.TOO_LARGE, f"the message has {len(value)} bytes, more than {MAX_MESSAGE_BYTES}"
        )
    try:
        value.decode()  # skipped (unknown) fields are not checked by the decoder, but PostgreSQL refuses them
    except UnicodeDecodeError as error:
        raise ContractViolation(ErrorClass.NOT_UTF8, f"invalid UTF-8 at byte {error.start}") from None
    try:
        envelope = _decode_envelope(value)
    except msgspec.ValidationError as error:
        raise _violation(ErrorClass.ENVELOPE_INVALID, error) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ContractViolation(ErrorClass.NOT_JSON, f"not a JSON document: {error}") from None
    decode_data = _decode_data.get(envelope.type)
    if decode_data is None:
        raise _unknown(envelope.type)
    if _topic_name[envelope.type] != topic:
        raise ContractViolation(
            ErrorClass.WRONG_TOPIC,
            f"{envelope.type} belongs to topic {_topic_name[envelope.type]}, not {topic}",
            "$.type",
            envelope.type,
        )
    try:
        payload = decode_data(envelope.data)
    except msgspec.ValidationError as error:
        raise _violation(ErrorClass.DATA_INVALID, error, "$.data", envelope.type) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise ContractViolation(
            ErrorClass.NOT_JSON, f"data is not a JSON document: {error}", "$.data", envelope.type
        ) from None
    field = _subject_field[envelope.type]
    if getattr(payload, field) != envelope.subject:
        raise ContractViolation(
            ErrorClass.SUBJECT_MISMATCH,
            f"subject '{envelope.subject}' is not data.{field} '{getattr(payload, field)}'",
            "$.subject",
            envelope.type,
        )
    data = bytes(envelope.data).decode()
    if "\\u" in data:
        _refuse_forbidden_characters(data, envelope.type)
    return Event(str(envelope.id), envelope.type, envelope.source, envelope.subject, envelope.time, data)


def attributed_id(value: bytes | None, headers: list[tuple[str, bytes | None]] | None) -> str | None:
    """Return the event id of a message that could not be decoded, from its header or else its body, if it has one."""
    candidates: list[object] = [content for name, content in headers or [] if name == ID_HEADER]
    try:
        document = msgspec.json.decode(value or b"")
        candidates.append(document.get("id") if isinstance(document, dict) else None)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        pass
    for candidate in candidates:
        try:
            return str(uuid.UUID(candidate.decode() if isinstance(candidate, bytes) else str(candidate)))
        except (ValueError, UnicodeDecodeError):
            continue
    return None


def _violation(
    error_class: ErrorClass, error: msgspec.ValidationError, prefix: str = "$", event_type: str | None = None
) -> ContractViolation:
    match = _PATH.search(str(error))
    path = match[1].replace("$", prefix, 1) if match else prefix
    return ContractViolation(error_class, _PATH.sub("", str(error)), path, event_type)


def _unknown(name: str) -> ContractViolation:
    match = _FAMILY.match(name)
    if match and match[1] in _LATEST:
        return ContractViolation(
            ErrorClass.UNKNOWN_VERSION,
            f"version {match[2]} of {match[1]} is not known; the newest known is {_LATEST[match[1]]}",
            "$.type",
            name[:200],
        )
    return ContractViolation(
        ErrorClass.UNKNOWN_TYPE, f"type '{name[:200]}' is not in the contract", "$.type", name[:200]
    )


def _refuse_forbidden_characters(data: str, event_type: str) -> None:
    """Refuse what JSON may escape and PostgreSQL cannot store: NUL and lone surrogates."""
    plain = json.dumps(json.loads(data), ensure_ascii=False)
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ContractViolation(
            ErrorClass.FORBIDDEN_CHARACTER, "a string holds half of a surrogate pair", "$.data", event_type
        ) from None
    # json.dumps escapes control characters again, so a real NUL shows as an odd number of backslashes before u0000.
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", plain):
        raise ContractViolation(
            ErrorClass.FORBIDDEN_CHARACTER, "a string holds the NUL character (\\u0000)", "$.data", event_type
        )
