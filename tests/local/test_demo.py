"""The demo as a user runs it: to its end, again on the same data, interrupted, and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import eventually

DEMO = [sys.executable, "-m", "shop_platform.cli", "demo", "--days", "4", "--orders-per-day", "15", "--rate", "20"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "data"
    return os.environ | {"SHOP_DATA_DIR": str(folder)}


def shop(demo, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=demo,
        capture_output=True,
        text=True,
        check=False,
    )


def members(demo):
    """Return every process that works on this data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            folder = process.environ().get("SHOP_DATA_DIR")
            if process.pid != os.getpid() and demo["SHOP_DATA_DIR"] in f"{words} {folder}":
                found.append(process)
        except psutil.Error:
            continue
    return found


def manifest_of(demo):
    return json.loads((Path(demo["SHOP_DATA_DIR"]) / "ledger" / "history.json").read_text())


def wait_for_line(running, wanted):
    """Read what the demo says until a line holds ``wanted``; fail with all of it when it ends before."""
    said = []
    for line in running.stdout:
        said.append(line)
        if wanted in line:
            return
    pytest.fail(f"the demo ended without '{wanted}':\n{''.join(said)}")


def test_the_demo_ends_verified_goes_on_with_the_same_data_and_dies_cleanly(demo):
    first = subprocess.run([*DEMO, "--exit"], env=demo, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "I1 holds" in first.stdout and "I2 holds" in first.stdout
    for wanted in ("Where the time went", "What each process holds", "postgres", "dagster-daemon"):
        assert wanted in first.stdout
    assert "Traceback" not in first.stdout + first.stderr
    assert members(demo) == []
    manifest = manifest_of(demo)

    running = subprocess.Popen(DEMO, env=demo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_line(running, "Dashboard:")

        refused = shop(demo, "demo", "--exit")
        assert refused.returncode == 2 and "Another `shop` holds" in refused.stderr
        assert "Traceback" not in refused.stderr

        status = json.loads(shop(demo, "status", "--json").stdout)
        assert {"produced", "landed", "dead_lettered", "duplicates", "lag", "reconciled", "freshness_seconds"} <= set(
            status
        )
        assert status["reconciled"] is True and status["landed"] > 0 and status["problems"] == []

        verdict = shop(demo, "verify", "--json")
        assert verdict.returncode == 0, verdict.stderr
        checked = json.loads(verdict.stdout)
        assert checked["i1"]["holds"] is True and checked["i2"]["holds"] is True
        assert checked["i1"]["produced"] == checked["i1"]["landed"] + checked["i1"]["dead_lettered"]
        # Nothing was loaded a second time: the history's manifest is the first run's.
        assert manifest_of(demo) == manifest

        running.send_signal(signal.SIGINT)
        assert running.wait() == 0
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
    assert members(demo) == []


def test_a_killed_demo_leaves_no_process_behind_and_can_be_reset(demo):
    running = subprocess.Popen(DEMO, env=demo, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for_line(running, "migrations and topics")
        running.send_signal(signal.SIGKILL)
        running.wait()
        eventually(lambda: members(demo) == [])
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
    done = shop(demo, "reset", "--yes")
    assert done.returncode == 0 and "removed" in done.stdout
    assert not Path(demo["SHOP_DATA_DIR"]).exists()
