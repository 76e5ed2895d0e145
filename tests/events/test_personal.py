"""What is personal is declared for fields that exist, and leaves an event without touching anything else."""

from __future__ import annotations

import json

import msgspec
import pytest

from shop_platform.events.personal import ERASURE, PERSONAL_FIELDS, SESSION_OF_CUSTOMER, family, split, treatment
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.events.vocabulary import Identifier

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
    assert treatment("shop.web.page_viewed.v1") is None


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
