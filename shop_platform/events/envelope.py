"""The CloudEvents envelope: what it must hold, and a valid event as the rest of the platform knows it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import msgspec

from shop_platform.events.vocabulary import Identifier, Time

MAX_MESSAGE_BYTES = 1_000_000
CONTENT_TYPE = "application/cloudevents+json"
JSON_TYPE = "application/json"

SourceUri = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,255}$(?!\n)",
        description="Which system emitted the event, a URI reference.",
        examples=["/shop/web"],
    ),
]


def _leaves_the_word(word: str, blank: str = " \\t") -> str:
    """Return a pattern for a parameter that begins otherwise than with ``word``: at some letter it leaves it."""
    both = "".join(sorted({word[0].upper(), word[0].lower()}))
    goes_on = f"|[{both}]{_leaves_the_word(word[1:], blank='')}" if word[1:] else ""
    return f"([^{both};{blank}][^;]*{goes_on})?"


_CHARSET = r"[Cc][Hh][Aa][Rr][Ss][Ee][Tt]=\x22?([Uu][Tt][Ff]-?8|[Uu][Ss]-[Aa][Ss][Cc][Ii][Ii])\x22?[ \t]*"
# What the lookahead below says, for readers that know none. Which signs may stand at all is the other pattern's matter.
_CHARSETS = rf"^[^;]*(;[ \t]*({_CHARSET}|{_leaves_the_word('charset=')}))*$"
# A media type is compared without regard to case (RFC 9110), and a schema's pattern has no flag for that.
_JSON = r"[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/([A-Za-z0-9!#$&^_.-]+\+)?[Jj][Ss][Oo][Nn][ \t]*(;[ -~\t]*)?$"
JsonMediaType = Annotated[
    str,
    msgspec.Meta(
        pattern=(
            r"^(?!.*;[ \t]*[Cc][Hh][Aa][Rr][Ss][Ee][Tt]="
            r"(?!\x22?([Uu][Tt][Ff]-?8|[Uu][Ss]-[Aa][Ss][Cc][Ii][Ii])\x22?[ \t]*(;|$)))"
            rf"{_JSON}(?!\n)"
        ),
        description=(
            "The media type of `data`: `application/json`, with or without parameters. A charset must be UTF-8, or"
            " US-ASCII, which is part of it."
        ),
        examples=["application/json", "application/json; charset=utf-8"],
        extra_json_schema={
            "allOf": [{"pattern": f"^{_JSON}"}, {"pattern": _CHARSETS}],
            "not": {"pattern": r"\n"},
        },
    ),
]
EventId = Annotated[
    uuid.UUID,
    msgspec.Meta(
        description=(
            "A UUID of the event's own, neither nil nor max. Capitals, and all hyphens left out, are the same id;"
            " braces and `urn:uuid:` are not taken."
        ),
        examples=["0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d6e7f"],
        extra_json_schema={
            "pattern": "^([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
            "not": {"pattern": r"^([0-]*|[Ff-]*)$|\n"},
        },
    ),
]
UtcTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]
EventTime = Time

NIL_ID, MAX_ID = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)
"""The UUIDs that name nothing (RFC 9562): a producer that sends one has forgotten to make an id."""


class Envelope(msgspec.Struct, frozen=True):
    """The CloudEvents 1.0 envelope in structured JSON."""

    specversion: Literal["1.0"]
    id: EventId
    source: SourceUri
    type: str
    time: EventTime
    subject: Identifier
    data: msgspec.Raw
    datacontenttype: JsonMediaType = JSON_TYPE


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event: the envelope's fields, with ``data`` as it came, byte for byte."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: str
    type: str
    time: UtcTime
    subject: str
    data: msgspec.Raw
    datacontenttype: str = JSON_TYPE


decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Return the fields of a JSON object, their values as they came."""


def content_of(event: Event, data: Any) -> tuple[Any, ...]:
    """Return what a repetition of an event must repeat; ``data`` is what it tells, decoded.

    Of a time that an import estimated, a later export may lead to another estimate.
    """
    is_estimated = isinstance(data, dict) and data.get("time_estimated") is True
    return event.type, event.source, event.subject, data, None if is_estimated else event.time
