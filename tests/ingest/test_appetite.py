"""Batches are small while the service keeps up and large while it catches up."""

from __future__ import annotations

import pytest

from shop_platform.ingest.appetite import Appetite

LINGER = 0.04
MOST = 20_000


def after(rate: float, *, most: int = MOST, batches: int = 100, waiting: float = 0.0) -> list[int]:
    """Feed batches from a stream of ``rate`` messages a second behind ``waiting`` ones; return the sizes asked for."""
    appetite, sizes = Appetite(most, LINGER), []
    for _ in range(batches):
        sizes.append(appetite.messages)
        seconds = min(max(appetite.messages - waiting, 0) / rate, LINGER)
        got = min(appetite.messages, int(waiting + rate * seconds))
        waiting = max(waiting - got, 0)
        appetite.fed(got, seconds)
    return sizes


@pytest.mark.parametrize("rate", [1, 1_000, 5_000, 20_000, 24_000])
def test_a_stream_that_keeps_its_pace_never_waits_for_many(rate):
    assert set(after(rate)) == {500}


def test_a_backlog_is_read_in_the_largest_batches_and_its_end_brings_small_ones_back():
    sizes = after(1_000, waiting=1_000_000)
    assert sizes[:7] == [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000]
    assert sizes.count(MOST) > 40
    assert sizes[-1] == 500


def test_no_batch_is_larger_than_what_is_configured():
    assert set(after(1_000_000, most=150, waiting=10_000)) == {150}
