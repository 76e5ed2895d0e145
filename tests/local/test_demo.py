"""The demo as a user runs it: to its end, again on the same data, interrupted, killed, and in a closed folder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from shop_platform.local.ports import RANGE_VARIABLE
from tests.support.waiting import eventually

DEMO = [sys.executable, "-m", "shop_platform.cli", "demo", "--days", "4", "--orders-per-day", "15", "--rate", "20"]
ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def closed_clone(tmp_path):
    """Give the repository in a folder of mode 700, as a umask of 077 leaves it, with the environment of this one."""
    clone = tmp_path / "root's home" / "Lädchen 1"
    ignored = shutil.ignore_patterns(".git", ".venv*", ".tools", ".shop", ".*_cache", "__pycache__", "build", "target")
    shutil.copytree(ROOT, clone, ignore=ignored)
    subprocess.run(["chmod", "-R", "go=", clone.parent], check=True)
    (clone / "tmp").mkdir(mode=0o700)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    for file in ("pyproject.toml", "uv.lock", "airflow_bridge/pyproject.toml"):
        os.utime(clone / file, (0, 0))  # nothing is newer than the environment: make does not install it again
    return clone


def test_the_demo_and_the_tests_run_in_a_folder_that_only_its_owner_may_enter(closed_clone, own_servers):
    """With a umask of 077, a temporary folder that is closed as well, and no HOME."""
    here = {
        name: value
        for name, value in os.environ.items()
        if name == RANGE_VARIABLE or (not name.startswith(("SHOP_", "PYTEST_")) and name != "HOME")
    }
    here |= {"TMPDIR": str(closed_clone / "tmp"), "PYTHONPATH": str(closed_clone)}

    def make(*arguments):
        return subprocess.Popen(
            ["make", *arguments],
            cwd=closed_clone,
            env=here,
            umask=0o077,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    demo, shown = make("demo", "ARGS=--days 1 --orders-per-day 5"), ""
    try:
        while "ingested exactly once" not in shown:
            line = demo.stdout.readline()
            assert line, shown
            shown += line
        os.killpg(demo.pid, signal.SIGINT)  # Ctrl-C
        shown += demo.communicate(timeout=120)[0]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGKILL)
    assert "Traceback" not in shown
    told = re.search(r"PostgreSQL runs as '\S+', who may not enter (.*): its programs are copied to (\S+) \(", shown)
    if os.geteuid() == 0:
        assert told and closed_clone.is_relative_to(told[1]), shown
        assert not Path(told[2]).exists()
    else:
        assert told is None
    assert (closed_clone / ".shop" / "pgdata" / "PG_VERSION").exists()

    tests = make("test", "ARGS=tests/local/test_postgres.py -k 'sigkill or no_process' -p no:cacheprovider")
    said = tests.communicate(timeout=240)[0]
    assert tests.returncode == 0 and "2 passed" in said, said

    done = make("reset")
    said = done.communicate("y\n", timeout=60)[0]
    assert done.returncode == 0 and "MB removed" in said and not (closed_clone / ".shop").exists(), said
