"""The steps of a map: laws where there are any, and what each says of a value that it cannot use."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shop_platform.events.vocabulary import Code, Identifier
from shop_platform.importing.ids import KEY_FIELDS, event_id
from shop_platform.importing.steps import STEP_NAMES, StepMistakeError, make_step, to_code, to_identifier
from shop_platform.importing.times import iso, parse_time

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
MOMENTS = st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC))


@given(MOMENTS, ZONES)
def test_a_time_with_its_offset_is_the_same_moment_in_utc(moment, zone):
    local = moment.astimezone(ZoneInfo(zone)).replace(microsecond=0)
    for text, pattern in ((local.isoformat(), None), (local.strftime("%Y-%m-%d %H:%M:%S %z"), "%Y-%m-%d %H:%M:%S %z")):
        assert parse_time(text, pattern=pattern) == moment.replace(microsecond=0)
    assert parse_time(iso(moment)) == moment


@given(MOMENTS, ZONES)
def test_a_local_time_is_read_in_its_zone_and_the_first_of_a_repeated_hour_is_meant(moment, zone):
    local = moment.astimezone(ZoneInfo(zone))
    read = parse_time(local.replace(tzinfo=None, fold=0).isoformat(), zone=ZoneInfo(zone))
    assert read.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None, fold=0)
    assert read == moment if local.fold == 0 else read < moment


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("2026-03-01 10:00", {}, "has no time zone"),
        ("2026-03-29 02:30", {"zone": "Europe/Berlin"}, "did not exist in Europe/Berlin"),
        ("01/03/2026", {}, "is not a time in ISO 8601"),
        ("13.25.2026", {"format": "%d.%m.%Y", "zone": "UTC"}, "is not a time of the format '%d.%m.%Y'"),
        ("noon", {"format": "epoch"}, "is not a time of the format 'epoch'"),
        ("99999999999999999", {"format": "epoch"}, "is not a time of the format 'epoch'"),
        ("0001-01-01T00:00:00+14:00", {}, "is not a time in ISO 8601"),
    ],
)
def test_what_is_no_time_is_said_so(text, options, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make_step("time", options)(text)


@pytest.mark.parametrize(
    ("text", "options", "utc"),
    [
        ("2026-02-02 09:14:07 +0100", {"format": "%Y-%m-%d %H:%M:%S %z"}, "2026-02-02T08:14:07Z"),
        ("2017-03-22T19:28:02", {"zone": "UTC"}, "2017-03-22T19:28:02Z"),
        ("14.01.2025", {"format": "%d.%m.%Y", "zone": "Europe/Berlin"}, "2025-01-13T23:00:00Z"),
        ("2026-10-25 02:30", {"zone": "Europe/Berlin"}, "2026-10-25T00:30:00Z"),
        ("1700000000", {"format": "epoch"}, "2023-11-14T22:13:20Z"),
        ("1700000000123", {"format": "epoch_ms"}, "2023-11-14T22:13:20.123000Z"),
    ],
)
def test_times_of_real_exports(text, options, utc):
    assert iso(make_step("time", options)(text)) == utc


@given(st.text(max_size=200))
def test_an_identifier_always_fits_the_contract(text):
    msgspec.convert(to_identifier(text), Identifier)


@given(st.lists(st.text(max_size=80), min_size=2, max_size=2, unique=True))
def test_two_different_texts_never_become_one_identifier(texts):
    assert to_identifier(texts[0]) != to_identifier(texts[1])


@given(st.text(st.characters(codec="ascii"), max_size=120))
def test_a_code_fits_the_contract_and_is_a_fixed_point(text):
    try:
        code = to_code(text, "n_")
    except ValueError:
        assume(False)
    assert msgspec.convert(code, Code) == to_code(code)


@pytest.mark.parametrize(
    ("name", "argument", "text", "result"),
    [
        ("strip", None, "  a b ", "a b"),
        ("lower", None, "Ä B", "ä b"),
        ("upper", None, "de", "DE"),
        ("code", None, "Shopify Payments + Gift Card", "shopify_payments_gift_card"),
        ("code", {"lead": "app_"}, "580111", "app_580111"),
        ("code", None, "Größe & Préis", "grosse_preis"),
        ("identifier", None, "SKU-1.2:3", "SKU-1.2:3"),
        ("money", {"decimal": ",", "thousands": "."}, "1.249,00", "1249.00"),
        ("money", {"round": "true"}, "0.125", "0.13"),
        ("absolute", None, "-12.50", "12.50"),
        ("integer", None, "3.0", 3),
        ("boolean", None, "Yes", True),
        ("boolean", None, "0", False),
        ("date", None, "2026-02-03", dt.date(2026, 2, 3)),
        ("country", None, " de", "DE"),
        ("lookup", {"web": "online", "*": "other"}, "pos", "other"),
        ("replace", {"0": ""}, "0", ""),
        ("replace", {"0": ""}, "7", "7"),
        ("prefix", "shop-", "1", "shop-1"),
        ("remove", "#", "#1001", "1001"),
        ("before", " ", "2026-02-03 11:20", "2026-02-03"),
        ("after", " ", "Anna Beispiel", "Beispiel"),
        ("cut", "3", "abcdef", "abc"),
    ],
)
def test_what_each_step_does(name, argument, text, result):
    assert make_step(name, argument)(text) == result


def test_a_hash_is_the_same_for_the_same_text_and_salt_and_shows_neither():
    plain, salted = make_step("hash")("anna@example.com"), make_step("hash", {"salt": "s", "length": "40"})
    assert plain == make_step("hash", {})("anna@example.com") and re.fullmatch("[0-9a-f]{32}", plain)
    assert re.fullmatch("[0-9a-f]{40}", salted("anna@example.com")) and not salted("anna@example.com").startswith(plain)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("integer", "two", "is not a whole number"),
        ("integer", "2.5", "is not a whole number"),
        ("boolean", "maybe", "is neither yes nor no"),
        ("country", "Germany", "is not a country code"),
        ("code", "!!!", "does not begin with a letter"),
        ("code", "2Checkout", "does not begin with a letter"),
        ("date", "03.02.2026", "is not a date"),
    ],
)
def test_what_a_step_says_of_a_value_that_it_cannot_use(name, text, said):
    with pytest.raises(ValueError, match=said):
        make_step(name)(text)


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("stripp", None, "there is no step 'stripp'. Did you mean 'strip'?"),
        ("eval", "1+1", "there is no step 'eval'"),
        ("strip", "x", "`strip` takes nothing"),
        ("prefix", None, "`prefix` takes one text"),
        ("lookup", ["a"], "`lookup` takes a table"),
        ("money", {"decimals": ","}, "`money` takes decimal, thousands, round, unit"),
        ("money", {"unit": "dollars"}, "`money`: unit is cents, or left out"),
        ("money", {"decimal": ",", "thousands": ","}, "one character each"),
        ("time", {"zone": "Berlin"}, "'Berlin' is no IANA time zone"),
        ("time", {"format": "%Q"}, "'%Q' is no time format"),
        ("hash", {"length": "4"}, "length is from 16 to 64"),
        ("cut", "many", "is not a whole number"),
    ],
)
def test_a_mistake_in_a_step_says_what_is_allowed(name, argument, said):
    with pytest.raises(StepMistakeError, match=re.escape(said)):
        make_step(name, argument)


def test_every_step_is_in_the_documentation(request):
    page = (request.config.rootpath / "docs" / "import.md").read_text()
    assert [name for name in STEP_NAMES if f"`{name}" not in page] == []


@given(st.integers(0, 2**48 - 1), st.sampled_from(sorted(KEY_FIELDS)), st.text(min_size=1, max_size=64))
def test_an_id_is_a_uuid_of_version_8_that_follows_from_what_it_names(ms, kind, key):
    found = event_id("/shop/a", kind, key, ms)
    assert (found.version, found.variant) == (8, uuid.RFC_4122)
    assert found.int >> 80 == ms and found == event_id("/shop/a", kind, key, ms)
    others = {
        event_id("/shop/b", kind, key, ms),
        event_id("/shop/a", kind, f"{key}x", ms),
        event_id("/shop/a", "k", key, ms),
    }
    assert len({found, *others}) == 4


@given(st.lists(st.integers(0, 2**48 - 1), unique=True, min_size=2, max_size=20))
def test_ids_stand_in_the_order_of_time(times):
    made = [event_id("/s", "t", "k", ms) for ms in sorted(times)]
    assert made == sorted(made, key=str)


def test_ids_do_not_change_from_one_version_of_the_importer_to_the_next():
    assert str(event_id("/shopify/orders", "shop.order.placed.v1", "shopify-1001", 1_770_020_047_000)) == (
        "019c1d6a-8898-8eb1-840a-fb2ce522dcd5"
    )
