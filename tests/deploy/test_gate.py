"""The gate's account: what each step took, and a watchdog that fails with a table before a limit without a word."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from shop_platform.settings import PROJECT_ROOT
from tests.support.lanes import SLOW
from tests.support.suites import SUITES


def gate(script, tmp_path, **variables):
    """Run a script with the gate's steps; return its exit code and output."""
    account = tmp_path / "account"
    account.write_text("   123.4  tests/slow/test_one.py\n")
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n. .ci/steps.sh\n{script}"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"SHOP_TEST_ACCOUNT": str(account)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_step_is_in_the_table_at_the_end(tmp_path):
    code, said = gate("step first true\nstep second sleep 1", tmp_path)
    assert code == 0, said
    table = said.partition("=== what each step took")[2].split("\n")
    assert [line.split(maxsplit=2)[1:] for line in table if line][:2] == [["s", "first"], ["s", "second"]]
    assert "the gate, exit code 0" in said


def test_a_step_that_fails_ends_the_gate_with_its_code(tmp_path):
    code, said = gate("broken() { false; touch never; return 3; }\nstep first broken\nstep second true", tmp_path)
    assert code == 1, said
    assert "first  FAILED (1)" in said and "second" not in said


def test_what_takes_too_long_fails_with_the_slowest_files_so_far_and_ends_all_it_started(tmp_path):
    pids = tmp_path / "pids"
    script = f"""
    slow() {{ sleep 1000 & echo $! >{pids}; sleep 1000; }}
    afterwards() {{ echo cleaned; }}
    watchdog 2
    step first true
    step slow slow
    """
    began = time.monotonic()
    code, said = gate(script, tmp_path)
    assert code == 124, said
    assert time.monotonic() - began < 500
    assert 'taken 2 seconds, more than it may; it was at "slow"' in said
    assert "123.4  tests/slow/test_one.py" in said and "slow  FAILED (124)" in said and "cleaned" in said
    while os.path.exists(f"/proc/{pids.read_text().strip()}"):  # noqa: PTH110 - a process, not a file
        time.sleep(0.05)


def test_the_gate_is_in_order(tmp_path):
    done = subprocess.run(["bash", "-n", ".ci/run"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (PROJECT_ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text and "--reruns" not in text
    steps = [line.split('"')[1] for line in text.splitlines() if line.startswith("step ")]
    assert steps[-2:] == ["make lint", "make test ALL=1"]
    commands = [line.split('"')[2] for line in text.splitlines() if line.startswith("step ")]
    assert commands[-1].split() == ["make", "--no-print-directory", "test", "ALL=1"]
    suites = next(line for line in text.splitlines() if line.startswith("export SHOP_TEST_REQUIRE="))
    assert set(suites.partition("=")[2].split(",")) == SUITES.keys()


@pytest.mark.parametrize(
    ("arguments", "required", "said"),
    [
        *((["-m", "not slow"], suite, f"this run leaves out: {suite}") for suite in sorted({*SUITES} & {*SLOW})),
        (["-m", "fast"], "browser", "this run leaves out: browser"),
        (["-k", "in_order"], "nonsense", "unknown suites: nonsense. There are kafka, browser"),
        (["--shard", "0/3"], "", "SHARD is '0/3'"),
    ],
)
def test_a_run_that_cannot_be_what_it_is_asked_for_ends_at_once_with_a_sentence(arguments, required, said):
    code, _, complaint = a_run(required, *arguments)
    assert code == 4 and said in complaint and "Traceback" not in complaint


def test_a_required_suite_without_a_test_in_the_run_is_a_failure_but_not_in_a_shard():
    code, told, _ = a_run("airflow", "-k", "in_order")
    assert code == 1 and "1 passed" in told and "DID NOT RUN: nothing was selected" in told
    code, told, _ = a_run("airflow", "-k", "in_order", "--shard", "1/1")
    assert code == 0, told


def a_run(required, *arguments):
    """Run this file's tests that ``arguments`` choose; return the exit code, the output and the complaints."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/deploy/test_gate.py", *arguments],
        cwd=PROJECT_ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        | {"SHOP_TEST_REQUIRE": required},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
