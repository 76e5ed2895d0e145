"""Runs in the lane only: the clock is the turned one for everybody."""

from __future__ import annotations

import datetime as dt
import os
import subprocess

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.clocks.sides import AFTER, MOMENT_VARIABLE


def test_python_postgresql_and_every_other_program_see_the_same_clock(side, warehouse):
    here = dt.datetime.now(dt.UTC)
    with connect(warehouse.settings, Role.ADMIN) as admin:
        (server,) = admin.execute("select clock_timestamp()").fetchone()
    told = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=True)
    program = dt.datetime.fromtimestamp(int(told.stdout), dt.UTC)
    moment = dt.datetime.fromisoformat(os.environ[MOMENT_VARIABLE])
    assert dt.timedelta() <= server - here < dt.timedelta(minutes=1)
    assert dt.timedelta(seconds=-1) <= program - here < dt.timedelta(minutes=1)
    assert {here >= moment, server >= moment, program >= moment} == {side == AFTER}
