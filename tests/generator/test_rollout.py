"""A new version of an event is rolled out: the old one before, both for a while, the new one after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.events.types import RefundIssued, RefundIssuedV2
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import DAY, NO_FAULTS, REAL_PACE, Parameters
from shop_platform.generator.rollout import Rollout
from shop_platform.generator.shop import Shop
from shop_platform.generator.stream import Line
from tests.generator.audit import Auditor, Event, in_event_time, refunded

_ORIGIN = 1_795_000_000_000


def _refunds(messages: list[Message]) -> list[Event]:
    named = [message for message in messages if b"shop.refund.issued" in message.value]
    return [event for event in in_event_time(named) if event.kind == "refund.issued"]


def _life(after_days: float, rollout_days: float, windows: int = 1) -> list[Message]:
    """Return the messages of a shop of thirty days and of what is then under way."""
    parameters = Parameters(orders_per_day=20.0, refund_v2_after_days=after_days, refund_v2_rollout_days=rollout_days)
    line = Line(Shop.found(parameters, 11, "Europe/Berlin", _ORIGIN, opening_ms=2_000))
    messages = line.window(_ORIGIN + 2_000, REAL_PACE, 0.0, NO_FAULTS)
    for day in range(1, 31):
        messages += line.window(_ORIGIN + day * DAY, REAL_PACE, 300.0, NO_FAULTS)
    for part in range(1, windows + 1):
        messages += line.window(_ORIGIN + 30 * DAY + part * 60 * DAY // windows, REAL_PACE, 0.0, NO_FAULTS)
    return messages


def test_a_history_holds_the_old_version_then_both_then_the_new_one(history: list[Message]) -> None:
    start = min(message.time_ms for message in history)
    begins = Parameters().refund_v2_after_days
    ends = begins + Parameters().refund_v2_rollout_days
    found: dict[str, set[type]] = {"before": set(), "during": set(), "after": set()}
    for event in _refunds([message for message in history if message.topic == "shop.returns"]):
        day = (event.time.timestamp() * 1000 - start) / DAY
        found["before" if day < begins - 0.1 else "after" if day > ends else "during"].add(type(event.data))
    assert found == {"before": {RefundIssued}, "during": {RefundIssued, RefundIssuedV2}, "after": {RefundIssuedV2}}


def test_the_rollout_changes_how_a_refund_is_told_and_nothing_else() -> None:
    old, mixed, new = (_life(*rollout) for rollout in ((1e6, 0.0), (10.0, 20.0), (0.0, 0.0)))
    told = [
        [(event.time, event.data.refund_id, event.data.return_id, event.data.reason, refunded(event.data))
         for event in sorted(_refunds(messages), key=lambda event: (event.time, event.data.refund_id))]
        for messages in (old, mixed, new)
    ]  # fmt: skip
    assert told[0] == told[1] == told[2] and len(told[0]) > 20
    assert {type(event.data) for event in _refunds(old)} == {RefundIssued}
    assert {type(event.data) for event in _refunds(mixed)} == {RefundIssued, RefundIssuedV2}
    assert {type(event.data) for event in _refunds(new)} == {RefundIssuedV2}
    others = [
        sorted(message.value for message in messages if b"shop.refund.issued" not in message.value)
        for messages in (old, mixed, new)
    ]
    assert others[0] == others[1] == others[2]
    for messages in (old, mixed, new):
        Auditor().read(in_event_time(messages))


def test_the_version_does_not_depend_on_the_windows_in_which_the_shop_lives() -> None:
    whole, parts = (
        {event.data.refund_id: type(event.data) for event in _refunds(_life(25.0, 20.0, windows))} for windows in (1, 7)
    )
    assert whole == parts
    assert set(whole.values()) == {RefundIssued, RefundIssuedV2}


@given(
    start=st.integers(0, 10**13),
    lasts=st.integers(0, 10**10),
    seed=st.integers(0, 2**63 - 1),
    number=st.integers(0, 2**62),
    times=st.lists(st.integers(0, 2 * 10**13), min_size=2, max_size=20),
)
def test_a_server_that_emits_the_new_version_never_goes_back(
    start: int, lasts: int, seed: int, number: int, times: list[int]
) -> None:
    at = np.sort(np.array([*times, start - 1, start + lasts]))
    told = Rollout(start, lasts, seed).is_new(at, np.full(len(at), number))
    assert not told[at < start].any() and told[at >= start + lasts].all()
    assert (np.diff(told.astype(int)) >= 0).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_as_many_events_are_new_as_servers_are_updated(share: float) -> None:
    number = np.arange(_ORIGIN * 1000, _ORIGIN * 1000 + 20_000)
    told = Rollout(0, 1000, 3).is_new(np.full(len(number), int(1000 * share)), number)
    assert abs(told.mean() - share) < 0.02
    again = Rollout(0, 1000, 4).is_new(np.full(len(number), int(1000 * share)), number)
    assert (told != again).any(), "another seed, other servers first"
