"""Pytest plugin of the lane: each test runs before the moment and again after it, in one session.

What a session keeps (a server, a seeded warehouse, a constant of a module) was made before the moment then, as in any
run of the suite that passes midnight.
"""

from __future__ import annotations

import datetime as dt
import os

import pytest

from tests.clocks.turned_clock import TurnedClock

MOMENT_VARIABLE = "SHOP_TEST_MOMENT"
BEFORE, AFTER = "before", "after"


@pytest.fixture(scope="session", autouse=True, params=[BEFORE, AFTER])
def side(request: pytest.FixtureRequest) -> str:
    """On which side of the moment the clock stands; pytest runs all tests of one side before those of the other."""
    moment, now = dt.datetime.fromisoformat(os.environ[MOMENT_VARIABLE]), dt.datetime.now(dt.UTC)
    if request.param == AFTER and now < moment:
        TurnedClock.of_this_process().turn_by(int((moment - now).total_seconds()) + 1)
    assert (dt.datetime.now(dt.UTC) >= moment) == (request.param == AFTER), "the half before took too long"
    return str(request.param)
