"""docs/producers.md tells what the code does: its table, examples and limits; its links lead somewhere."""

from __future__ import annotations

import json
import re
import runpy
from uuid import UUID

import pytest

from shop_platform.events import vocabulary
from shop_platform.events.decode import AHEAD, CONTRACT, EARLIEST, ContractViolation
from shop_platform.events.envelope import MAX_MESSAGE_BYTES, Envelope
from shop_platform.events.faults import ErrorClass
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE, successor
from shop_platform.events.urls import PARAMETERS
from tests.events import producers_page as page

HEADER = "| Type | Topic | `subject` = key |\n|---|---|---|\n"
STRUCTURED, BINARY = (page.message(each) for each in page.blocks("text"))
(VALUE,) = (each.encode() for each in page.blocks("json"))


def order(**changes):
    """The page's order; names with a double underscore are those of its data."""
    event = json.loads(VALUE)
    for name, value in changes.items():
        where = event["data"] if name.startswith("data__") else event
        where[name.removeprefix("data__")] = value
    return json.dumps(event).encode()


def refused(value, topic="shop.orders"):
    with pytest.raises(ContractViolation) as told:
        CONTRACT.decode(value, topic)
    return told.value.error_class


def test_the_table_of_types_is_the_registry():
    assert HEADER + page.table_of_types() + "\n\n" in page.text(), "write tests.events.producers_page.table_of_types()"


def test_the_whole_event_is_right_in_both_modes_and_is_the_same_event():
    structured = CONTRACT.decode_message(VALUE, STRUCTURED.headers, STRUCTURED.topic)
    data = json.dumps(json.loads(VALUE)["data"]).encode()
    binary = CONTRACT.decode_message(data, BINARY.headers, BINARY.topic)
    for each, message in ((structured, STRUCTURED), (binary, BINARY)):
        assert each.type in EVENT_TYPES and TOPIC_OF_TYPE[each.type].name == message.topic
        assert each.subject.encode() == message.key
    assert (structured.id, structured.source, structured.time) == (binary.id, binary.source, binary.time)
    headers = dict(STRUCTURED.headers)
    assert (headers["ce_id"], headers["ce_time"]) == tuple(json.loads(VALUE)[name].encode() for name in ("id", "time"))


def test_the_table_of_attributes_says_which_must_be_there():
    told = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", page.text(), re.MULTILINE))
    assert told.keys() == set(Envelope.__struct_fields__)
    for name, must in told.items():
        event = json.loads(VALUE)
        del event[name]
        left_out = json.dumps(event).encode()
        if must == "no":
            CONTRACT.decode(left_out, "shop.orders")
        else:
            assert refused(left_out) is ErrorClass.ENVELOPE_INVALID


