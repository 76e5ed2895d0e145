"""What is wrong with a field is told in a sentence that names the field, without a regular expression."""

from __future__ import annotations

import json
import re

import pytest

from shop_platform.events.decode import ContractViolation, decode
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, family
from shop_platform.events.registry import EVENT_TYPES
from tests.events.test_consistency import order
from tests.events.test_quick import history
from tests.support.events import page_view

# Of a regular expression, or of a type as Python spells it.
_CODE = re.compile(r"[\\^$]|\(\?|\{\d|`(str|int|float|bool|object|array|uuid|datetime|null)\b|regex|RFC3339")


def reason(document, topic):
    with pytest.raises(ContractViolation) as caught:
        decode(json.dumps(document).encode(), topic)
    return str(caught.value)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_no_fault_of_any_field_is_told_as_code(kind):
    topic, value = history()[kind]
    document = json.loads(value)
    for place in (document, document["data"]):
        for field, right in list(place.items()):
            wrongs = [7.5, None, [], {}, "é " * 300, "", -1_000_000_000_001, "x" * 501]
            for wrong in wrongs:
                place[field] = wrong
                try:
                    decode(json.dumps(document).encode(), topic)
                except ContractViolation as violation:
                    assert not _CODE.search(str(violation)), (field, wrong, str(violation))
            del place[field]
            try:
                decode(json.dumps(document).encode(), topic)
            except ContractViolation as violation:
                assert str(violation) == f"`{field}` is missing"
            place[field] = right


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"specversion": "0.3"}, "`specversion` must be the text `1.0`; it is '0.3'"),
        ({"id": "7"}, "`id` must be a UUID"),
        ({"time": "2026-01-01T00:00:00"}, "`time` must be a time that exists, with seconds and the offset from UTC"),
        ({"subject": ""}, "`subject` must be an identifier: letters, digits and . _ : - only, a letter or digit"),
        ({"data": []}, "`data` must be an object; it is an empty list"),
    ],
)  # fmt: skip
def test_the_sentence_names_the_field(change, sentence):
    assert reason(page_view(1) | change, "shop.web").startswith(sentence)


def test_a_message_that_is_no_object_has_no_field():
    assert reason(7, "shop.web") == "the message must be an object; it is the number '7'"


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_was_found_is_told_and_what_is_personal_is_not_quoted(kind):
    topic, value = history()[kind]
    document = json.loads(value)
    private = {*PERSONAL_FIELDS.get(family(kind), ()), *KEPT_TEXTS.get(family(kind), ())}
    for field, right in list(document["data"].items()):
        document["data"][field] = 424242424242
        try:
            decode(json.dumps(document).encode(), topic)
        except ContractViolation as violation:
            told = "; it is a number" if field in private else "; it is the number '424242424242'"
            assert str(violation).endswith(told), str(violation)
        document["data"][field] = right


def test_a_quotation_ends_where_it_seems_to_end():
    said = reason(page_view(1) | {"subject": 'O\'Brien "the" ' + "x" * 99}, "shop.web")
    assert said.count("'") == 2
    assert said.endswith("…'") and len(said.rpartition("; it is ")[2]) == 62


def test_a_field_of_a_line_is_named_by_its_path():
    sent = order()
    del sent["data"]["lines"][0]["sku"]
    assert reason(sent, "shop.orders") == "`lines[0].sku` is missing"
    sent = order()
    sent["data"]["lines"][0]["quantity"] = "2"
    assert reason(sent, "shop.orders").endswith("it is the text '2'")
    assert reason(sent, "shop.orders").startswith("`lines[0].quantity` must be a whole number from 1 to 100000")
