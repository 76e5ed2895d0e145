"""Events near the borders of the contract, each with the right answer, for validators of every language.

``beyond`` says what a schema cannot tell: there the decoder refuses what the schemas take.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from shop_platform.events.examples import example
from shop_platform.events.registry import EVENT_TYPES

REMOVED = object()


class Case(NamedTuple):
    """A message in structured mode, whether it is an event, and why a schema would say otherwise."""

    name: str
    type: str
    text: str
    right: bool
    beyond: str = ""


UUID = "0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d6e7f"
# By field: right values, then wrong ones. The event is the type's example.
_VALUES: dict[tuple[str, str], tuple[list[Any], list[Any]]] = {
    ("shop.web.page_viewed.v1", "id"): (
        [UUID, UUID.upper(), UUID.replace("-", ""), "00000000-0000-0000-0000-000000000001"],
        [
            "00000000-0000-0000-0000-000000000000", "0" * 32, "ffffffff-ffff-ffff-ffff-ffffffffffff", "Ff" * 16,
            f"{UUID}\n", f" {UUID}", f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID[:-1], UUID.replace("-", "_"),
            UUID.replace("-", "", 1), "", 7, None, REMOVED,
        ],
    ),
    ("shop.web.page_viewed.v1", "time"): (
        [
            "2026-03-31T09:30:00Z", "2026-03-31t09:30:00z", "2026-03-31 09:30:00+02:00", "2026-03-31T09:30:00+0200",
            "2026-03-31T09:30:00.123456789-00:00", "2024-02-29T23:59:59Z", "2000-02-29T00:00:00Z",
        ],
        [
            "0000-01-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-06-30T23:59:60Z",
            "2026-03-31T24:00:00Z", "2026-03-31T09:30:00", "2026-03-31T09:30Z", "2026-03-31", "2026-04-31T09:30:00Z",
            "2026-03-31T09:30:00Z\n", "2026-03-31T09:30:00 Z", "2026-03-31T09:30:00+02", "2026-03-31T09:30:00.Z",
            "2026-03-31T09:30:00+24:00", "20260331T093000Z", "\u0662\u0660\u0662\u0666-03-31T09:30:00Z", 1774949400,
            None, REMOVED,
        ],
    ),
    ("shop.order.amended.v1", "data.placed_at"): (
        ["2026-03-31T09:30:00Z", "2026-03-31 09:30:00+0200"],
        ["2026-03-31", "2026-03-31T09:30:00", "soon", "2026-03-31T09:30:00Z\n", "0000-01-01T00:00:00Z", None],
    ),
    ("shop.order.shipped.v1", "data.promised_on"): (
        ["2026-04-03", "2024-02-29", "0001-01-01", "9999-12-31"],
        ["0000-01-01", "2026-02-29", "2026-4-3", "2026-04-03\n", "2026-04-03T00:00:00Z", "", None],
    ),
    ("shop.web.page_viewed.v1", "source"): (
        ["/shop/web", "https://shop.example/a?b=[c]#d", "urn:x:y", "%20", "a" * 255, "'!$&()*+,;="],
        ["", "a b", "/shop/web\n", "a" * 256, "\u00e9", '"', "\\", "a\u0000", None, REMOVED],
    ),
    ("shop.web.page_viewed.v1", "datacontenttype"): (
        [
            REMOVED, "application/json", "APPLICATION/JSON", "application/json; charset=utf-8",
            "application/json;charset=UTF8", 'application/json; charset="utf-8"; q=1', "application/vnd.shop+json",
            "application/json; charset=us-ascii", "application/json ;", "application/json; charsets=x",
            "application/json; charset", "application/json; chars", "application/json;q=charset=latin1",
            "application/json; charset = latin1", "application/json;;; charset=utf-8 ;",
        ],
        [
            "application/json; charset=latin1", "application/json; q=1; Charset=ISO-8859-1",
            'application/json; charset="windows-1252"', "text/json", "application/json; charset=",
            "application/json; charset=utf-8x", "application/json\n", "application/json; charset=utf-8\n",
            "application/json; q=\u00e9", "application/xml", "", None, "application/json x", "application/json;\n",
            "application/json;charset=utf-8;charset=utf-16",
        ],
    ),
    ("shop.web.page_viewed.v1", "specversion"): (["1.0"], ["1.0.2", "0.3", "1", 1.0, None, REMOVED]),
    ("shop.web.page_viewed.v1", "traceparent"): (
        ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", 7, True, None, "a\u0000", {"any": ["thing"]}], [],
    ),
    ("shop.web.page_viewed.v1", "subject"): ([], ["", "a b", "ses_42\n", None, REMOVED]),
    ("shop.web.page_viewed.v1", "data"): ([], [REMOVED, None, [], "text", {}]),
    ("shop.web.page_viewed.v1", "data.page"): (
        ["", "/a\nb\n", "x" * 500, "\U0001f6d2" * 500, "\ufeff", "\U0010ffff\ue000\ud7ff\u0001"],
        ["x" * 501, "\U0001f6d2" * 501, "a\u0000b", "\u0000", None, 7, REMOVED],
    ),
    ("shop.web.page_viewed.v1", "data.own"): (
        ["text", 1.5, True, None, {"a": [1, {"b": "c\n"}]}, [], {"": ""}],
        ["a\u0000", {"a": ["\u0000"]}, {"a\u0000": 1}],
    ),
    ("shop.web.page_viewed.v1", "data.own\u0000"): ([], [1]),
    ("shop.web.page_viewed.v1", "data.page_type"): (
        ["category", "a", "a_9", "a" * 64], ["", "Category", "9a", "a" * 65, "category\n", "a-b", "\u00e4"],
    ),
    ("shop.web.product_viewed.v1", "data.product_id"): (
        ["desk", "9", "gid:shop.1_2-3", "a" * 64], ["", "a b", "_a", "desk\n", "a" * 65, "a/b", "\u00e9", 7],
    ),
    ("shop.web.product_viewed.v1", "data.price"): (
        ["0.00", "100.00", "999999999999.99"],
        ["-1.00", "01.00", "1,00", "1.0", ".50", "1.00\n", " 1.00", "1e2", "1.", "1.00000", "1" * 13, 100.0, None],
    ),
    ("shop.web.product_viewed.v1", "data.currency"): (
        ["EUR", "BGN"], ["eur", "EU", "EURO", "EUR\n", "BTC", "XXX", "XAU", "", None],
    ),
    ("shop.web.session_started.v1", "data.country"): (["DE", "XK", "ZZ"], ["de", "UK", "XX", "DEU", "DE\n", ""]),
    ("shop.web.session_started.v1", "data.customer_id"): (["cus_7", None, REMOVED], ["", "a b", "cus_7\n", 7]),
    ("shop.web.searched.v1", "data.results"): ([0, 1_000_000_000], [-1, 1_000_000_001, "1", 1.5, True, None]),
    ("shop.stock.changed.v1", "data.delta"): ([-1_000_000, 0, 1_000_000], [-1_000_001, 1_000_001, "1"]),
    ("shop.product.updated.v1", "data.active"): ([True, False], ["true", 1, 0, None, REMOVED]),
    ("shop.order.placed.v1", "data.lines"): ([], [[], {}, None, REMOVED, [None], [{}]]),
    ("shop.order.placed.v1", "data.time_estimated"): ([True, False, REMOVED], ["yes", 1, None]),
}  # fmt: skip
_BEYOND: list[tuple[str, str, Any, str]] = [
    ("shop.order.placed.v1", "data.total", "999.00", "sums"),
    ("shop.order.placed.v1", "data.subtotal", "500.00", "sums"),
    ("shop.order.placed.v1", "data.tax", "0.00", "sums"),
    ("shop.order.placed.v1", "subject", "ord_43", "the subject is the field that its topic is keyed by"),
    ("shop.return.requested.v1", "subject", "ret_42", "the subject is the field that its topic is keyed by"),
    ("shop.marketing.touched.v1", "subject", "tch_42", "the subject is the field that its topic is keyed by"),
    ("shop.web.product_viewed.v1", "data.currency", "JPY", ""),  # two zeros are taken
    ("shop.web.product_viewed.v1", "data.price", "1.005", "the decimals of a currency"),
    ("shop.web.product_viewed.v1", "data.price", "0", "the decimals of a currency"),
    ("shop.web.page_viewed.v1", "time", "2099-01-01T00:00:00Z", "which times are plausible"),
    ("shop.web.page_viewed.v1", "time", "1970-01-01T00:00:00Z", "which times are plausible"),
    ("shop.web.page_viewed.v1", "time", "9999-12-31T23:59:59-10:00", "which times are plausible"),
    ("shop.order.amended.v1", "data.placed_at", "2026-05-01T00:00:00Z", "an order is placed before it is amended"),
    ("shop.web.page_viewed.v1", "data_base64", "e30=", "data stands once"),
]
# What parsers make of the text before a schema sees it.
_TEXTS: list[tuple[str, str, str, str, str]] = [
    ("shop.web.searched.v1", '"results": 12', '"results": 12.0', "a whole number has no point", "a point"),
    ("shop.web.searched.v1", '"results": 12', '"results": 1.2e1', "a whole number has no exponent", "an exponent"),
    ("shop.web.searched.v1", '"results": 12', '"results": 12, "results": 13', "a name stands once", "a name twice"),
    ("shop.web.searched.v1", '"desk"', '"\\ud800"', "half of a surrogate pair", "half a pair in a field"),
    ("shop.web.searched.v1", '"query"', '"own": ["\\udc00x"], "query"', "half of a surrogate pair", "in a list"),
    ("shop.web.searched.v1", '"source"', '"ext": "\\ud800", "source"', "half of a surrogate pair", "in an attribute"),
]


def cases() -> Iterator[Case]:
    """Yield every case: the examples, then each field of the table, then what no schema can tell."""
    for name, kind in EVENT_TYPES.items():
        yield Case(f"{name}: example", name, json.dumps(example(kind)), right=True)
    for (kind, path), (right, wrong) in _VALUES.items():
        for is_right, values in ((True, right), (False, wrong)):
            for value in values:
                shown = "removed" if value is REMOVED else repr(value)[:60]
                yield Case(f"{kind}: {path} {shown}", kind, json.dumps(changed(kind, path, value)), is_right)
    for kind, path, value, beyond in _BEYOND:
        event = changed(kind, path, value)
        yield Case(f"{kind}: {path} {value!r}", kind, json.dumps(event), not beyond, beyond)
    for kind, part, other, beyond, what in _TEXTS:
        text = json.dumps(example(EVENT_TYPES[kind]))
        assert part in text
        yield Case(f"{kind}: {what}", kind, text.replace(part, other, 1), right=False, beyond=beyond)


def changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    """Return the example of a type with another value at ``path``."""
    event = copy.deepcopy(example(EVENT_TYPES[kind]))
    *above, last = path.split(".", 1)
    node = event[above[0]] if above else event
    if value is REMOVED:
        node.pop(last, None)
    else:
        node[last] = value
        if path == f"data.{EVENT_TYPES[kind].subject_field}":
            event["subject"] = value
    return event