@pytest.mark.parametrize(
    "changes",
    [
        {"traceparent": "00-1-1-00", "dataschema": "https://example.org/x"},
        {"data__coupon": None},
        {"data__gift": True},
        {"time": "2026-03-31T07:30:00.123456789Z"},
        {"id": "0190B5E07C3A7E4B8F1D2A3B4C5D6E7F"},
        {"data__country": "ZZ"},
        {"data__time_estimated": True},
    ],
    ids=str,
)
def test_what_the_page_says_is_taken_is_taken(changes):
    event = CONTRACT.decode(order(**changes), "shop.orders")
    assert not hasattr(event, "traceparent")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": "A-2"}, ErrorClass.SUBJECT_MISMATCH),
        ({"data__total": 16.81}, ErrorClass.DATA_INVALID),
        ({"data__total": "16.80"}, ErrorClass.DATA_INVALID),
        ({"data__shipping": "4"}, ErrorClass.DATA_INVALID),
        ({"data__shipping": "4.1"}, ErrorClass.DATA_INVALID),
        ({"data__shipping": "-4.12"}, ErrorClass.DATA_INVALID),
        ({"data__channel": None}, ErrorClass.DATA_INVALID),
        ({"data__channel": "Paid Search"}, ErrorClass.DATA_INVALID),
        ({"data__currency": "BTC"}, ErrorClass.DATA_INVALID),
        ({"data__currency": "XXX"}, ErrorClass.DATA_INVALID),
        ({"data__coupon": "x" * 501}, ErrorClass.DATA_INVALID),
        ({"subject": "#1001", "data__order_id": "#1001"}, ErrorClass.ENVELOPE_INVALID),
        ({"time": "2026-03-31T09:30:00"}, ErrorClass.ENVELOPE_INVALID),
        ({"time": "2026-03-31T09:30+02:00"}, ErrorClass.ENVELOPE_INVALID),
        ({"time": "1999-12-31T00:00:00Z"}, ErrorClass.TIME_IMPLAUSIBLE),
        ({"id": "urn:uuid:0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d6e7f"}, ErrorClass.ENVELOPE_INVALID),
        ({"id": "00000000-0000-0000-0000-000000000000"}, ErrorClass.ENVELOPE_INVALID),
        ({"type": "shop.order.placed.v2"}, ErrorClass.UNKNOWN_VERSION),
        ({"data": "{}"}, ErrorClass.DATA_INVALID),
    ],
    ids=str,
)
def test_what_the_page_says_is_refused_is_refused(changes, said):
    assert refused(order(**changes)) is said


def test_amounts_have_the_decimals_that_the_page_gives_their_currency():
    told = re.findall(r'`"([0-9.]+)"` ([A-Z]{3})', page.text())
    assert len(told) == 7
    for amount, currency in told:
        paid = {"order_id": "A-1001", "payment_id": "P-1", "method": "card", "amount": amount, "currency": currency}
        value = order(type="shop.order.paid.v1", data=paid)
        if (amount, currency) in {("4", "EUR"), ("4.1", "EUR")}:
            assert refused(value) is ErrorClass.DATA_INVALID
        else:
            CONTRACT.decode(value, "shop.orders")


def test_the_limits_are_those_of_the_contract():
    def bound(kind, name):
        return getattr(kind.__metadata__[0], name)

    text = page.text()
    assert f"at most {MAX_MESSAGE_BYTES:,} bytes" in text
    assert f"at most {bound(vocabulary.Text, 'max_length')} characters" in text
    quantity, number = vocabulary.Quantity, vocabulary.LineNumber
    assert f"from {bound(quantity, 'ge')} to {bound(quantity, 'le'):,}" in text
    assert f"from {bound(number, 'ge')} to {bound(number, 'le'):,}" in text
    assert f"From {EARLIEST:%Y-%m-%d} to a day from now" in text and AHEAD.days == 1
    assert all(f"`{name}`" in text for name in PARAMETERS)


def test_the_older_versions_are_those_that_the_page_names():
    (section,) = re.findall(r"^## Versions and .*?(?=^## )", page.text(), re.DOTALL | re.MULTILINE)
    assert {kind.name for kind in EVENT_TYPES.values() if successor(kind)} == set(
        re.findall(r"`(shop\.[\w.]+\.v\d+)`", section)
    )


def test_the_made_id_is_one_and_always_the_same(tmp_path):
    program = tmp_path / "made.py"
    program.write_text(page.block("python", "uuid5"))
    made = runpy.run_path(str(program))["event_id"]
    assert made == UUID("170d3679-57f4-5267-aa43-15258d522039")


def test_every_link_leads_to_a_file_and_a_heading():
    def headings(text):
        return {
            re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }

    for target, _, heading in re.findall(r"\]\((?!https?:)([^)#]*)(#([^)]+))?\)", page.text()):
        found = page.PAGE.parent / target if target else page.PAGE
        assert found.exists(), target
        if heading:
            assert heading in headings(found.read_text(encoding="utf-8")), f"{target}#{heading}"
