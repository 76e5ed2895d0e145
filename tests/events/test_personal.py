"""What is personal is declared for fields that exist, and leaves an event without touching anything else."""

from __future__ import annotations

import json
import re
from typing import Annotated

import msgspec
import pytest
from msgspec import inspect

from shop_platform.events.apart import split, take_apart
from shop_platform.events.personal import (
    ERASURE,
    KEPT_TEXTS,
    PERSONAL_FIELDS,
    SESSION_OF_CUSTOMER,
    Kept,
    Owner,
    family,
    owner,
    treatment,
)
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.events.vocabulary import Code, Identifier, Payload, Text

FAMILIES = {family(name): kind for name, kind in EVENT_TYPES.items()}
PERSON = treatment("shop.customer.created.v1").fields


@pytest.mark.parametrize("name", PERSONAL_FIELDS)
def test_every_declared_field_is_in_the_contract(name):
    for path in PERSONAL_FIELDS[name]:
        payload = FAMILIES[name].payload
        for step in path.split("."):
            fields = {each.name: each.type for each in msgspec.structs.fields(payload)}
            if step == "birth_date" and name.endswith("updated"):
                break  # an update carries none today; a later version may
            payload = fields[step]


def test_families_are_those_of_the_contract_whatever_the_version():
    assert {*PERSONAL_FIELDS, *SESSION_OF_CUSTOMER, ERASURE} <= FAMILIES.keys()
    assert treatment("shop.customer.created.v7") == treatment("shop.customer.created.v1")
    assert treatment("shop.web.product_viewed.v1") is None


def test_the_token_cannot_be_an_address():
    for text in ("anna@private.example", "anna b", ""):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(text, Identifier)


def test_personal_fields_leave_and_every_other_byte_stays():
    data = (
        b'{"customer_id": "c", "\\u0065mail": "e", "address": {"street": "s", "city": "B", "floor": 1.10},'
        b' "huge": 12345678901234567890123456789.10, "email": "f", "list": [ 1,{"email": "of another"} ]}'
    )
    kept, personal = split(data, PERSON)
    assert json.loads(personal) == {"email": "f", "address": {"street": "s"}}, "the last of two counts, as in jsonb"
    assert b'"huge":12345678901234567890123456789.10' in kept and b'"floor":1.10' in kept
    assert json.loads(kept)["list"] == [1, {"email": "of another"}]
    assert set(json.loads(kept)) == {"customer_id", "address", "huge", "list"}


@pytest.mark.parametrize("data", [b"{}", b'{"address": ["street"]}', b'{"address": null}', b'{"address": {"city": 1}}'])
def test_an_event_without_any_is_left_alone(data):
    assert split(data, PERSON) == (data, None)


TYPES = sorted(EVENT_TYPES)
# What free text may hold; a pattern that lets one of these through is none of an identifier or a code.
FREE = ("eva@private.example", "EVA%40PRIVATE.EXAMPLE", "Eva Muster", "")


def free_texts(kind, path=""):
    """Yield the paths of everything in a payload that may hold free text, by what its type lets through."""
    if isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from free_texts(field.type, f"{path}.{field.encode_name}".lstrip("."))
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from free_texts(each, path)
    elif isinstance(kind, inspect.Metadata):
        yield from free_texts(kind.type, path)
    elif isinstance(kind, inspect.CollectionType | inspect.VarTupleType):
        yield from free_texts(kind.item_type, path)
    elif isinstance(kind, inspect.StrType):
        if kind.pattern is None or any(re.search(kind.pattern, text) for text in FREE):
            yield path
    elif not isinstance(kind, CLOSED):
        yield path  # a dictionary, anything: nobody knows what stands in there


CLOSED = (inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.DecimalType, inspect.DateType,
          inspect.DateTimeType, inspect.UUIDType, inspect.NoneType, inspect.LiteralType, inspect.EnumType)  # fmt: skip


def undecided(name, payload):
    decided = {*PERSONAL_FIELDS.get(family(name), ()), *KEPT_TEXTS.get(family(name), ())}
    return {path for path in free_texts(inspect.type_info(payload)) if path not in decided}


@pytest.mark.parametrize("name", TYPES)
def test_every_field_that_can_hold_free_text_has_a_decision(name):
    """Whoever adds one decides in shop_platform/events/personal.py what becomes of it: personal, or how it is kept."""
    assert undecided(name, EVENT_TYPES[name].payload) == set()


class _Note(Payload, frozen=True):
    note: Text
    loose: Annotated[str, msgspec.Meta(pattern="^.*$")]


class _Unthought(Payload, frozen=True):
    order_id: Identifier
    reason: Code
    lines: tuple[_Note, ...]
    more: dict[str, int] | None = None
    gift: Text | None = None


def test_a_field_without_a_decision_is_named():
    assert undecided("shop.order.cancelled.v2", _Unthought) == {"lines.note", "lines.loose", "more", "gift"}


def test_what_is_declared_leads_to_a_customer_or_tells_of_none():
    of_subject = {"customer_id": Owner.CUSTOMER, "session_id": Owner.SESSION, "order_id": Owner.ORDER}
    for name, kind in FAMILIES.items():
        assert owner(name) is of_subject.get(kind.subject_field)
        if owner(name) is None:
            assert name not in PERSONAL_FIELDS and set(KEPT_TEXTS.get(name, {}).values()) <= {Kept.PUBLIC}
        for path, how in KEPT_TEXTS.get(name, {}).items():
            assert path not in PERSONAL_FIELDS.get(name, ()) and path in set(
                free_texts(inspect.type_info(kind.payload))
            )
            assert how is not Kept.CODE or owner(name) is Owner.ORDER, "only of an order it is known who typed it"
            assert "." not in path or how not in {Kept.PATH, Kept.CODE}


def landed(name, data):
    kept, personal = take_apart(json.dumps(data).encode(), treatment(f"{name}.v1"))
    return json.loads(kept), personal and json.loads(personal)


def test_texts_are_cleaned_and_everything_else_stays():
    page = {"session_id": "s", "page": "/a?mail=x@y.z&sort=new&page=2", "n": 1.50, "other": "@"}
    assert landed("shop.web.page_viewed", page) == (
        page | {"page": "/a", "page_parameters": {"sort": "new", "page": "2"}},
        None,
    )
    assert landed("shop.product.updated", {"name": "Mug eva%40y.z", "brand": "@home"}) == (
        {"name": "Mug [removed]", "brand": "@home"},
        None,
    )
    assert landed("shop.order.placed", {"order_id": "o", "coupon": "Eva@Y.z"}) == (
        {"order_id": "o", "coupon": "[removed]"},
        {"coupon": "Eva@Y.z"},
    )
    home = {"email": "a@b.c", "address": {"street": "s", "city": "Ort eva@y.z", "region": None}, "locale": 7}
    assert landed("shop.customer.created", home) == (
        {"address": {"city": "Ort [removed]", "region": None}, "locale": 7},
        {"email": "a@b.c", "address": {"street": "s"}},
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("shop.web.page_viewed", b'{"page" : "/gr\xc3\xb6\xc3\x9fen", "x": [ 1.0 ]}'),
        ("shop.web.page_viewed", b'{"page" : 5, "x": "?"}'),
        ("shop.order.placed", b'{"coupon" : "10 % off=1"}'),
        ("shop.order.placed", b'{"coupon" : null, "x": "?"}'),
    ],
)
def test_an_event_with_nothing_to_clean_stays_byte_for_byte(name, data):
    assert take_apart(data, treatment(f"{name}.v1")) == (data, None)
