"""Decode one Kafka message into a validated event, or say exactly why it is none."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, TypeVar

import msgspec

from shop_platform.events.personal import Treatment, treatment
from shop_platform.events.quick import QuickCheck, join, quick_check
from shop_platform.events.registry import TOPICS, Topic
from shop_platform.events.vocabulary import Identifier, Payload

_T = TypeVar("_T")

MAX_MESSAGE_BYTES = 1_000_000
ID_HEADER = "ce_id"
TIME_HEADER = "ce_time"
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
# An odd number of backslashes before u0000; two of them are a backslash itself.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_FAMILY = re.compile(r"^(.+)\.v([1-9][0-9]*)$")
# A day less than Python's calendar on both sides: the business day of a time zone may be the one before or after.
_FIRST = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
_LAST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)


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
    """The CloudEvents 1.0 envelope in structured JSON."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: SourceUri
    type: str
    time: _UTC_TIME
    subject: Identifier
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] = "application/json"


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event: the envelope's fields, with ``data`` as it came, byte for byte."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: str
    type: str
    time: _UTC_TIME
    subject: str
    data: msgspec.Raw
    datacontenttype: Literal["application/json"] = "application/json"


_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_quickly = msgspec.json.Decoder(Event).decode
_MAX_SOURCES = 1000


class _Reader(NamedTuple):
    """How one event type of one topic is read."""

    decode: Callable[[msgspec.Raw], Payload]
    subject_field: str
    quick: QuickCheck | None


class Contract:
    """A set of topics and their event types, ready to decode: the published one is :data:`CONTRACT`.

    A further version of a type is accepted as soon as its topic lists it; until then it is a dead letter of class
    ``unknown_version`` that can be replayed after the upgrade.
    """

    def __init__(self, topics: Iterable[Topic] = TOPICS) -> None:
        topics = tuple(topics)
        self._topic_of = {kind.name: topic.name for topic in topics for kind in topic.event_types}
        self._readers = {
            topic.name: {
                kind.name: _Reader(
                    msgspec.json.Decoder(kind.payload).decode,
                    kind.subject_field,
                    quick_check(kind.payload, kind.subject_field),
                )
                for kind in topic.event_types
            }
            for topic in topics
        }
        self._treatments = {
            topic.name: {kind.name: found for kind in topic.event_types if (found := treatment(kind.name)) is not None}
            for topic in topics
        }
        self._sources: set[str] = set()
        self._newest: dict[str, int] = {}
        for name in self._topic_of:
            if match := _FAMILY.match(name):
                self._newest[match[1]] = max(self._newest.get(match[1], 0), int(match[2]))

    def treatments(self, topic: str) -> Mapping[str, Treatment]:
        """Return the types of ``topic`` that are personal or about who somebody is, with what they need."""
        return self._treatments.get(topic, {})

    def decode(self, value: bytes | None, topic: str) -> Event:
        """Return the event in ``value``; raise :class:`ContractViolation` for anything that is not a valid one."""
        return self.decoder(topic)(value)

    def decoder(self, topic: str) -> Callable[[bytes | None], Event]:
        """Return :meth:`decode` for one topic, for many messages."""
        quick = {name: reader.quick for name, reader in self._readers.get(topic, _NO_READERS).items() if reader.quick}
        sources = self._sources

        def decode(value: bytes | None) -> Event:
            if value and len(value) <= MAX_MESSAGE_BYTES and value.isascii():
                try:
                    event = _decode_quickly(value)
                    check = quick.get(event.type)
                    if check is not None and event.source in sources:
                        decode_data, strings_of, fits = check
                        strings = strings_of(decode_data(event.data))
                        if strings[0] == event.subject and fits(join(strings)):
                            if b"\\" in value:  # one character is looked for many times faster than two
                                _refuse_forbidden_characters(bytes(event.data).decode(), event.type)
                            if not 1 < event.time.year < 9999:
                                _refuse_time_beyond_the_calendar(event.time)
                            return event
                except (msgspec.DecodeError, RecursionError):
                    pass
            return self._decode_strictly(value, topic)

        return decode

    def _decode_strictly(self, value: bytes | None, topic: str) -> Event:
        """Decode by the contract's own types, which say what is wrong and where."""
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
        reader = self._readers.get(topic, _NO_READERS).get(envelope.type)
        if reader is None:
            raise self._not_of(topic, envelope.type)
        try:
            payload = reader.decode(envelope.data)
        except msgspec.ValidationError as error:
            raise _violation(ErrorClass.DATA_INVALID, error, "$.data", envelope.type) from None
        except (msgspec.DecodeError, RecursionError) as error:
            raise ContractViolation(
                ErrorClass.NOT_JSON, f"data is not a JSON document: {error}", "$.data", envelope.type
            ) from None
        about = getattr(payload, reader.subject_field)
        if about != envelope.subject:
            raise ContractViolation(
                ErrorClass.SUBJECT_MISMATCH,
                f"subject '{envelope.subject}' is not data.{reader.subject_field} '{about}'",
                "$.subject",
                envelope.type,
            )
        _refuse_forbidden_characters(bytes(envelope.data).decode(), envelope.type)
        _refuse_time_beyond_the_calendar(envelope.time)
        if len(self._sources) < _MAX_SOURCES:
            self._sources.add(envelope.source)
        return _decode_quickly(value)

    def _not_of(self, topic: str, name: str) -> ContractViolation:
        """Return why a type is not read from ``topic``: it belongs elsewhere, or it is a new version, or unknown."""
        elsewhere = self._topic_of.get(name)
        if elsewhere is not None:
            return ContractViolation(
                ErrorClass.WRONG_TOPIC, f"{name} belongs to topic {elsewhere}, not {topic}", "$.type", name
            )
        match = _FAMILY.match(name)
        if match and match[1] in self._newest:
            return ContractViolation(
                ErrorClass.UNKNOWN_VERSION,
                f"version {match[2]} of {match[1]} is not known; the newest known is"
                f" {match[1]}.v{self._newest[match[1]]}",
                "$.type",
                name[:200],
            )
        return ContractViolation(
            ErrorClass.UNKNOWN_TYPE, f"type '{name[:200]}' is not in the contract", "$.type", name[:200]
        )


