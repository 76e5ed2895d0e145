"""Extension attributes (CloudEvents) are accepted, told once each, and cost little where a source sends them always."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events import extensions
from shop_platform.events.decode import Contract, ContractViolation
from shop_platform.events.envelope import Event
from shop_platform.events.validate import judge
from tests.support.events import page_view

TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "shop=1"}
CONTRACT = Contract()
NAMES = st.sampled_from(["traceparent", "partitionkey", "own_one", "id2", ""])
VALUES = st.sampled_from(['"a"', "7", "true", "null", '"a\\"b"', '"\\u0022"', '""', "1.5", "{}", '{"a": "b"}', '["a"]'])


def written(*pairs):
    """Return an event with these further attributes, each as it is written."""
    text = json.dumps(page_view(1))
    return text.replace("{", "{" + "".join(f'"{name}": {value}, ' for name, value in pairs), 1).encode()


def is_taken(read, value):
    try:
        read(value, "shop.web")
    except ContractViolation:
        return False
    return True


def test_they_are_accepted_and_not_kept():
    assert set(Event.__struct_fields__).isdisjoint(TRACE)
    event = CONTRACT.decode(json.dumps(page_view(1, **TRACE)).encode(), "shop.web")
    assert b"traceparent" not in bytes(event.data)
    assert not [name for name in TRACE if hasattr(event, name)]


def test_a_producer_is_told_which_are_not_kept():
    told = judge(CONTRACT, "\n".join(json.dumps(page_view(n, **TRACE)) for n in (1, 2)).encode())
    assert told.as_dict()["not_kept"] == {"traceparent": 2, "tracestate": 2}
    assert "note: 'traceparent' of 2 right events is accepted and not kept" in list(told.lines())
    assert not told.wrong


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_however_they_are_written_a_name_that_stands_twice_is_refused_and_no_other(pairs):
    names = [name for name, _ in pairs]
    value = written(*pairs)
    for read in (CONTRACT._decode_strictly, CONTRACT.decode, CONTRACT.decode):
        assert is_taken(read, value) == (len(set(names)) == len(names))


@pytest.mark.parametrize("first", ['"a"', '"other"', "7", "{}", '"\\"\\""'])
@pytest.mark.parametrize("name", ["traceparent", "trace\\u0070arent"])
def test_a_name_that_is_known_of_its_source_is_refused_when_it_stands_twice(first, name):
    contract = Contract()
    for _ in range(3):
        contract.decode(written(("traceparent", '"a"')), "shop.web")
    assert not is_taken(contract.decode, written((name, first), ("traceparent", '"a"')))
    assert not is_taken(contract.decode, written(("traceparent", '"a"'), (name, first)))


def test_what_a_source_has_sent_is_not_looked_for_again(monkeypatch):
    contract = Contract()
    events = [written(*((name, f'"{n}"') for name in TRACE)) for n in range(3)]
    for value in events[:2]:  # the strict way, then the quick one, which learns
        contract.decode(value, "shop.web")
    monkeypatch.setattr(extensions, "names_if_once", lambda value, marks: pytest.fail("looked twice"))
    monkeypatch.setattr(contract, "_decode_strictly", lambda value, topic: pytest.fail("read strictly"))
    contract.decode(events[2], "shop.web")
    contract.decode(written(("tracestate", "7")), "shop.web")
    contract.decode(written(), "shop.web")


def test_a_producer_that_names_each_attribute_anew_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(extensions, "_MAX_SOURCES", 5)
    contract = Contract()
    for number in range(300):
        value = json.dumps(page_view(1, source=f"/shop/{number % 10}", **{f"own{number}": "a"})).encode()
        assert is_taken(contract.decode, value)
    kept = contract._extensions._names
    assert len(kept) == 5 and {len(names) for names in kept.values()} == {extensions._MAX_NAMES}
    assert extensions._reader.cache_info().maxsize == extensions._MAX_READERS
