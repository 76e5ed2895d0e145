"""Tests that depend on dates hold around midnights, a change of the clock, 29 February and New Year."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_platform.children import die_with_parent
from shop_platform.settings import PROJECT_ROOT
from tests.clocks.lane import ELSEWHERE, LANE, files_that_take_a_date_from_the_clock
from tests.clocks.moments import MOMENTS, Moment
from tests.clocks.sides import MOMENT_VARIABLE
from tests.clocks.turned_clock import clock_available, new_clock
from tests.support.account import LIVE
from tests.support.suites import require


@pytest.fixture
def clock_folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="shop-tests-clock-") as name:
        yield Path(name)


@pytest.mark.clocks
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    # Each may run in another process: they share nothing.
    "moment",
    [
        pytest.param(moment, id=moment.name, marks=pytest.mark.xdist_group(moment.name))
        for moment in MOMENTS
        if moment.in_every_run or os.environ.get("SHOP_TEST_CLOCKS") == "all"
    ],
)
def test_what_depends_on_dates_holds_before_and_after(moment: Moment, tmp_path: Path, clock_folder: Path):
    require("clocks", clock_available())
    _, variables = new_clock(clock_folder, moment.begin)
    # A pytest of its own: none of what this one was started with or has to run, no account and no folder of this one's.
    own = ("PYTEST_", LIVE, "SHOP_TEST_REQUIRE")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.clocks.sides"),
            *("-p", "no:randomly", "-p", "no:cacheprovider"),
            *("--quiet", "--no-header", "--durations=5", f"--basetemp={tmp_path / 'inside'}"),
            *LANE,
        ],
        cwd=PROJECT_ROOT,
        env=inherited | variables | {MOMENT_VARIABLE: moment.at.isoformat()},
        preexec_fn=die_with_parent(),
        capture_output=True,
        text=True,
        check=False,
    )
    told = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, f"around {moment.at:%Y-%m-%d %H:%M} UTC:\n{told}"


def test_whatever_takes_a_date_from_the_clock_is_in_the_lane_or_left_out_with_a_reason():
    known = [*(path.partition("::")[0] for path in LANE), *ELSEWHERE]
    assert all((PROJECT_ROOT / path).exists() for path in known)
    unknown = [
        path for path in files_that_take_a_date_from_the_clock() if not any(path.startswith(each) for each in known)
    ]
    assert not unknown, "judge it in tests/clocks/lane.py"
