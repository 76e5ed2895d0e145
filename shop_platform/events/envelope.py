"""The CloudEvents envelope: what it must hold, and a valid event as the rest of the platform knows it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any, Literal

import msgspec

from shop_platform.events.vocabulary import DATE_PATTERN, Identifier

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
JsonMediaType = Annotated[
    str,
    msgspec.Meta(
        # A media type is compared without regard to case (RFC 9110), and a schema's pattern has no flag for that.
        pattern=(
            r"^(?!.*;[ \t]*[Cc][Hh][Aa][Rr][Ss][Ee][Tt]="
            r"(?!\"?([Uu][Tt][Ff]-?8|[Uu][Ss]-[Aa][Ss][Cc][Ii][Ii])\"?[ \t]*(;|$)))"
            r"[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/([A-Za-z0-9!#$&^_.-]+\+)?[Jj][Ss][Oo][Nn]"
            r"[ \t]*(;[ -~\t]*)?$(?!\n)"
        ),
        description=(
            "The media type of `data`: `application/json`, with or without parameters. A charset must be UTF-8, or"
            " US-ASCII, which is part of it."
        ),
        examples=["application/json", "application/json; charset=utf-8"],
    ),
]
# What the decoder takes, written down for the published schema.
ID_PATTERN = (
    r"^(?!0{8}-?(0{4}-?){3}0{12}$)(?![Ff]{8}-?([Ff]{4}-?){3}[Ff]{12}$)"
    r"([0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$(?!\n)"
)
TIME_PATTERN = (
    f"^{DATE_PATTERN}[Tt ]"
    r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])$(?!\n)"
)
EventId = Annotated[
    uuid.UUID,
    msgspec.Meta(
        description=(
            "A UUID of the event's own, neither nil nor max. Capitals, and all hyphens left out, are the same id;"
            " braces and `urn:uuid:` are not taken."
        ),
        examples=["0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d6e7f"],
        extra_json_schema={"pattern": ID_PATTERN},
    ),
]
UtcTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]
EventTime = Annotated[
    dt.datetime,
    msgspec.Meta(
        tz=True,
        description=(
            "When it happened: a date and time with seconds and an offset from UTC, as RFC 3339 writes them. As there,"
            " `t`, `z` and a space for `T` are taken; so is an offset without a colon. Hour 24 and leap seconds are"
            " not. Microseconds are kept, further digits rounded."
        ),
        examples=["2026-03-31T09:30:00+02:00"],
        extra_json_schema={"pattern": TIME_PATTERN},
    ),
]

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
