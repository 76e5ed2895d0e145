"""The decoder and the published schema give the same answer for times, ids, dates, codes, amounts and media types."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from functools import cache
from importlib import resources

import pytest
from babel.core import get_global
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shop_platform.events.countries import COUNTRIES
from shop_platform.events.currencies import CURRENCIES, CURRENT, MINOR_UNITS
from shop_platform.events.decode import CONTRACT, ContractViolation, ErrorClass
from shop_platform.events.examples import example as example_of
from shop_platform.events.publish import event_schema
from shop_platform.events.registry import EVENT_TYPES
from tests.support.events import event, page_view

VIEWED = {"session_id": "ses_1", "visitor_id": "vis_1", "product_id": "p", "price": "1.50", "currency": "EUR"}
STARTED = {
    "session_id": "ses_1", "visitor_id": "vis_1", "channel": "web", "device": "mobile", "country": "DE",
    "landing_page": "/",
}  # fmt: skip
SHIPPED = {"order_id": "ses_1", "shipment_id": "s", "carrier": "dhl", "promised_on": "2026-03-31"}


def amendment():
    return example_of(EVENT_TYPES["shop.order.amended.v1"]) | {"time": "2026-11-01T00:00:00Z"}


@cache
def schema_of(name):
    """The schema as it stands: no `format` is asserted, as draft 2020-12 has it by default."""
    return Draft202012Validator(event_schema(EVENT_TYPES[name]))


def outcome(sent, topic):
    """Return the violation that both ways of reading find, or ``None``; the schema must agree."""
    value, found = json.dumps(sent).encode(), []
    for read in (CONTRACT.decode, CONTRACT._decode_strictly):
        try:
            read(value, topic)
            found.append(None)
        except ContractViolation as violation:
            found.append((violation.error_class, violation.path, str(violation)))
    assert found[0] == found[1]
    # As a reader reads it: two halves of a surrogate pair that stand side by side are one character.
    assert schema_of(sent["type"]).is_valid(json.loads(value)) == (found[0] is None), sent
    return found[0]


def viewed(**data):
    return event("shop.web.product_viewed.v1", "ses_1", VIEWED | data)


DIGITS = st.integers(0, 99).map("{:02d}".format)
TIMES = st.builds(
    "{}-{}-{}{}{}:{}{}{}{}".format,
    st.sampled_from(["2000", "2024", "2025", "2026", "0000", "26"]),
    st.integers(0, 13).map("{:02d}".format), st.integers(0, 32).map("{:02d}".format),
    st.sampled_from(["T", "t", " ", "_", ""]),
    st.integers(0, 24).map("{:02d}".format), st.sampled_from(["00", "59", "60"]),
    st.sampled_from([":00", ":59", ":60", "", ":5"]), st.sampled_from(["", ".5", ".123456789", ".", ",5"]),
    st.sampled_from(["Z", "z", "+01:00", "-0130", "+01", "-00:00", "+24:00", "+01:60", "", " Z", "\n", "Z\n", "+1:00"]),
)  # fmt: skip


@given(TIMES | st.text(max_size=30))
@example("2026-02-29T00:00:00Z")
@example("2024-02-29T00:00:00Z")
@example("2026-03-31t09:30:00z")
@example("2026-03-31 09:30:00+0200")
@example("2026-06-30T23:59:60Z")
@example("2026-03-31T24:00:00Z")
def test_a_time_is_taken_or_refused_by_both(time):
    found = outcome(page_view(1) | {"time": time}, "shop.web")
    if found is not None:
        assert found[:2] == (ErrorClass.ENVELOPE_INVALID, "$.time")
        assert "RFC-3339" in found[2] and "`2026-03-31T09:30:00+02:00`" in found[2]


@pytest.mark.parametrize(
    ("time", "why"),
    [
        ("2026-03-31", "a date without a time"), ("2026-03-31T09:30Z", "has no seconds"),
        ("2026-03-31T09:30:00", "has no offset from UTC"), ("2026-03-31T09:30:00+02", "whose offset has no minutes"),
        ("2026-03-31T24:00:00Z", "the hours of a day are 00 to 23"), ("2026-06-30T23:59:60Z", "a leap second"),
        ("2026-02-30T09:30:00Z", "no day of the calendar"), ("1774949400", "a count of seconds"),
    ],
)  # fmt: skip
def test_what_is_the_matter_with_a_time_is_told(time, why):
    found = outcome(page_view(1) | {"time": time}, "shop.web")
    assert f"it is '{time}', " in found[2] and why in found[2]


@given(st.dates(dt.date(1890, 1, 1), dt.date(2110, 1, 1)).map(str) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"))
@example("2026-02-29")
@example("2024-02-29T00:00:00Z")
def test_a_date_is_taken_or_refused_by_both(date):
    outcome(event("shop.order.shipped.v1", "ses_1", SHIPPED | {"promised_on": date}), "shop.orders")


SPELLINGS = (
    str, lambda i: str(i).upper(), lambda i: i.hex, lambda i: i.hex.upper(), lambda i: i.urn, lambda i: f"{{{i}}}",
    lambda i: str(i).replace("-", "_"), lambda i: str(i)[:8] + str(i)[9:], lambda i: f" {i}", lambda i: f"{i}\n",
    lambda i: str(i)[:-1], lambda i: f"{i}0",
)  # fmt: skip


@given(st.uuids() | st.sampled_from([uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]), st.sampled_from(SPELLINGS))
def test_an_id_is_taken_or_refused_by_both(number, spelled):
    found = outcome(page_view(1, id=spelled(number)), "shop.web")
    assert found is None or found[:2] == (ErrorClass.ENVELOPE_INVALID, "$.id")


def test_every_spelling_that_is_taken_is_the_same_id():
    number = uuid.uuid4()
    for spelled in SPELLINGS[:4]:
        assert CONTRACT.decode(json.dumps(page_view(1, id=spelled(number))).encode(), "shop.web").id == number
    for spelled in SPELLINGS[4:6]:
        found = outcome(page_view(1, id=spelled(number)), "shop.web")
        assert found[2].endswith(f"without braces and without `urn:uuid:`; it is '{spelled(number)}'")


@given(st.from_regex(r"[A-Z]{3}\Z") | st.sampled_from(CURRENCIES) | st.text(max_size=4))
@example("BTC")
@example("XXX")
@example("EUR\n")
def test_a_currency_is_taken_or_refused_by_both(currency):
    found = outcome(viewed(currency=currency, price="1.00"), "shop.web")
    assert (found is None) == (currency in CURRENCIES)
    if found is not None:
        assert found[:2] == (ErrorClass.DATA_INVALID, "$.data.currency")
        assert "`currency` must be the code of a currency that ISO-4217 lists" in found[2]


@given(st.from_regex(r"[A-Z]{2}\Z") | st.text(max_size=3))
@example("XK")
@example("XX")
@example("ZZ")
@example("UK")
def test_a_country_is_taken_or_refused_by_both(country):
    found = outcome(event("shop.web.session_started.v1", "ses_1", STARTED | {"country": country}), "shop.web")
    assert (found is None) == (country in COUNTRIES)
    assert found is None or "`country` must be the code of a country that ISO-3166 lists" in found[2]


@given(st.from_regex(r"-?[0-9]{0,14}(\.[0-9]{0,5})?\n?\Z") | st.text(max_size=5) | st.integers() | st.floats())
def test_an_amount_is_taken_or_refused_by_both(amount):
    """Of a currency with four decimals, so that what the schema cannot know, the decimals of each, is left out."""
    sent = viewed(price=amount, currency="CLF")
    if isinstance(amount, str) and len(amount.partition(".")[2].strip()) in {0, 3}:
        return  # CLF has four decimals, or two
    if isinstance(amount, float) and (amount != amount or abs(amount) == float("inf")):
        return  # no JSON
    outcome(sent, "shop.web")


@pytest.mark.parametrize(
    ("media_type", "taken"),
    [
        ("application/json", True), ("application/json; charset=utf-8", True), ("application/json;charset=UTF8", True),
        ('application/json; charset="utf-8"; q=1', True), ("application/json; charset=us-ascii", True),
        ("application/json; charset=latin1", False), ("application/json; q=1; Charset=ISO-8859-1", False),
        ('application/json; charset="windows-1252"', False), ("text/json", False),
        ("application/json; charset=", False),
    ],
)  # fmt: skip
def test_a_media_type_is_taken_or_refused_by_both(media_type, taken):
    found = outcome(page_view(1, datacontenttype=media_type), "shop.web")
    assert (found is None) == taken


MEDIA_TYPES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["application/json", "Application/vnd.shop+JSON", "text/json", "application/jsonx"]),
    st.lists(
        st.builds(
            ";{}{}{}".format,
            st.sampled_from(["", " ", "\t ", ";"]),
            st.sampled_from(["charset=", "CharSet=", "charset =", "charse", "charsett=", "chars=", "q=charset=", ""]),
            st.sampled_from(["utf-8", '"UTF8"', 'utf-8"', "us-ascii ", "utf-8 x", "latin1", "", "é", "\n"]),
        ),
        max_size=3,
    ).map("".join),
    st.sampled_from(["", " ", "\n", ";"]),
)


@given(MEDIA_TYPES)
def test_a_content_type_is_taken_or_refused_by_both(media_type):
    """The decoder's own pattern looks ahead, the published one goes through it parameter by parameter."""
    outcome(page_view(1, datacontenttype=media_type), "shop.web")