_NO_READERS: dict[str, _Reader] = {}
CONTRACT = Contract()
decode = CONTRACT.decode


class Attribution(NamedTuple):
    """What can be said of a message that is no event: whose it was and when, if either can be read."""

    event_id: str | None
    event_time: dt.datetime | None


def attribute(value: bytes | None, headers: list[tuple[str, bytes | None]] | None) -> Attribution:
    """Return id and event time of a message that could not be decoded, from its headers or else its body."""
    named = {name: content for name, content in headers or [] if name in {ID_HEADER, TIME_HEADER}}
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
    return str(uuid.UUID(text))


def _as_time(text: str) -> dt.datetime:
    return msgspec.convert(text, _UTC_TIME).astimezone(dt.UTC)


def _violation(
    error_class: ErrorClass, error: msgspec.ValidationError, prefix: str = "$", event_type: str | None = None
) -> ContractViolation:
    match = _PATH.search(str(error))
    path = match[1].replace("$", prefix, 1) if match else prefix
    return ContractViolation(error_class, _PATH.sub("", str(error)), path, event_type)


def _refuse_forbidden_characters(data: str, event_type: str) -> None:
    """Refuse what JSON may escape and PostgreSQL cannot store: NUL (the decoder refuses halves of surrogate pairs).

    Looked for in the text: a document that the decoder accepts may be too deep, or its numbers too long, for json.
    """
    if "\\u0000" in data and _NUL.search(data):
        raise ContractViolation(
            ErrorClass.FORBIDDEN_CHARACTER, "a string holds the NUL character (\\u0000)", "$.data", event_type
        )


def _refuse_time_beyond_the_calendar(time: dt.datetime) -> None:
    """Refuse a time whose day, in some time zone, lies outside of the years 1 to 9999: Python could not read it."""
    if not 1 < time.year < 9999 and not _FIRST <= time < _LAST:
        raise ContractViolation(
            ErrorClass.ENVELOPE_INVALID,
            f"time '{time.isoformat()}' lies outside of 0001-01-02 to 9999-12-30 (UTC)",
            "$.time",
        )
