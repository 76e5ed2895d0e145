"""The demo as a user runs it: to its end, again on the same data, interrupted, and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

DEMO = [sys.executable, "-m", "shop_platform.cli", "demo", "--days", "4", "--orders-per-day", "15", "--rate", "20"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    return os.environ | {"SHOP_DATA_DIR": str(folder)}


def shop(environment, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def members(environment):
    """Return every process that works on this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            folder = process.environ().get("SHOP_DATA_DIR")
            if process.pid != os.getpid() and environment["SHOP_DATA_DIR"] in f"{words} {folder}":
                found.append(process)
        except psutil.Error:
            continue
    return found


def manifest_of(environment):
    return json.loads((Path(environment["SHOP_DATA_DIR"]) / "ledger" / "history.json").read_text())


def eventually(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached"
        time.sleep(0.3)


def test_the_demo_ends_verified_goes_on_with_the_same_data_and_dies_cleanly(environment):
    first = subprocess.run([*DEMO, "--exit"], env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "I1 holds" in first.stdout and "I2 holds" in first.stdout
    for wanted in ("Where the time went", "What each process holds", "postgres", "dagster-daemon"):
        assert wanted in first.stdout
    assert "Traceback" not in first.stdout + first.stderr
    assert members(environment) == []
    manifest = manifest_of(environment)

    running = subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        eventually(lambda: "Dashboard:" in running.stdout.readline(), 400)

        refused = shop(environment, "demo", "--exit")
        assert refused.returncode == 2 and "Another `shop` holds" in refused.stderr
        assert "Traceback" not in refused.stderr

        status = json.loads(shop(environment, "status", "--json").stdout)
        assert {"produced", "landed", "dead_lettered", "duplicates", "lag", "reconciled", "freshness_seconds"} <= set(
            status
        )
        assert status["reconciled"] is True and status["landed"] > 0 and status["problems"] == []

        verdict = shop(environment, "verify", "--json")
        assert verdict.returncode == 0, verdict.stderr
        checked = json.loads(verdict.stdout)
        assert checked["i1"]["holds"] is True and checked["i2"]["holds"] is True
        assert checked["i1"]["produced"] == checked["i1"]["landed"] + checked["i1"]["dead_lettered"]
        # Nothing was loaded a second time: the history's manifest is the first run's.
        assert manifest_of(environment) == manifest

        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 0
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
    assert members(environment) == []


def test_a_killed_demo_leaves_no_process_behind_and_can_be_reset(environment):
    running = subprocess.Popen(DEMO, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        eventually(lambda: re.search("migrations and topics", running.stdout.readline()), 120)
        running.send_signal(signal.SIGKILL)
        running.wait()
        eventually(lambda: members(environment) == [], 30)
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
    done = shop(environment, "reset", "--yes")
    assert done.returncode == 0 and "removed" in done.stdout
    assert not Path(environment["SHOP_DATA_DIR"]).exists()
