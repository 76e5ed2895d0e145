"""I1 holds only when every count says so, in words too: two faults that cancel each other out are two faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_platform.operations.hours import Hour, Hours
from shop_platform.operations.reconcile import Reconciliation
from shop_platform.operations.telling import FAULTS, short_i1, tell_i1

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
    assert replace(HOLDS, produced=7, foreign=2, mended=1).holds, "not every producer keeps a ledger"


@pytest.mark.parametrize("fault", ["missing", "unexpected", "in_both", "landed_twice", "offset_mismatches"])
def test_each_fault_breaks_it_though_the_sum_is_right(fault):
    assert not replace(HOLDS, **{fault: 1}).holds
    assert not replace(HOLDS, produced=None, **{fault: 1}).holds


@pytest.mark.parametrize("count", ["produced", "landed", "dead_lettered", "given_up", "expired", "foreign", "mended"])
def test_a_sum_that_is_not_right_breaks_it(count):
    assert not replace(HOLDS, **{count: getattr(HOLDS, count) + 1}).holds


def said(found: Reconciliation) -> str:
    return "\n".join(tell_i1(found))


@pytest.mark.parametrize("fault", FAULTS)
def test_what_breaks_it_is_said_with_its_number(fault):
    broken = replace(HOLDS, **{fault: 1_234})
    assert "I1 holds" not in said(broken)
    assert f"  {FAULTS[fault][0]}: 1,234 (" in said(broken) and f"{FAULTS[fault][0]} 1,234" in short_i1(broken)


def test_it_is_not_said_to_hold_while_an_hour_does_not_add_up_nor_to_break_without_a_reason():
    hour = Hour("shop.web", 3, None, 5, 0, 0, 0, landed=4, noted=4, duplicates=0, dead=0, late=0, difference=1)
    off = replace(HOLDS, hours=Hours({"shop.web": 40}, {"shop.web": 12}, (hour,)))
    assert off.ids_hold and not off.holds and off.as_dict()["holds"] is False
    assert "I1 holds" not in said(off) and "Hours: 40 partitions and hours of event time, 12 do not add up" in said(off)
    assert "  shop.web/3, unknown hour: 1 missing (5 produced, 4 landed, 0 duplicates, 0 dead)\n  and 11 more" in said(
        off
    )
    assert short_i1(off).startswith("12 hours do not add up, e.g. shop.web/3")
    assert "the counts differ by +1" in said(replace(HOLDS, landed=9)) and "+1" in short_i1(replace(HOLDS, landed=9))
    assert "all add up" in said(HOLDS) and len(tell_i1(HOLDS)) == 2
    assert "no producer's ledger" in said(replace(HOLDS, produced=None))
