"""Decode one Kafka message into a validated event, or say exactly why it is none."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from shop_platform.events.consistency import Fault, contradiction_of
from shop_platform.events.envelope import JSON_TYPE, MAX_ID, MAX_MESSAGE_BYTES, NIL_ID, Envelope, Event
from shop_platform.events.extensions import Extensions, names_if_once
from shop_platform.events.faults import ContractViolation, ErrorClass
from shop_platform.events.modes import (
    BATCH_SENTENCE,
    HTTP_SENTENCE,
    Headers,
    content_type,
    has_http_headers,
    is_batch,
    refuse_contradicting_headers,
    structured,
)
from shop_platform.events.personal import Treatment, treatment
from shop_platform.events.places import quote
from shop_platform.events.quick import QuickCheck, join, quick_check
from shop_platform.events.registry import TOPICS, Topic
from shop_platform.events.sentences import charset_of, charset_sentence
from shop_platform.events.strict import (
    read_data,
    read_envelope,
    refuse_forbidden_characters,
    refuse_no_json,
    refuse_what_stands_twice,
)
from shop_platform.events.twice import Quotes, quotes_of
from shop_platform.events.types import OrderAmended
from shop_platform.events.vocabulary import Payload

__all__ = ["CONTRACT", "Contract", "ContractViolation", "ErrorClass", "Event", "decode"]

_FAMILY = re.compile(r"^(.+)\.v([1-9][0-9]*)$")
# A day less than Python's calendar on both sides: the business day of a time zone may be the one before or after.
_FIRST = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
_LAST = dt.datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=dt.UTC)
EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""The earliest event time that is taken, unless settings say otherwise: the first day of ``dim_date``."""
AHEAD = dt.timedelta(days=1)
"""How far a producer's clock may run ahead, unless settings say otherwise."""
_HIGHEST_ID = MAX_ID.int

_decode_quickly = msgspec.json.Decoder(Event).decode
_MAX_SOURCES = 1000
_QUOTE = ord('"')
# Of the envelope: two around each name, two around each value but `data`.
_QUOTES = quotes_of(Envelope).always


class _Reader(NamedTuple):
    """How one event type of one topic is read."""

    payload: type[Payload]
    decode: Callable[[msgspec.Raw], Payload]
    subject_field: str
    quick: QuickCheck | None
    quotes: Quotes
    contradiction: Callable[[Any], Fault | None] | None


