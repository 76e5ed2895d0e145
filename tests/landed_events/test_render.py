"""What is printed is true of nothing, too."""

from __future__ import annotations

from shop_platform.landed_events.render import restore_lines, retract_lines
from shop_platform.landed_events.restore import RestoreReport
from shop_platform.landed_events.retract import RetractReport


def test_nothing_done_is_said_so():
    assert list(retract_lines(RetractReport(), dry_run=False)) == ["Nothing was retracted."]
    again = ["Nothing was retracted.", "1 had been retracted before."]
    assert list(retract_lines(RetractReport(unchanged=1), dry_run=False)) == again
    assert list(restore_lines(RestoreReport(unchanged=1))) == ["Nothing was restored.", "1 was not retracted."]
