"""A valid event decodes to exactly what was sent; anything else says what is wrong and where."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.attribution import attribute
from shop_platform.events.decode import Contract, ContractViolation, ErrorClass, decode
from shop_platform.events.registry import EVENT_TYPES, TOPICS, EventType, successor
from shop_platform.events.types import PageViewed
from tests.support.events import MONEY, REFUND_LINE, REFUNDS, page_view, refund

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def violation(value, topic="shop.web"):
    with pytest.raises(ContractViolation) as caught:
        decode(value if isinstance(value, bytes) else json.dumps(value).encode(), topic)
    return caught.value


@given(st.binary(max_size=300) | JSON.map(lambda document: json.dumps(document).encode()))
def test_no_input_makes_the_decoder_fail_in_another_way(value):
    with pytest.raises(ContractViolation):
        decode(value, "shop.web")
    attribute(value, [("ce_id", value), ("ce_time", value)])


@given(JSON)
def test_an_additional_field_flows_through_untouched(extra):
    sent = page_view(1)
    sent["data"]["extra"] = extra
    text = json.dumps(sent)
    try:
        event = decode(text.encode(), "shop.web")
    except ContractViolation as refused:
        # the only reasons: NUL or a lone surrogate somewhere in the field
        assert refused.error_class in {ErrorClass.FORBIDDEN_CHARACTER, ErrorClass.NOT_JSON}
        assert "\\u0000" in text or "\\ud" in text
    else:
        assert json.loads(bytes(event.data)) == sent["data"]


@pytest.mark.parametrize(
    ("change", "error_class", "path"),
    [
        ({"specversion": "0.3"}, ErrorClass.ENVELOPE_INVALID, "$.specversion"),
        ({"id": "7"}, ErrorClass.ENVELOPE_INVALID, "$.id"),
        ({"time": "2026-01-01T00:00:00"}, ErrorClass.ENVELOPE_INVALID, "$.time"),
        ({"source": "has\ttab"}, ErrorClass.ENVELOPE_INVALID, "$.source"),
        ({"subject": "ses_000001\n"}, ErrorClass.ENVELOPE_INVALID, "$.subject"),
        ({"data": None}, ErrorClass.DATA_INVALID, "$.data"),
        ({"type": "shop.web.page_viewed.v2"}, ErrorClass.UNKNOWN_VERSION, "$.type"),
        ({"type": "shop.nothing.known.v1"}, ErrorClass.UNKNOWN_TYPE, "$.type"),
        ({"subject": "ses_000002"}, ErrorClass.SUBJECT_MISMATCH, "$.subject"),
    ],
)
def test_a_fault_is_named_with_its_place(change, error_class, path):
    found = violation(page_view(1) | change)
    assert (found.error_class, found.path) == (error_class, path)


@pytest.mark.parametrize("amount", ["NaN", "1e3", "-1.00", "1.5", "01.00", 12.5, "1.00\n", "9999999999999.00"])
def test_money_is_a_plain_decimal_or_nothing(amount):
    sent = page_view(1) | {"type": "shop.web.product_viewed.v1"}
    sent["data"] = {
        "session_id": "ses_000001",
        "visitor_id": "v",
        "product_id": "p",
        "price": amount,
        "currency": "EUR",
    }
    assert violation(sent).path == "$.data.price"


def test_an_escaped_backslash_before_u0000_is_no_nul():
    sent = page_view(1)
    sent["data"]["path"] = "C:\\u0000"
    assert json.loads(bytes(decode(json.dumps(sent).encode(), "shop.web").data)) == sent["data"]


def test_the_headers_attribute_a_message_that_cannot_be_read():
    event_id, time = str(uuid.uuid4()), "2026-03-01T09:00:00+01:00"
    in_body = json.dumps({"id": event_id, "time": time}).encode()
    for value, headers in (
        (b"\xff", [("ce_id", event_id.encode()), ("ce_time", time.encode())]),
        (in_body, None),
        (in_body, [("ce_id", b"x"), ("ce_time", b"yesterday")]),
    ):
        found = attribute(value, headers)
        assert (found.event_id, found.event_time) == (event_id, dt.datetime.fromisoformat(time))
    assert attribute(b"\xff", [("ce_id", None), ("ce_id", b"x"), ("ce_time", b"2026-03-01")])[:2] == (None, None)


@pytest.mark.parametrize(
    "other", ["1e309", "1e400000", "-1e-400000", "9" * 5000, '{"a": 1, "a": 2}', r'"\u0000"'], ids=count()
)
def test_a_message_is_attributed_whatever_else_is_in_it(other):
    sent = page_view(1, source="/nordkap/checkout?x=1")
    value = json.dumps(sent).replace('"data": {', f'"further": {other}, "data": {{"weight": {other}, ').encode()
    found = attribute(value, None)
    assert (found.event_id, found.event_time) == (sent["id"], dt.datetime.fromisoformat(sent["time"]))
    assert (found.source, found.event_type) == ("/nordkap/checkout", sent["type"])
    odd = attribute(json.dumps(sent | {"id": 7, "time": [], "type": None}).encode(), None)
    assert odd == (None, None, "/nordkap/checkout", None), "each is read by itself"


def test_every_type_belongs_to_one_topic_and_is_keyed_by_a_field_of_its_own():
    names = [kind.name for topic in TOPICS for kind in topic.event_types]
    assert len(names) == len(set(names)) == len(EVENT_TYPES) == 25
    assert len({kind.family for kind in EVENT_TYPES.values()}) == 24
    for kind in EVENT_TYPES.values():
        assert kind.subject_field in kind.payload.__struct_fields__


def test_a_registered_version_is_read_beside_the_older_one_and_an_unregistered_one_is_told():
    class PageViewedV2(PageViewed, frozen=True):
        """A page was viewed, with the time it took to load."""

        load_ms: int

    web = next(topic for topic in TOPICS if topic.subject == "web")
    second = EventType("shop.web.page_viewed.v2", PageViewedV2, "session_id")
    contract = Contract([replace(web, event_types=(*web.event_types, second))])
    old = page_view(1)
    new = old | {"type": second.name, "data": old["data"] | {"load_ms": 120}}
    for sent in (old, new):
        assert contract.decode(json.dumps(sent).encode(), "shop.web").type == sent["type"]
    assert violation(new).error_class is ErrorClass.UNKNOWN_VERSION
    with pytest.raises(ContractViolation, match=r"version 3 .* newest known is shop\.web\.page_viewed\.v2"):
        contract.decode(json.dumps(new | {"type": "shop.web.page_viewed.v3"}).encode(), "shop.web")
    with pytest.raises(ContractViolation, match="load_ms"):
        contract.decode(json.dumps(old | {"type": second.name}).encode(), "shop.web")


def test_both_versions_of_a_refund_are_read_side_by_side_each_by_its_own_types():
    for _ in range(2):  # the strict way, then the quick one: by now the source is known
        for version in (1, 2):
            sent = refund(version)
            found = decode(json.dumps(sent).encode(), "shop.returns")
            assert (found.type, json.loads(bytes(found.data))) == (sent["type"], sent["data"])
    assert violation(refund(1) | {"data": REFUNDS[2]}, "shop.returns").error_class is ErrorClass.DATA_INVALID
    assert violation(refund(2) | {"data": REFUNDS[1]}, "shop.returns").error_class is ErrorClass.DATA_INVALID
    wrong = violation(refund(2, lines=[REFUND_LINE | {"refunded": MONEY | {"tax": 1.9}}]), "shop.returns")
    assert (wrong.error_class, wrong.path) == (ErrorClass.DATA_INVALID, "$.data.lines[0].refunded.tax")
    unknown = violation(refund(2) | {"type": "shop.refund.issued.v3"}, "shop.returns")
    assert unknown.error_class is ErrorClass.UNKNOWN_VERSION
    assert "newest known is shop.refund.issued.v2" in str(unknown)


def test_a_retired_version_is_a_dead_letter_that_names_the_one_to_use():
    returns = next(topic for topic in TOPICS if topic.subject == "returns")
    left = tuple(kind for kind in returns.event_types if kind.name != "shop.refund.issued.v1")
    contract = Contract([replace(returns, event_types=left)])
    assert contract.decode(json.dumps(refund(2)).encode(), "shop.returns").type == "shop.refund.issued.v2"
    with pytest.raises(ContractViolation, match=r"version 1 .* newest known is shop\.refund\.issued\.v2") as caught:
        contract.decode(json.dumps(refund(1)).encode(), "shop.returns")
    assert caught.value.error_class is ErrorClass.UNKNOWN_VERSION


def test_the_newest_version_succeeds_every_older_one_of_its_own_type():
    assert successor(EVENT_TYPES["shop.refund.issued.v1"]) is EVENT_TYPES["shop.refund.issued.v2"]
    assert {name for name, kind in EVENT_TYPES.items() if successor(kind)} == {"shop.refund.issued.v1"}


@pytest.mark.parametrize("number", [0, 2**128 - 1])
def test_an_id_that_names_nothing_is_refused_and_attributes_nothing(number):
    sent = page_view(1) | {"id": str(uuid.UUID(int=number))}
    decode(json.dumps(page_view(1)).encode(), "shop.web")  # the source is known: the quick way is tried
    found = violation(sent)
    assert (found.error_class, found.path) == (ErrorClass.ENVELOPE_INVALID, "$.id")
    assert "names nothing" in str(found)
    assert attribute(json.dumps(sent).encode(), [("ce_id", sent["id"].encode())]).event_id is None


def test_the_time_of_a_clock_that_is_wrong_is_refused_with_the_bound_and_its_setting():
    now = dt.datetime.now(dt.UTC)
    for time, setting in (
        ("1970-01-01T00:00:00Z", "SHOP_EVENT_TIME_EARLIEST"),
        ("1999-12-31T23:59:59.999999Z", "SHOP_EVENT_TIME_EARLIEST"),
        ("0001-01-01T00:00:00+14:00", "SHOP_EVENT_TIME_EARLIEST"),
        ((now + dt.timedelta(hours=25)).isoformat(), "SHOP_EVENT_TIME_AHEAD_HOURS"),
        ("2099-01-01T00:00:00Z", "SHOP_EVENT_TIME_AHEAD_HOURS"),
        ("9999-12-31T23:59:59-14:00", "SHOP_EVENT_TIME_AHEAD_HOURS"),
    ):
        found = violation(page_view(1) | {"time": time})
        assert (found.error_class, found.path) == (ErrorClass.TIME_IMPLAUSIBLE, "$.time"), time
        assert setting in str(found)
    for time in ("2000-01-01T00:00:00Z", (now + dt.timedelta(hours=23)).isoformat()):
        for _ in range(2):
            decode(json.dumps(page_view(1) | {"time": time}).encode(), "shop.web")


def test_the_bounds_of_time_are_the_contracts_own():
    wide = Contract(earliest=dt.datetime.min.replace(tzinfo=dt.UTC), ahead=dt.timedelta(days=10_000_000))
    for time in ("0001-01-02T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-30T23:59:59.999999Z"):
        assert wide.decode(json.dumps(page_view(1) | {"time": time}).encode(), "shop.web")
    for time in ("0001-01-01T23:59:59Z", "9999-12-31T00:00:00Z"):
        with pytest.raises(ContractViolation) as caught:
            wide.decode(json.dumps(page_view(1) | {"time": time}).encode(), "shop.web")
        assert caught.value.error_class is ErrorClass.TIME_IMPLAUSIBLE
