"""Messages that are no valid events, of every kind, and what is to become of each."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shop_platform.events.decode import ErrorClass as C
from shop_platform.generator.faults import MALFORMATIONS, malform
from shop_platform.generator.message import Message
from tests.support.events import event, page_view

TOPIC = "shop.web"
LANDS = "lands"
"""In place of an error class: the message is odd, but a valid event."""


class Poison(NamedTuple):
    """A message and the outcomes that are right for it: error classes, or :data:`LANDS`."""

    name: str
    event_id: str
    value: bytes | None
    outcomes: frozenset[str]


def _page(**changes: Any) -> dict[str, Any]:
    return page_view(random.randrange(1000)) | changes


def _text(change: Callable[[str], str] = lambda text: text, **changes: Any) -> tuple[str, bytes]:
    page = _page(**changes)
    return page["id"], change(json.dumps(page)).encode()


def _with(extra: str) -> tuple[str, bytes]:
    """Return an event whose data holds the further field ``x`` with this JSON text."""
    return _text(lambda text: text.replace('"page_type"', f'"x": {extra}, "page_type"', 1))


def _nested(depth: int, inner: str = "1") -> tuple[str, bytes]:
    return _with("[" * depth + inner + "]" * depth)


def _sized(size: int) -> tuple[str, bytes]:
    """Return a valid event of exactly ``size`` bytes."""
    event_id, value = _with('""')
    return event_id, value.replace(b'"x": ""', b'"x": "' + b"x" * (size - len(value)) + b'"', 1)


def _kinds() -> Iterator[tuple[str, tuple[str | None, bytes | None], set[str]]]:
    for name, value in (("empty", b""), ("tombstone", None)):
        yield name, (None, value), {C.EMPTY}
    for name, value in (
        ("half a brace", b"{"),
        ("html", b"<html><body>502 Bad Gateway</body></html>"),
        ("white space", b" \n\t "),
        ("a NUL byte", b"\x00"),
        ("byte order mark", b"\xef\xbb\xbf" + _text()[1]),
        ("two documents", _text()[1] * 2),
        ("avro", b"\x00\x00\x00\x00\x01\x10shop.web"),
    ):
        yield name, (None, value), {C.NOT_JSON}
    yield "utf-16", (None, json.dumps(_page()).encode("utf-16")), {C.NOT_UTF8, C.NOT_JSON}
    yield "latin-1", (None, json.dumps(_page(source="/shop/é"), ensure_ascii=False).encode("latin-1")), {C.NOT_UTF8}
    yield "overlong utf-8", _bytes_in_data(b"\xc0\xaf"), {C.NOT_UTF8}
    yield "surrogate in utf-8", _bytes_in_data(b"\xed\xa0\x80"), {C.NOT_UTF8}
    yield "cut utf-8", _bytes_in_data(b"\xf0\x9f\x98"), {C.NOT_UTF8}
    for literal in ("null", "0", '""', "[]", "true", "1e400000", '["shop"]', "{}"):
        yield f"not an object: {literal}", (None, literal.encode()), {C.ENVELOPE_INVALID}
    for field in ("id", "source", "type", "time", "subject", "specversion", "data"):
        page = _page()
        event_id = page["id"]
        yield (
            f"without {field}",
            (event_id, json.dumps({k: v for k, v in page.items() if k != field}).encode()),
            {C.ENVELOPE_INVALID},
        )
        if field != "data":
            yield f"{field} is a number", (None, _text(**{field: 7})[1]), {C.ENVELOPE_INVALID}
        yield f"{field} is null", (None, _text(**{field: None})[1]), {C.ENVELOPE_INVALID, C.DATA_INVALID}
    for field, value in {
        "id": "not-a-uuid", "specversion": "0.3", "datacontenttype": "text/xml", "subject": "ses_\n", "source": "a b",
    }.items():  # fmt: skip
        yield f"{field}: {value!r}", (None, _text(**{field: value})[1]), {C.ENVELOPE_INVALID}
    for time in ("yesterday", "2026-03-29T02:30:00", "2026-13-01T00:00:00Z", "2026-03-29", "1774747800"):
        yield f"time: {time}", _text(time=time), {C.ENVELOPE_INVALID}
    beyond = "9999-12-31T23:59:59-01:00", "9999-12-31T00:00:00Z", "0001-01-01T23:59:59Z", "0001-01-01T00:00:00+01:00"
    for time in beyond:
        yield f"time beyond the calendar: {time}", _text(time=time), {C.TIME_IMPLAUSIBLE}
    yield "unknown version", _text(type="shop.web.page_viewed.v99"), {C.UNKNOWN_VERSION}
    yield "version of 100,000 digits", _text(type="shop.web.page_viewed.v" + "9" * 100_000), {C.UNKNOWN_VERSION}
    for kind in ("", "x", "shop.web.page_viewed", "shop.web.page_viewed.v0", "\x00", "\U0001f4a5" * 1000):
        yield f"type {kind[:12]!r}", _text(type=kind), {C.UNKNOWN_TYPE, C.UNKNOWN_VERSION}
    paid = {"order_id": "ord_1", "payment_id": "pay_1", "method": "card", "amount": "1.00", "currency": "EUR"}
    elsewhere = event("shop.order.paid.v1", "ord_1", paid)
    yield "in the wrong topic", (elsewhere["id"], json.dumps(elsewhere).encode()), {C.WRONG_TOPIC}
    yield "subject differs", _text(subject="other"), {C.SUBJECT_MISMATCH}
    for name, data in {"of a wrong type": {"session_id": 1}, "a list": [], "a text": "x", "empty": {}}.items():
        yield f"data {name}", _text(data=data), {C.DATA_INVALID}
    yield from _odd_json()
    for size, outcome in ((999_999, LANDS), (1_000_000, LANDS), (1_000_001, C.TOO_LARGE), (1_040_000, C.TOO_LARGE)):
        yield f"{size} bytes", _sized(size), {outcome}


def _bytes_in_data(raw: bytes) -> tuple[str, bytes]:
    event_id, value = _with('"here"')
    return event_id, value.replace(b"here", raw)


def _odd_json() -> Iterator[tuple[str, tuple[str | None, bytes | None], set[str]]]:
    for name, raw in {
        "NUL": r'"a\u0000b"', "NUL behind a backslash": r'"\\\u0000"', "NUL in a name": r'{"a\u0000": 1}',
    }.items():  # fmt: skip
        yield name, _with(raw), {C.FORBIDDEN_CHARACTER}
    yield "half a surrogate pair", _with(r'"\ud800"'), {C.FORBIDDEN_CHARACTER, C.NOT_JSON}
    yield "a pair in the wrong order", _with(r'"\udc00\ud800"'), {C.FORBIDDEN_CHARACTER, C.NOT_JSON}
    for raw in ('"\x01"', '"\x00"', '"\t"', r'"\q"', r'"\uZZZZ"', "01", "+1", "1.", "NaN", "-Infinity", "[1,]", "'x'"):
        yield f"no JSON: {raw!r}", _with(raw), {C.NOT_JSON}
    for name, raw in {
        "an escaped backslash before u0000": r'"\\u0000"', "an emoji as a pair": r'"\ud83d\ude00"', "1.0": "1.0",
        "a million": "1e6", "minus nothing": "-0",
    }.items():  # fmt: skip
        yield name, _with(raw), {LANDS}
    yield "a name twice", _with('1, "x": 2'), {C.DATA_INVALID}
    # Valid JSON and no problem of the contract's: what PostgreSQL cannot hold, only PostgreSQL can tell.
    for name, raw in {"1e400000": "1e400000", "131,073 digits": "1" * 131_073}.items():
        yield name, _with(raw), {C.DATABASE_REJECTED}
    yield "a very small number", _with("1e-400000"), {C.DATABASE_REJECTED, LANDS}
    for digits in (4_300, 4_301, 100_000):  # Python converts no longer text to an integer
        yield f"{digits} digits", _with("9" * digits), {LANDS}
        yield f"{digits} digits beside an escape", _with(r'"\u0041", "n": ' + "9" * digits), {LANDS}
    # How deep is too deep depends on the stack at the moment; that it may never be more than a dead letter does not.
    for depth in (*range(960, 1_010), 5_000, 100_000):
        yield f"{depth} deep", _nested(depth), {LANDS, C.NOT_JSON}
        yield f"{depth} deep beside an escape", _nested(depth, r'"\u0041"'), {LANDS, C.NOT_JSON}


def every_kind() -> list[Poison]:
    """Return one message of every kind, each under an id of its own."""
    found = []
    for name, (event_id, value), outcomes in _kinds():
        found.append(Poison(name, event_id or str(uuid.uuid4()), value, frozenset(map(str, outcomes))))
    return found


def spoilt(rng: random.Random, message: Message) -> Message:
    """Return ``message`` damaged somewhere, but not in its id and its time: the ledger knows it by these."""
    value = message.value
    if rng.random() < 0.2:
        return message._replace(value=malform(value, rng.choice(MALFORMATIONS), rng.uniform(0.15, 0.9)))
    kept = {
        at
        for text in (message.event_id.encode(), message.event_time.encode())
        for at in range(value.find(text) - 1, value.find(text) + len(text) + 1)
    }
    damaged: list[bytes] = [bytes([byte]) for byte in value]
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        at = rng.randrange(len(damaged))
        if at not in kept:
            damaged[at] = rng.choice(
                (rng.randbytes(1), bytes([value[at] ^ 1 << rng.randrange(8)]), rng.randbytes(4), b"")
            )
    return message._replace(value=b"".join(damaged))
