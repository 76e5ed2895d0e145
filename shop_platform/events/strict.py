"""Read envelope and data by the contract's own types, and say of what they refuse where it stands and what is right."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from shop_platform.events.envelope import MAX_MESSAGE_BYTES, Envelope, decode_fields
from shop_platform.events.faults import ContractViolation, ErrorClass
from shop_platform.events.malformed import why_no_json
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, family
from shop_platform.events.places import expected_at, found_at, name_of, place_of, steps_of
from shop_platform.events.sentences import missing_field, sentence
from shop_platform.events.twice import repeated_name
from shop_platform.events.vocabulary import Payload

_PATH = re.compile(r" - at `(.+)`$")
# An odd number of backslashes before u0000; two of them are a backslash itself.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
TWICE = "stands twice in its object"
"""How a reason says that a name is told twice: `shop dead-letters fix` advises by it."""

_BASE64 = b'"data_base64"'
_Read = TypeVar("_Read")
_decode_envelope = msgspec.json.Decoder(Envelope).decode
_decode_any = msgspec.json.Decoder(msgspec.Raw).decode


class Part(NamedTuple):
    """What of a message is read: all of it (path ``$``), or ``data``, as which type, in an event of which type."""

    path: str
    struct: type[msgspec.Struct]
    event_type: str | None = None


_WHOLE = Part("$", Envelope)


def read_envelope(value: bytes | None) -> Envelope:
    """Return the envelope; raise :class:`ContractViolation`."""
    if value is None:
        raise ContractViolation(
            ErrorClass.EMPTY,
            "the message has no value (a tombstone, which deletes nothing here); an event is a JSON object",
        )
    if not value:
        raise ContractViolation(ErrorClass.EMPTY, "the message has no value (no bytes); an event is a JSON object")
    if len(value) > MAX_MESSAGE_BYTES:
        raise ContractViolation(
            ErrorClass.TOO_LARGE, f"the message has {len(value)} bytes, more than {MAX_MESSAGE_BYTES}"
        )
    try:
        value.decode()  # skipped (unknown) fields are not checked by the decoder, but PostgreSQL refuses them
    except UnicodeDecodeError as error:
        looks = "; it looks like UTF-16" if value[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""
        raise ContractViolation(ErrorClass.NOT_UTF8, f"invalid UTF-8 at byte {error.start}{looks}") from None
    return _read(_decode_envelope, value, value, _WHOLE)


def read_data(
    decode: Callable[[msgspec.Raw], Payload], payload: type[Payload], envelope: Envelope, value: bytes
) -> Payload:
    """Return the data of the event in ``value``; raise :class:`ContractViolation`."""
    return _read(decode, envelope.data, value, Part("$.data", payload, envelope.type))


def _read(decode: Callable[..., _Read], part: bytes | msgspec.Raw, value: bytes, what: Part) -> _Read:
    try:
        return decode(part)
    except msgspec.ValidationError as error:
        raise _violation(error, value, what) from None
    except (msgspec.DecodeError, RecursionError) as error:
        path = None if what is _WHOLE else what.path
        raise ContractViolation(
            ErrorClass.NOT_JSON, why_no_json(bytes(part), str(error)), path, what.event_type
        ) from None


def _violation(error: msgspec.ValidationError, value: bytes, what: Part) -> ContractViolation:
    error_class = ErrorClass.ENVELOPE_INVALID if what is _WHOLE else ErrorClass.DATA_INVALID
    match = _PATH.search(str(error))
    below = match[1] if match else "$"
    path = below.replace("$", what.path, 1)
    missing = missing_field(_PATH.sub("", str(error)))
    if missing is not None:
        told = f"`{name_of(f'{path}.{missing}')}` is missing"
        if missing == "data" and what is _WHOLE and _BASE64 in value:
            told += "; `data_base64` is not read, send the data as JSON in `data`"
        return ContractViolation(error_class, told, path, what.event_type)
    told = sentence(
        name_of(path),
        expected_at(what.struct, steps_of(below)),
        found_at(value.decode(), path),
        private=what.event_type is not None and _is_private(what.event_type, name_of(path)),
    )
    return ContractViolation(error_class, told, path, what.event_type)


def _is_private(event_type: str, field: str) -> bool:
    name = family(event_type)
    return field in PERSONAL_FIELDS.get(name, ()) or field in KEPT_TEXTS.get(name, ())


def refuse_no_json(data: bytes | None) -> None:
    """Refuse data that is no JSON by itself, of an event that is put together from it and its headers."""
    _read(_decode_any, data or b"", b"", Part("$.data", Envelope))


def tells_data_twice(value: bytes) -> bool:
    """Tell whether an event has ``data_base64`` beside its data: CloudEvents lets one of them stand."""
    return _BASE64 in value and "data_base64" in decode_fields(value)


def refuse_what_stands_twice(value: bytes, event_type: str) -> None:
    """Refuse a name that stands twice in an object: the value that is read last need not be the right one."""
    if tells_data_twice(value):
        raise ContractViolation(
            ErrorClass.ENVELOPE_INVALID,
            "`data_base64` stands beside `data`; send one of them, and as JSON in `data`",
            "$.data_base64",
            event_type,
        )
    try:
        name = repeated_name(value.decode())
    except (RecursionError, ValueError):  # how deep is too deep differs from reader to reader
        return
    if name is not None:
        in_data = name.startswith("data.")
        raise ContractViolation(
            ErrorClass.DATA_INVALID if in_data else ErrorClass.ENVELOPE_INVALID,
            f"`{name.removeprefix('data.')}` {TWICE}; tell it once, nobody knows which one holds",
            f"$.{name}",
            event_type,
        )


def refuse_forbidden_characters(data: str, event_type: str) -> None:
    """Refuse what JSON may escape and PostgreSQL cannot store: NUL (the decoder refuses halves of surrogate pairs).

    Looked for in the text: a document that the decoder accepts may be too deep, or its numbers too long, for json.
    """
    if "\\u0000" in data and _NUL.search(data):
        path = place_of(data, lambda text: "\0" in text)
        path = "$.data" if path is None else path.replace("$", "$.data", 1)
        raise ContractViolation(
            ErrorClass.FORBIDDEN_CHARACTER,
            f"`{name_of(path)}` holds the character NUL (\\u0000), which PostgreSQL cannot store",
            path,
            event_type,
        )
