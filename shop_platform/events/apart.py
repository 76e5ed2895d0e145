"""Take an event's data apart: what stays in raw, cleaned, and what is personal (pure)."""

from __future__ import annotations

from typing import Any

import msgspec

from shop_platform.events.envelope import decode_fields
from shop_platform.events.personal import PARAMETERS_SUFFIX, Kept, Texts, Treatment, Tree
from shop_platform.events.spelling import REMOVED, plain, without_addresses
from shop_platform.events.urls import split_url

_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
# As numbers: a byte is looked for several times faster than a piece of one byte.
_QUESTION, _PERCENT, _AT, _HASH, _EQUALS, _SEMICOLON, _BACKSLASH = b"?%@#=;\\"


def take_apart(data: bytes, treatment: Treatment) -> tuple[bytes, bytes | None]:
    """Return what stays of ``data``, and what is personal in its place; ``None`` when nothing is."""
    kept, personal = split(data, treatment.fields) if treatment.fields else (data, None)
    if treatment.texts and is_telling(kept):
        kept, codes = clean(kept, treatment.texts)
        if codes:
            personal = _encode((decode_fields(personal) if personal else {}) | codes)
    return kept, personal


def is_telling(data: bytes) -> bool:
    """Tell whether a text in this JSON may have to be cleaned. Quick: nearly every event of the web is asked."""
    return (
        _QUESTION in data
        or _PERCENT in data
        or _AT in data
        or _HASH in data
        or _EQUALS in data
        or _SEMICOLON in data
        or _BACKSLASH in data
        or not data.isascii()
    )


def split(data: msgspec.Raw | bytes, fields: Tree) -> tuple[bytes, bytes | None]:
    """Return ``data`` without the personal fields, and these in their places; ``None`` when it has none.

    Every value stays as it came, byte for byte: a number is not read, so none loses a digit.
    """
    kept = decode_fields(data)
    taken = _take(kept, fields)
    return (_encode(kept), _encode(taken)) if taken else (bytes(data), None)


def _take(kept: dict[str, msgspec.Raw], fields: Tree) -> dict[str, msgspec.Raw]:
    """Move ``fields`` out of ``kept`` and return them."""
    taken: dict[str, msgspec.Raw] = {}
    for name, below in fields.items():
        if name not in kept:
            continue
        if below is None:
            taken[name] = kept.pop(name)
        elif _is(b"{", kept[name]):  # another version may make something else of it
            inner = decode_fields(kept[name])
            if inner_taken := _take(inner, below):
                taken[name] = msgspec.Raw(_encode(inner_taken))
                kept[name] = msgspec.Raw(_encode(inner))
    return taken


def clean(data: bytes, texts: Texts) -> tuple[bytes, dict[str, msgspec.Raw]]:
    """Return ``data`` with its texts as they may stay (itself where none changes), and the codes that are personal."""
    kept = decode_fields(data)
    codes: dict[str, msgspec.Raw] = {}
    return (_encode(kept) if _clean(kept, texts, codes) else data), codes


def _clean(kept: dict[str, msgspec.Raw], texts: Texts, codes: dict[str, msgspec.Raw]) -> bool:
    changed = False
    for name, how in texts.items():
        raw = kept.get(name)
        if raw is None:
            continue
        if not isinstance(how, Kept):
            if _is(b"{", raw):
                inner = decode_fields(raw)
                if _clean(inner, how, codes):
                    kept[name] = msgspec.Raw(_encode(inner))
                    changed = True
        elif _is(b'"', raw):
            text = _decode_text(raw)
            stays, parameters = _stays(text, how)
            if stays == text:
                continue
            changed = True
            kept[name] = msgspec.Raw(_encode(stays))
            if how is Kept.CODE:
                codes[name] = raw
            if parameters:
                kept[name + PARAMETERS_SUFFIX] = msgspec.Raw(_encode(parameters))
    return changed


def _stays(text: str, how: Kept) -> tuple[str, dict[str, str]]:
    """Return what stays of ``text``, and beside it."""
    if how is Kept.PATH:
        return split_url(text)
    if how is Kept.CODE:
        return REMOVED if "@" in plain(text) else text, {}
    return without_addresses(text), {}


def _is(start: bytes, value: msgspec.Raw) -> bool:
    return bytes(value).lstrip()[:1] == start


class _Named(msgspec.Struct):
    """The part of an event that tells whose it is. Another version may hold anything there."""

    customer_id: Any = None


_decode_named = msgspec.json.Decoder(_Named).decode


def named_customer(data: msgspec.Raw | bytes) -> str | None:
    """Return the customer that an event names beside its subject, if it names one."""
    customer_id = _decode_named(data).customer_id
    return customer_id if isinstance(customer_id, str) else None
