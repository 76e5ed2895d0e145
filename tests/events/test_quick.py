"""The quick way accepts nothing that the contract's own types would refuse, and reads the same event."""

from __future__ import annotations

import datetime as dt
import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.decode import CONTRACT, Contract, ContractViolation
from shop_platform.events.quick import join, quick_check
from shop_platform.events.registry import EVENT_TYPES
from shop_platform.generator.stream import history_chunks


@cache
def history():
    """A message of every type, most from the simulated shop: {type: (topic, value)}."""
    found = {}
    until = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    for chunk in history_chunks(days=40, orders_per_day=60, until=until, seed=3):
        for message in chunk:
            if not message.fault:
                found.setdefault(json.loads(message.value)["type"], (message.topic, message.value))
    # The simulated shop edits no order.
    topic, value = found["shop.order.placed.v1"]
    placed = json.loads(value)
    data = {name: value for name, value in placed["data"].items() if name not in {"session_id", "coupon"}}
    amended = placed | {"type": "shop.order.amended.v1", "data": data | {"placed_at": placed["time"]}}
    return found | {amended["type"]: (topic, json.dumps(amended).encode())}


def outcome(decode, value, topic):
    try:
        event = decode(value, topic)
    except ContractViolation as violation:
        return violation.error_class, violation.path
    return event.id, event.source, event.type, event.time, event.subject, bytes(event.data)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_both_ways_read_every_type_alike(kind):
    topic, value = history()[kind]
    contract = Contract()
    first = outcome(contract.decode, value, topic)  # the source is new: the strict way
    assert outcome(contract.decode, value, topic) == first == outcome(contract._decode_strictly, value, topic)
    assert len(first) == 6


def test_the_busy_types_have_a_quick_way():
    for name in ("session_started", "page_viewed", "product_viewed", "cart_changed", "checkout_started"):
        kind = EVENT_TYPES[f"shop.web.{name}.v1"]
        assert quick_check(kind.payload, kind.subject_field) is not None


STRANGE = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["a\nb", "\n", "a\n", "", "x" * 64, "x" * 65, "EUR", "eur", "BTC", "XX", "XK", "1.00", "1.0", "None", "\x01"]
    ),
    st.none(),
    st.integers(),
    st.booleans(),
    st.lists(st.integers(), max_size=1),
)


@given(data=st.data())
def test_a_changed_event_is_judged_alike_by_both_ways(data):
    topic, value = history()[data.draw(st.sampled_from(sorted(EVENT_TYPES)))]
    CONTRACT.decode(value, topic)
    document = json.loads(value)
    for _ in range(data.draw(st.integers(1, 3))):
        part = document["data"] if data.draw(st.booleans()) else document
        field = data.draw(st.sampled_from(sorted(part)))
        if data.draw(st.integers(0, 4)) == 0:
            del part[field]
        else:
            part[field] = data.draw(STRANGE)
        if not isinstance(document.get("data"), dict) or not document["data"]:
            break
    changed = json.dumps(document).encode()
    assert outcome(CONTRACT.decode, changed, topic) == outcome(CONTRACT._decode_strictly, changed, topic)


def test_a_line_feed_cannot_shift_one_value_into_the_next():
    kind = EVENT_TYPES["shop.web.page_viewed.v1"]
    check = quick_check(kind.payload, kind.subject_field)
    assert check.fits(join(("ses_1", "vis_1", "category")))
    assert not check.fits(join(("ses_1", "vis_1\ncategory", "x")))
    assert not check.fits(join(("ses_1", "vis_1", "category\n")))
