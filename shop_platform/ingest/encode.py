"""An event as one tuple of PostgreSQL's binary COPY format (pure)."""

from __future__ import annotations

import datetime as dt
import struct

from shop_platform.events.decode import Event
from shop_platform.events.urls import source_path

COLUMNS = "event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset"
PERSONAL_COLUMNS = "event_id, event_type, subject, customer_id, event_time, data"
COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_TRAILER = b"\xff\xff"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
# PostgreSQL counts from the year 2000.
_POSTGRES_EPOCH_US = 946_684_800_000_000
# Up to here (the year 2100) a double holds seconds since 1970 exactly to the microsecond.
EXACT_SECONDS = 4_102_444_800.0

_HEAD = b"\x00\x08\x00\x00\x00\x10"  # 8 columns; a uuid has 16 bytes
_PERSONAL_HEAD = b"\x00\x06\x00\x00\x00\x10"
_NULL = b"\xff\xff\xff\xff"
_length = struct.Struct(">i").pack
_time_and_data = struct.Struct(">iqiB").pack  # timestamptz; length of jsonb, whose first byte is its version
_place = struct.Struct(">iiiq").pack  # integer; bigint


def epoch_us(time: dt.datetime) -> int:
    """Return microseconds since 1970 of a time that knows its zone, exactly."""
    seconds = time.timestamp()
    if 0.0 <= seconds < EXACT_SECONDS:
        return round(seconds * 1e6)
    return (time - _EPOCH) // _MICROSECOND


def from_epoch_us(microseconds: int) -> dt.datetime:
    """Return the UTC time that :func:`epoch_us` was given."""
    return _EPOCH + dt.timedelta(microseconds=microseconds)


# Few types and sources come again and again; bounded, because a source may be anything.
_MAX_TEXTS = 2048
_texts: dict[str, bytes] = {}
_sources: dict[str, bytes] = {}
# A subject has 64 characters at most.
_LENGTHS = [_length(size) for size in range(256)]


def _text(value: str) -> bytes:
    encoded = value.encode()
    text = _length(len(encoded)) + encoded
    if len(_texts) >= _MAX_TEXTS:
        _texts.clear()
    _texts[value] = text
    return text


def _source(value: str) -> bytes:
    encoded = source_path(value).encode()
    text = _length(len(encoded)) + encoded
    if len(_sources) >= _MAX_TEXTS:
        _sources.clear()
    _sources[value] = text
    return text


def copy_tuple(event: Event, event_id: bytes, time_us: int, partition: int, offset: int) -> bytes:
    """Return ``event`` as a tuple of :data:`COLUMNS`; ``event_id`` are its 16 bytes, ``time_us`` its :func:`epoch_us`.

    Binary spares the server the parsing of identifiers and times, and needs no escaping: ``data`` goes in as it came.
    """
    data = bytes(event.data)
    subject = event.subject.encode()
    return b"".join(
        (
            _HEAD,
            event_id,
            _texts.get(event.type) or _text(event.type),
            _sources.get(event.source) or _source(event.source),
            _LENGTHS[len(subject)],
            subject,
            _time_and_data(8, time_us - _POSTGRES_EPOCH_US, len(data) + 1, 1),
            data,
            _place(4, partition, 8, offset),
        )
    )


def personal_tuple(event: Event, event_id: bytes, time_us: int, data: bytes, *, of_customer: bool) -> bytes:
    """Return the personal fields ``data`` of ``event`` as a tuple of :data:`PERSONAL_COLUMNS`.

    ``of_customer``: the subject is the customer; else it is a session, and whose it is others may tell.
    """
    subject = event.subject.encode()
    about = _LENGTHS[len(subject)] + subject
    return b"".join(
        (
            _PERSONAL_HEAD,
            event_id,
            _texts.get(event.type) or _text(event.type),
            about,
            about if of_customer else _NULL,
            _time_and_data(8, time_us - _POSTGRES_EPOCH_US, len(data) + 1, 1),
            data,
        )
    )
