from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter, defaultdict

import msgspec
import numpy as np
import pytest

from shop_platform.events.registry import EVENT_TYPES
from shop_platform.generator.faults import FAULTS, MALFORMATIONS, Held, malform
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import DAY, HISTORY_FAULTS, NO_FAULTS, FaultRates
from shop_platform.generator.stream import history_chunks
from tests.generator.audit import decode
from tests.generator.conftest import UNTIL

RATES = FaultRates(duplicate=0.01, late=0.01, out_of_order=0.02, malformed=0.01, unknown_version=0.005)


def _messages(faults: FaultRates) -> list[Message]:
    chunks = history_chunks(days=15, orders_per_day=30, seed=9, until=UNTIL, faults=faults)
    return [message for chunk in chunks for message in chunk]


@pytest.fixture(scope="module")
def spoilt() -> list[Message]:
    return _messages(RATES)


def _is_valid(message: Message) -> bool:
    try:
        decode(message)
    except (ValueError, KeyError, msgspec.MsgspecError, AssertionError):
        return False
    return True


def test_faults_change_the_wire_and_not_what_happened(spoilt: list[Message]) -> None:
    perfect = {message.event_id: message.value for message in _messages(NO_FAULTS)}
    assert {message.event_id for message in spoilt} == perfect.keys()
    for message in spoilt:
        if message.fault not in {"malformed", "unknown_version"}:
            assert message.value == perfect[message.event_id]


def test_exactly_the_messages_marked_as_malformed_or_unknown_do_not_decode(spoilt: list[Message]) -> None:
    for message in spoilt:
        assert _is_valid(message) == (message.fault not in {"malformed", "unknown_version"}), message
    assert {message.detail for message in spoilt if message.fault == "malformed"} == set(MALFORMATIONS)


def test_a_message_that_does_not_decode_is_never_sent_correctly_as_well(spoilt: list[Message]) -> None:
    times = Counter(message.event_id for message in spoilt)
    for message in spoilt:
        if message.fault in {"malformed", "unknown_version"}:
            assert times[message.event_id] == 1


def test_duplicates_are_identical_and_come_after_the_original(spoilt: list[Message]) -> None:
    by_id = defaultdict(list)
    for message in spoilt:
        by_id[message.event_id].append(message)
    copies = [messages for messages in by_id.values() if len(messages) > 1]
    assert len(copies) == sum(message.fault == "duplicate" for message in spoilt) > 0
    for original, copy in copies:
        assert (original.fault, copy.fault) == ("", "duplicate")
        assert original.value == copy.value and original.key == copy.key


def test_late_messages_follow_later_events_by_the_delay_in_the_ledger(spoilt: list[Message]) -> None:
    newest = 0
    late = 0
    for message in spoilt:
        if message.fault == "late":
            late += 1
            delay = int(message.detail.removeprefix("delay_s=")) * 1000
            assert RATES.late_min_ms - 1000 <= delay <= RATES.late_max_ms
            # A shop this small is silent for minutes, so the newest event may be a little older than the delay says.
            assert newest - message.time_ms > delay - DAY / 8
        elif not message.fault:
            newest = max(newest, message.time_ms)
    assert late > 50


def test_messages_out_of_order_follow_the_later_event_named_in_the_ledger(spoilt: list[Message]) -> None:
    position = {message.event_id: i for i, message in reversed(list(enumerate(spoilt)))}
    displaced = [(i, message) for i, message in enumerate(spoilt) if message.fault == "out_of_order"]
    assert len(displaced) > 100
    for index, message in displaced:
        behind = spoilt[position[message.detail.removeprefix("behind=")]]
        assert behind.topic == message.topic and behind.time_ms > message.time_ms
        assert position[behind.event_id] < index


def test_messages_without_a_fault_are_in_the_order_of_event_time(spoilt: list[Message]) -> None:
    times = [message.time_ms for message in spoilt if message.fault in {"", "malformed", "unknown_version"}]
    assert times == sorted(times)


def test_the_default_rates_are_met() -> None:
    chunks = history_chunks(days=30, orders_per_day=50, seed=4, until=UNTIL)
    counts = Counter(message.fault for chunk in chunks for message in chunk)
    total = sum(counts.values())
    for fault in FAULTS:
        expected = getattr(HISTORY_FAULTS, fault) * total
        assert abs(counts[fault] - expected) < 5 * np.sqrt(expected) + 3, (fault, counts[fault], expected)


def test_held_messages_survive_a_snapshot() -> None:
    message = Message(
        "shop.web", b"ses_1", b"\xff\x00bytes\x00", str(uuid.uuid4()), "2026-01-01T00:00:00Z", 17, "late", "d"
    )
    held = Held([(99, message), (5, message._replace(value=b""))])
    assert Held.from_table(held.table()).waiting == held.waiting
    assert Held.from_table(Held().table()).waiting == []


@pytest.mark.parametrize("how", MALFORMATIONS)
def test_every_way_to_spoil_a_message_spoils_every_type(how: str, history: list[Message]) -> None:
    by_type = {type(decode(message).data): message for message in history}
    assert len(by_type) == len(EVENT_TYPES) - 1, "the simulated shop edits no order"
    for message in by_type.values():
        assert not _is_valid(message._replace(value=malform(message.value, how, 0.6)))


def test_every_version_can_be_told_as_one_that_nobody_knows() -> None:
    unknown = FaultRates(0.0, 0.0, 0.0, 0.0, 1.0)
    for chunk in history_chunks(days=40, orders_per_day=5, seed=2, until=UNTIL, faults=unknown):
        assert all(b'.v99","time":' in message.value for message in chunk)


def test_late_messages_wait_no_longer_than_the_history_lasts() -> None:
    slow = FaultRates(0.0, 0.05, 0.0, 0.0, 0.0)
    chunks = history_chunks(days=1, orders_per_day=20, seed=2, until=UNTIL, faults=slow)
    perfect = history_chunks(days=1, orders_per_day=20, seed=2, until=UNTIL, faults=NO_FAULTS)
    assert sum(map(len, chunks)) == sum(map(len, perfect))
    assert dt.timedelta(milliseconds=slow.late_max_ms) == dt.timedelta(days=7)
