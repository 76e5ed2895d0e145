"""A name that stands twice in a JSON object is refused, wherever it stands, and so are attributes told in two ways."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events import extensions
from shop_platform.events.attribution import attribute
from shop_platform.events.decode import CONTRACT, ContractViolation, ErrorClass
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.events.twice import has_each_name_once, quotes_of, repeated_name
from tests.events.test_consistency import order
from tests.events.test_modes import binary, violation
from tests.events.test_quick import history
from tests.support.events import page_view, refund


def refused(text, topic="shop.web"):
    """Return what both ways of reading say of a message."""
    said = []
    for read in (CONTRACT.decode, CONTRACT._decode_strictly):
        with pytest.raises(ContractViolation) as caught:
            read(text.encode(), topic)
        said.append((caught.value.error_class, caught.value.path, str(caught.value)))
    assert said[0] == said[1]
    return said[0]


@pytest.fixture(autouse=True)
def the_source_is_known():
    """The quick way is tried only for a source that has sent a valid event."""
    CONTRACT.decode(json.dumps(page_view(1)).encode(), "shop.web")


@pytest.mark.parametrize(
    ("right", "twice", "error_class", "path"),
    [
        ('"page": "/sale"', '"page": "/sale", "page": "/other"', ErrorClass.DATA_INVALID, "$.data.page"),
        ('"page": "/sale"', '"page": "/sale", "page": "/sale"', ErrorClass.DATA_INVALID, "$.data.page"),
        ('"page": "/sale"', r'"p\u0061ge": "/a", "page": "/sale"', ErrorClass.DATA_INVALID, "$.data.page"),
        ('"page": "/sale"', '"page" : "/a" , "page":"/sale"', ErrorClass.DATA_INVALID, "$.data.page"),
        ('"page": "/sale"', '"page": "/sale", "x": 1, "x": 2', ErrorClass.DATA_INVALID, "$.data.x"),
        ('"page": "/sale"', '"page": "/a", "x": [0, {"y": 1, "y": 2}]', ErrorClass.DATA_INVALID, "$.data.x[1].y"),
        ('"source": "/shop/test"', '"source": "/b", "source": "/shop/test"', ErrorClass.ENVELOPE_INVALID, "$.source"),
        ('"specversion"', '"partitionkey": "a", "partitionkey": "b", "specversion"', ErrorClass.ENVELOPE_INVALID,
         "$.partitionkey"),
        ('"datacontenttype": "application/json"',
         '"datacontenttype": "application/json", "datacontenttype": "application/json"', ErrorClass.ENVELOPE_INVALID,
         "$.datacontenttype"),
    ],
)  # fmt: skip
def test_a_name_that_stands_twice_is_refused_with_its_place(right, twice, error_class, path):
    text = json.dumps(page_view(1))
    assert right in text
    said = refused(text.replace(right, twice, 1))
    assert said[:2] == (error_class, path)
    assert said[2].startswith(f"`{path.removeprefix('$.').removeprefix('data.')}` stands twice in its object")


def test_a_line_of_an_order_has_each_name_once_too():
    sent = order()
    text = json.dumps(sent).replace('"sku": "p"', '"sku": "p", "sku": "q"', 1)
    assert refused(text, "shop.orders")[:2] == (ErrorClass.DATA_INVALID, "$.data.lines[0].sku")
    text = json.dumps(refund(2)).replace('"tax": "1.90"', '"tax": "1.80", "tax": "1.90"', 1)
    assert refused(text, "shop.returns")[:2] == (ErrorClass.DATA_INVALID, "$.data.refunded.tax")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_field_of_every_type_is_looked_at(kind):
    topic, value = history()[kind]
    CONTRACT.decode(value, topic)
    document = json.loads(value)
    for field, right in document["data"].items():
        data = json.dumps(document["data"]).replace("{", f'{{"{field}": {json.dumps(right)}, ', 1)
        text = json.dumps(document | {"data": "HERE"}).replace('"HERE"', data)
        assert refused(text, topic)[1] == f"$.data.{field}"


# An amendment is always read strictly: its two times are compared.
@pytest.mark.parametrize("kind", sorted(EVENT_TYPES.keys() - {"shop.order.amended.v1"}))
def test_a_usual_event_needs_no_second_look(kind, monkeypatch):
    topic, value = history()[kind]
    CONTRACT.decode(value, topic)  # the source is known now
    if not value.isascii() or kind == "shop.product.created.v1":  # it says `active`, as it would be without
        return
    monkeypatch.setattr(extensions, "names_if_once", lambda value, marks: pytest.fail("looked twice"))
    monkeypatch.setattr(CONTRACT, "_decode_strictly", lambda value, topic: pytest.fail("read strictly"))
    CONTRACT.decode(value, topic)


NAMES = st.sampled_from(["a", "b", 'c"', "d:", "é", "\\"])
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.just({}),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=4).map(tuple),
    max_leaves=8,
)


def written(value):
    """Write what hypothesis drew; a tuple of pairs is an object, in which a name may stand twice."""
    if isinstance(value, tuple):
        return "{" + ",".join(f"{json.dumps(name)}:{written(each)}" for name, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def repeats(value):
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        return len(names) > len(set(names)) or any(repeats(each) for _, each in value)
    return isinstance(value, list) and any(map(repeats, value))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4).map(tuple))
def test_whatever_stands_in_an_object_the_quick_look_never_misses_a_repeated_name(drawn):
    text = written(drawn)
    assert (repeated_name(text) is not None) == repeats(drawn)
    if repeats(drawn):
        assert not has_each_name_once(text.encode())


def test_the_least_number_of_quotation_marks_of_an_order_counts_its_lines():
    payload = EVENT_TYPES["shop.order.placed.v1"].payload
    always, further = quotes_of(payload)
    import msgspec

    for lines in ([(1, "10.00", "0.00", "0.00")], [(1, "10.00", "0.00", "0.00")] * 3):
        data = order(lines)["data"]
        read = msgspec.convert(data, payload)
        assert json.dumps(data).count('"') == always + further(read)


def test_data_told_as_json_and_as_base64_is_refused_and_base64_alone_is_told():
    both = page_view(1) | {"data_base64": "e30="}
    assert refused(json.dumps(both))[1:] == (
        "$.data_base64", "`data_base64` stands beside `data`; send one of them, and as JSON in `data`",
    )  # fmt: skip
    del both["data"]
    said = refused(json.dumps(both))
    assert said == (
        ErrorClass.ENVELOPE_INVALID, "$",
        "`data` is missing; `data_base64` is not read, send the data as JSON in `data`",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "CE_Source", "ce_partitionkey", "content-type"])
def test_headers_that_contradict_each_other_are_refused_and_a_repetition_is_not(name):
    value, headers = binary(page_view(1))
    present = dict(headers).get(name.lower(), b"x")
    CONTRACT.decode_message(value, [*headers, (name, present)], "shop.web")
    found = violation(value, [*headers, (name.lower(), present), (name, b"an'other")])
    assert found.error_class is ErrorClass.ENVELOPE_INVALID
    assert str(found).startswith(f"the header `{name.lower()}` stands twice and says '")
    assert str(found).count("'") == 4


def test_headers_that_contradict_each_other_attribute_nothing():
    sent = page_view(1)
    other = ("ce_id", page_view(1)["id"].encode())
    assert attribute(b"{", [("ce_id", sent["id"].encode()), other]).event_id is None
    assert attribute(json.dumps(sent).encode(), [("ce_id", b"7"), other]).event_id == sent["id"]
    assert attribute(b"{", [other, other]).event_id == other[1].decode()


def test_data_in_binary_mode_is_one_json_document_by_itself():
    value, headers = binary(page_view(1))
    for more in (b',"extra":1', b', "id": "x"', b"}"):
        found = violation(value + more, headers)
        assert (found.error_class, found.path) == (ErrorClass.NOT_JSON, "$.data")
