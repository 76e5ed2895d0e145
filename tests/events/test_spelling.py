"""A value is found in whatever spelling it stands, and what is no such value is left alone."""

from __future__ import annotations

import pytest

from shop_platform.events.spelling import REMOVED, holds_address, plain, without_addresses
from shop_platform.events.urls import source_path, split_url
from shop_platform.ingest.mentions import Person, Sought, words

SPELLINGS = (
    "Eva.Muster@Private.Example",
    "EVA.MUSTER@PRIVATE.EXAMPLE",
    "eva.muster%40private.example",
    "eva.muster%2540private.example",
    "%65va.muster%40private%2Eexample",
    r"eva.muster\u0040private.example",
    r"\u0065va.muster\\u0040private.example",
    r"eva.muster\x40private.example",
    "eva.muster&#64;private.example",
    "eva.muster&#x40;private.example",
    "eva.muster&commat;private.example",
    "eva.muster\uff20private.example",
    "\uff25va.muster@private.example",
    "eva.mus\u00adter@priv\u200bate.example",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_spellings_have_one_plain_form(spelling):
    assert plain(spelling) == "eva.muster@private.example"
    assert holds_address(spelling)
    assert without_addresses(f"Mug for {spelling}, blue") == f"Mug for {REMOVED} blue"


@pytest.mark.parametrize("text", ["", "Café @home", "100% wool", "50 % off & more", "a @ b", "C:\\users", "Größe 38"])
def test_a_text_without_an_address_stays(text):
    assert without_addresses(text) is text


@pytest.mark.parametrize(
    ("url", "path", "parameters"),
    [
        ("/c/shoes", "/c/shoes", {}),
        ("/c/gr%C3%B6%C3%9Fen", "/c/gr%C3%B6%C3%9Fen", {}),
        ("/?email=eva@x.example&utm_source=news&sort=price", "/", {"utm_source": "news", "sort": "price"}),
        ("/sale?utm_campaign=eva%40x.example&utm_term=gift&gclid=1&UTM_SOURCE=x", "/sale", {}),
        ("/sale#eva@x.example", "/sale", {}),
        ("/sale#?utm_source=eva", "/sale", {}),
        ("/p?utm_source=a#b&utm_medium=mail", "/p", {"utm_source": "a"}),
        ("/account/eva%2540x.example/orders", f"/account/{REMOVED}/orders", {}),
        ("/login%3Femail%3Deva/x", f"/{REMOVED}/x", {}),
        ("/cart;user=eva/pay", f"/{REMOVED}/pay", {}),
        ("https://eva:pw@shop.example/c?page=2", f"https://{REMOVED}/c", {"page": "2"}),
        ("EVA@X.EXAMPLE", REMOVED, {}),
        ("/?" + "&".join(f"a{n}=1" for n in range(99)), "/", {}),
        ("?", "", {}),
        ("%", "%", {}),
    ],
)
def test_a_page_is_its_path_and_the_parameters_that_tell_of_nobody(url, path, parameters):
    assert split_url(url) == (path, parameters)


@pytest.mark.parametrize(
    ("source", "kept"),
    [("/shop/web", "/shop/web"), ("/shop/web?user=eva#x", "/shop/web"), ("urn:shop:a=1;b", "urn:shop:a=1;b"),
     ("mailto:eva@x.example", REMOVED), ("/shop/eva%40x.example", f"/shop/{REMOVED}")],
)  # fmt: skip
def test_the_source_of_an_event_names_a_system(source, kept):
    assert source_path(source) == kept


EVA = Person.of(
    {"email": "Eva.Muster@private.example", "phone": "+49 30 5550199", "first_name": "Eva", "last_name": "Müster",
     "birth_date": "1985-07-31", "address": {"street": "Musterstraße 7", "postal_code": "10999"}}
)  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        *(spelling.encode() for spelling in SPELLINGS),
        "eva.muster@private.example".encode("utf-16"),
        b"\xff<Eva.Muster@Private.example>\xfe",
        b'{"phone": "030 5550199"}',
        b"tel:+4930-555-01.99",
        b"MUSTERSTRASSE 7, 10999 Berlin",
        b'{"name":"EVA M\\u00dcSTER","born":"1985-07-31"}',
        "Eva Mu\u0308ster, Musterstraße 7".encode(),
        "Eva Müster 10999".encode("latin-1"),
    ],
)
def test_a_person_is_found(value):
    assert Sought((), [EVA]).is_in(b"before", None, b"x " + value + b" y")


@pytest.mark.parametrize(
    "value",
    [
        b"geneva.muster@private.example",
        b"eva.muster@private.example.org",
        b"eva.muster",
        "Musterstraße 7, 10115 Berlin".encode(),
        "Eva Müster".encode(),
        b"10999",
        b'{"n": [5550, 199]}',
        b"30 and 5550199",
    ],
)
def test_somebody_else_is_not(value):
    assert not Sought((), [EVA]).is_in(value)


def test_somebody_of_whom_too_little_is_known_is_nobody():
    assert not Person.of({"phone": "12345", "email": "none", "first_name": "Eva", "address": {"street": "x"}})
    assert not Person.of({"phone": 5, "email": None, "address": ["street"]})
    assert not Sought((), [Person()]) and not Sought((), [Person()]).is_in(b"", None)


def test_a_token_is_found_decoded_and_keeps_its_case():
    assert "cus_1" in words(rb'{"customer_id": "cus\u005f1"}') & words(b"a%20cus%5F1.") & words(b"x\0cus_1\0y")
    assert "cus_1" not in words(b"CUS_1 cus_11 xcus_1 a-cus_1")