class Contract:
    """A set of topics and their event types, ready to decode: the published one is :data:`CONTRACT`.

    A further version of a type is accepted as soon as its topic lists it; until then it is a dead letter of class
    ``unknown_version`` that can be replayed after the upgrade.
    """

    def __init__(
        self, topics: Iterable[Topic] = TOPICS, *, earliest: dt.datetime = EARLIEST, ahead: dt.timedelta = AHEAD
    ) -> None:
        topics = tuple(topics)
        self._earliest, self._ahead = max(earliest, _FIRST), ahead
        self._topic_of = {kind.name: topic.name for topic in topics for kind in topic.event_types}
        self._readers = {
            topic.name: {
                kind.name: _Reader(
                    kind.payload,
                    msgspec.json.Decoder(kind.payload).decode,
                    kind.subject_field,
                    # Its second time is judged beside the first one.
                    None if issubclass(kind.payload, OrderAmended) else quick_check(kind.payload, kind.subject_field),
                    quotes_of(kind.payload),
                    contradiction_of(kind.payload),
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
        self._extensions = Extensions()
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

    def decode_message(self, value: bytes | None, headers: Headers, topic: str) -> Event:
        """Return the event of a message in structured or in binary mode; raise :class:`ContractViolation`."""
        try:
            return self.decode(value, topic)
        except ContractViolation as violation:
            return self.decode_by_headers(value, headers, topic, violation)

    def decode_by_headers(
        self, value: bytes | None, headers: Headers, topic: str, violation: ContractViolation
    ) -> Event:
        """Return the event of a message in binary mode, whose value alone was no event because of ``violation``.

        Raises :class:`ContractViolation`: what is wrong with the event, or ``violation`` when the mode is another one.
        """
        charset = charset_of(content_type(headers) or "")
        composed = structured(value, headers)
        if composed is not None:
            refuse_contradicting_headers(headers)
            if charset is not None:
                raise ContractViolation(
                    ErrorClass.ENVELOPE_INVALID, charset_sentence("datacontenttype", charset), "$.datacontenttype"
                ) from None
            refuse_no_json(value)
            return self.decode(composed, topic)
        if charset is not None and violation.error_class is ErrorClass.NOT_UTF8:
            told = charset_sentence("content-type", charset)
            raise ContractViolation(ErrorClass.NOT_UTF8, f"{violation}; {told}") from None
        if is_batch(value, headers):
            raise ContractViolation(ErrorClass.ENVELOPE_INVALID, BATCH_SENTENCE, "$") from None
        if violation.error_class is ErrorClass.ENVELOPE_INVALID and has_http_headers(value, headers):
            raise ContractViolation(violation.error_class, f"{violation}; {HTTP_SENTENCE}", violation.path) from None
        raise violation

    def decoder(self, topic: str) -> Callable[[bytes | None], Event]:
        """Return :meth:`decode` for one topic, for many messages that are read now."""
        quick = {
            name: (*reader.quick, _QUOTES + reader.quotes.always, reader.quotes.further, reader.contradiction)
            for name, reader in self._readers.get(topic, _NO_READERS).items()
            if reader.quick
        }
        sources, are_all = self._sources, self._extensions.are_all
        earliest, latest = self._earliest, self._latest()

        def decode(value: bytes | None) -> Event:
            if value and len(value) <= MAX_MESSAGE_BYTES and value.isascii():
                try:
                    event = _decode_quickly(value)
                    check = quick.get(event.type)
                    if check is not None and event.source in sources:
                        decode_data, strings_of, fits, judged, quotes, further, contradiction = check
                        data = decode_data(event.data)
                        strings = strings_of(data)
                        if (
                            strings[0] == event.subject
                            and fits(join(strings))
                            and (judged or contradiction is None or contradiction(data) is None)
                            and event.datacontenttype == JSON_TYPE
                            and 0 < event.id.int < _HIGHEST_ID
                            and earliest <= event.time <= latest
                            and (
                                not (
                                    more := value.count(_QUOTE)
                                    - (quotes if further is None else quotes + further(data))
                                    # The decoder puts this very text where the field is left out.
                                    - (0 if event.datacontenttype is JSON_TYPE else 4)
                                )
                                or are_all(value, event.source, more)
                            )
                        ):
                            if b"\\" in value:  # one character is looked for many times faster than two
                                refuse_forbidden_characters(bytes(event.data).decode(), event.type)
                            return event
                except (msgspec.DecodeError, RecursionError):
                    pass
            return self._decode_strictly(value, topic)

        return decode

    def _latest(self) -> dt.datetime:
        try:
            return min(dt.datetime.now(dt.UTC) + self._ahead, _LAST)
        except OverflowError:
            return _LAST

    def _decode_strictly(self, value: bytes | None, topic: str) -> Event:
        """Decode by the contract's own types, which say what is wrong and where."""
        envelope = read_envelope(value)
        assert value is not None
        name = envelope.type
        if envelope.id in {NIL_ID, MAX_ID}:
            raise ContractViolation(
                ErrorClass.ENVELOPE_INVALID,
                f"`id` is '{envelope.id}', which names nothing; every event needs a UUID of its own",
                "$.id",
                name[:200],
            )
        reader = self._readers.get(topic, _NO_READERS).get(name)
        if reader is None:
            raise self._not_of(topic, name)
        payload = read_data(reader.decode, reader.payload, envelope, value)
        least = _QUOTES + reader.quotes.always + (0 if envelope.datacontenttype is JSON_TYPE else 4)
        least += 0 if reader.quotes.further is None else reader.quotes.further(payload)
        marks = value.count(_QUOTE) - least
        if marks and names_if_once(value, marks) is None:
            refuse_what_stands_twice(value, name)
        about = getattr(payload, reader.subject_field)
        if about != envelope.subject:
            raise ContractViolation(
                ErrorClass.SUBJECT_MISMATCH,
                f"subject '{envelope.subject}' is not data.{reader.subject_field} '{about}'",
                "$.subject",
                name,
            )
        fault = reader.contradiction(payload) if reader.contradiction else None
        if fault is not None:
            raise ContractViolation(ErrorClass.DATA_INVALID, fault.sentence, f"$.data.{fault.path}", name)
        refuse_forbidden_characters(bytes(envelope.data).decode(), name)
        self._refuse_implausible_time(name, "time", envelope.time)
        if isinstance(payload, OrderAmended):
            self._refuse_implausible_time(name, "data.placed_at", payload.placed_at)
            if payload.placed_at > envelope.time:
                raise ContractViolation(
                    ErrorClass.DATA_INVALID,
                    f"`placed_at` is '{payload.placed_at.isoformat()}', after `time` '{envelope.time.isoformat()}'; an"
                    " order is placed before it is amended",
                    "$.data.placed_at",
                    name,
                )
        if len(self._sources) < _MAX_SOURCES:
            self._sources.add(envelope.source)
        return _decode_quickly(value)

    def _refuse_implausible_time(self, name: str, field: str, time: dt.datetime) -> None:
        """Refuse the time of a clock that is wrong: its day would be of no report, or of one that is yet to come."""
        if time < self._earliest:
            bound = f"before '{self._earliest:%Y-%m-%d}', the earliest that is taken (SHOP_EVENT_TIME_EARLIEST)"
        elif time > (latest := self._latest()):
            bound = (
                f"after '{latest:%Y-%m-%d %H:%M} UTC', the latest that is taken (SHOP_EVENT_TIME_AHEAD_HOURS from now)"
            )
        else:
            return
        raise ContractViolation(
            ErrorClass.TIME_IMPLAUSIBLE,
            f"`{field.removeprefix('data.')}` is '{time.isoformat()}', {bound}; is the clock of the producer right?",
            f"$.{field}",
            name,
        )

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
            ErrorClass.UNKNOWN_TYPE, f"type {quote(name)} is not in the contract", "$.type", name[:200]
        )


_NO_READERS: dict[str, _Reader] = {}
CONTRACT = Contract()
decode = CONTRACT.decode
