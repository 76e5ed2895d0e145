"""What is printed is true of nothing, too."""

from __future__ import annotations

import datetime as dt
import uuid

from shop_platform.landed_events.find import Kind, Twice
from shop_platform.landed_events.render import kind_lines, restore_lines, retract_lines, twice_lines
from shop_platform.landed_events.restore import RestoreReport
from shop_platform.landed_events.retract import RetractReport

NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def test_nothing_done_is_said_so():
    assert list(retract_lines(RetractReport(), dry_run=False)) == ["Nothing was retracted."]
    again = ["Nothing was retracted.", "1 had been retracted before."]
    assert list(retract_lines(RetractReport(unchanged=1), dry_run=False)) == again
    told = list(restore_lines(RestoreReport(unchanged=1), dry_run=False))
    assert told == ["Nothing was restored.", "1 was not retracted."]


def test_one_is_told_as_one():
    kind = Kind(1, "shop.web.page_viewed.v1", "/shop", 1, NOON, NOON)
    assert list(kind_lines([kind]))[-1] == "        1  landed event"
    assert list(kind_lines([kind], "retracted"))[-1] == "        1  retracted event"
    told = "\n".join(retract_lines(RetractReport(erasures=1, expired=1), dry_run=False))
    assert "1 stays: a customer asked" in told and "1 stays: retention has removed" in told


def test_ids_of_several_topics_are_named_and_no_more_than_ten():
    twice = [Twice(uuid.UUID(int=n), ["shop.orders", "shop.web"]) for n in range(11)]
    told = list(twice_lines(twice))
    assert told[0].endswith("is the id of 2 events, in shop.orders and shop.web: all are meant without --topic.")
    assert len(told) == 11 and told[-1] == "1 more id is that of several events."