SIGNS = st.sampled_from(["\0", "\ud800", "\udfff", "\n", "\x01", "\ud7ff", "\ue000", "\U0010ffff", "a", '"', "\\"])
TEXTS = st.text(SIGNS, max_size=4) | st.sampled_from(["x" * 500, "x" * 501, "\U0001f6d2" * 500, "\U0001f6d2" * 501])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)


@given(TEXTS)
def test_a_text_is_taken_or_refused_by_both(text):
    sent = page_view(1)
    outcome(sent | {"data": sent["data"] | {"page": text}}, "shop.web")


@given(TEXTS, ANYTHING)
def test_a_further_field_is_taken_or_refused_by_both(name, value):
    sent = page_view(1)
    outcome(sent | {"data": {name: value} | sent["data"]}, "shop.web")


@given(TIMES)
@example("2026-03-31 09:30:00+0200")
def test_the_time_of_an_amended_order_is_taken_or_refused_by_both(time):
    amended = amendment()
    if time[:4] != "2000":  # half an hour too early for the earliest day, in some zones
        outcome(amended | {"data": amended["data"] | {"placed_at": time}}, "shop.orders")


def test_the_table_of_currencies_is_that_of_unicode():
    used, known = set(), get_global("all_currencies")
    for currencies in get_global("territory_currencies").values():
        used |= {code for code, _, until, tender in currencies if tender and until is None}
    assert used - {"BGN"} <= CURRENT, "BGN gave way to EUR on 1 January 2026"
    assert set(CURRENCIES) - set(known) <= {"XAD", "VED", "GHP", "CHC", "ZWN"}, (
        "younger than the library, or never in it"
    )
    assert set(MINOR_UNITS) <= CURRENT
    assert not {"XXX", "XTS", "XAU", "XDR", "BTC"} & set(CURRENCIES)


def test_the_table_of_countries_is_that_of_the_time_zone_database():
    listed = resources.files("tzdata").joinpath("zoneinfo/iso3166.tab").read_text(encoding="utf-8").splitlines()
    assert {line[:2] for line in listed if line and not line.startswith("#")} | {"XK", "ZZ"} == set(COUNTRIES)
    assert list(COUNTRIES) == sorted(COUNTRIES)
