"""The sentences of the contract: what it says of events with one mistake each."""

from __future__ import annotations

import json

from shop_platform.events.decode import CONTRACT, ContractViolation
from shop_platform.events.numbers import refused_number
from tests.events.test_consistency import order
from tests.events.test_modes import binary
from tests.events.test_quick import history
from tests.support.events import page_view, refund

_TIMES = ("2026-03-31", "2026-03-31T09:30Z", "2026-03-31T09:30:00", "2026-03-31T09:30:00+01", "2026-06-30T23:59:60Z")
_WRONG = (
    *(7.5, None, [], [1], {}, True, "", "é " * 300, "x" * 501, "it's", '"quoted"', 4242424242424, "-1", "1.2345"),
    *(*_TIMES, "2026-06-30T24:00:00Z", "2026-02-30T09:30:00Z", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "177"),
    *("00000000-0000-0000-0000-000000000000", "text/xml", "application/json; charset=latin1", "a\0b"),
    *("shop.web.page_viewed.v99", "shop.order.placed.v1", "order.made", "1.50", "12.00", "EUR", "JPY", "KWD"),
)
_DOCUMENTS = (
    *(
        None,
        b"",
        b" ",
        b"<html>",
        b"\x00\x00\x07",
        b"\xff\xfe{",
        b'{"a": "\xff"}',
        b"{} {}",
        b"{} x",
        b"[",
        b"[{}]",
        b"7",
    ),
    *(b'{"a": NaN}', b'{"a": 1,}', b'{"a": 03}', b'{"a": "\\q"}', b'{"a": "\\ud800"}', b'{"a": "\n"}', b"{a: 1}"),
    *(b"[" * 3000, b"x" * 1_000_001, b'[{"specversion": "1.0"}]', b"{'a': 1}", b'{"a" 1}', b'{"a": 1 "b": 2}', b"tru"),
)


def every_sentence() -> set[str]:
    """Return the reasons that the contract gives for a few thousand messages that are wrong."""
    found: set[str] = set()

    def add(value, topic, headers=()):
        try:
            event = CONTRACT.decode_message(value, list(headers), topic)
            if refused := refused_number(bytes(event.data), event.type):
                raise refused
        except ContractViolation as violation:
            found.add(str(violation))

    def each_field_wrong(document, place, topic):
        for field, right in list(place.items()):
            for wrong in _WRONG:
                place[field] = wrong
                add(json.dumps(document).encode(), topic)
            del place[field]
            add(json.dumps(document).encode(), topic)
            place[field] = right
        for field in list(place):
            text = json.dumps(document)
            add(text.replace(f'"{field}":', f'"{field}": 1, "{field}":', 1).encode(), topic)

    messages = [(topic, json.loads(value)) for topic, value in history().values()]
    orders = [order(), order([(1, "10.00", "50.00", "1.90")], total="0.00"), order([(1, "1.00", "0.00", "0.00")] * 2)]
    orders[-1]["data"]["lines"][1]["line_number"] = 1
    for topic, document in (*messages, *(("shop.orders", each) for each in orders)):
        each_field_wrong(document, document["data"], topic)
        for line in document["data"].get("lines", [])[:1]:
            each_field_wrong(document, line, topic)
    each_field_wrong(page := page_view(1), page, "shop.web")
    for version in (1, 2):
        each_field_wrong(back := refund(version), back["data"], "shop.returns")
    for value in _DOCUMENTS:
        for headers in ((), (("ce-id", b"x"),), (("content-type", b"a/b; charset=latin1"),), binary(page_view(1))[1]):
            add(value, "shop.web", headers)
    value, headers = binary(page_view(1))
    for more in (("ce_id", b"other"), ("content-type", b"text/xml"), ("content-type", b"a/b; charset=latin1")):
        add(value, "shop.web", [*headers, more])
        add(value, "shop.web", [more, *headers[1:]])
    text = json.dumps(page_view(1))
    for further in ('"weight": 1e400000', '"weight": [{"a": 1e-20000}]'):
        add(text.replace('"data": {', f'"data": {{{further}, ').encode(), "shop.web")
    add(text.replace('"data": {', '"data_base64": "", "data": {').encode(), "shop.web")
    return found
