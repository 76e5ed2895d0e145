"""The CloudEvents envelope: what it must hold, and a valid event as the rest of the platform knows it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Literal

import msgspec

from shop_platform.events.vocabulary import Identifier

MAX_MESSAGE_BYTES = 1_000_000
CONTENT_TYPE = "application/cloudevents+json"

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
            r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/([A-Za-z0-9!#$&^_.-]+\+)?[Jj][Ss][Oo][Nn]"
            r"[ \t]*(;[ -~\t]*)?$(?!\n)"
        ),
        description="The media type of `data`: `application/json`, with or without parameters.",
        examples=["application/json", "application/json; charset=utf-8"],
    ),
]
UtcTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]

NIL_ID, MAX_ID = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)
"""The UUIDs that name nothing (RFC 9562): a producer that sends one has forgotten to make an id."""


class Envelope(msgspec.Struct, frozen=True):
    """The CloudEvents 1.0 envelope in structured JSON."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: SourceUri
    type: str
    time: UtcTime
    subject: Identifier
    data: msgspec.Raw
    datacontenttype: JsonMediaType = "application/json"


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid event: the envelope's fields, with ``data`` as it came, byte for byte."""

    specversion: Literal["1.0"]
    id: uuid.UUID
    source: str
    type: str
    time: UtcTime
    subject: str
    data: msgspec.Raw
    datacontenttype: str = "application/json"
