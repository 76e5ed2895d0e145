"""I1 holds only when every count says so: two faults that cancel each other out in the sum are two faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_platform.operations.reconcile import Reconciliation

HOLDS = Reconciliation(
    produced=10,
    landed=8,
    dead_lettered=2,
    duplicates=3,
    in_flight=1,
    missing=0,
    unexpected=0,
    in_both=0,
    landed_twice=0,
    unattributed_dead_letters=4,
    offset_mismatches=0,
)


def test_what_was_repeated_is_on_its_way_or_of_no_known_event_breaks_nothing():
    assert HOLDS.holds
    assert replace(HOLDS, produced=None).holds, "a real shop has no ledger"
    assert replace(HOLDS, produced=13, given_up=1, expired=2).holds


@pytest.mark.parametrize("fault", ["missing", "unexpected", "in_both", "landed_twice", "offset_mismatches"])
def test_each_fault_breaks_it_though_the_sum_is_right(fault):
    assert not replace(HOLDS, **{fault: 1}).holds
    assert not replace(HOLDS, produced=None, **{fault: 1}).holds


@pytest.mark.parametrize("count", ["produced", "landed", "dead_lettered", "given_up", "expired"])
def test_a_sum_that_is_not_right_breaks_it(count):
    assert not replace(HOLDS, **{count: getattr(HOLDS, count) + 1}).holds
