"""The Airflow bridge for real: Airflow 3.3 in its own environment against a real Dagster."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.support.airflow_env import ROOT, airflow_environment, binary, clean_environment
from tests.support.dagster_server import DagsterServer, running_dagster
from tests.support.suites import require

HERE = Path(__file__).parent
SHOP_DAGS = ROOT / "airflow_bridge" / "dags"
MISBEHAVING_DAGS = HERE / "dags"

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Airflow:
    """One Airflow home with a migrated SQLite database."""

    home: Path
    dagster_port: int

    def run(self, *arguments: str, dags: Path = SHOP_DAGS) -> subprocess.CompletedProcess[str]:
        """Run the `airflow` command; stderr comes after stdout."""
        return subprocess.run(
            [binary("airflow"), *arguments],
            cwd=self.home,
            env=self.environment(dags),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def environment(self, dags: Path) -> dict[str, str]:
        """Return the variables that make Airflow use this home, these DAGs and the test's Dagster."""
        connection = {"conn_type": "dagster", "host": "127.0.0.1", "port": self.dagster_port}
        return clean_environment(
            {
                "AIRFLOW_HOME": str(self.home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW_CONN_DAGSTER_DEFAULT": json.dumps(connection),
                "NO_COLOR": "1",
                "COLUMNS": "1000",
            }
        )


@pytest.fixture(scope="module", autouse=True)
def _needs_airflow() -> None:
    require("airflow", airflow_environment())


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory, _needs_airflow: None) -> Iterator[DagsterServer]:
    home = tmp_path_factory.mktemp("dagster") / "home"
    with running_dagster(HERE / "tiny_definitions.py", "shop_platform", home) as server:
        yield server
    assert not [process.pid for process in psutil.process_iter() if str(home) in _words(process)]


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, dagster: DagsterServer) -> Airflow:
    made = Airflow(tmp_path_factory.mktemp("airflow"), dagster.port)
    migrated = made.run("db", "migrate")
    assert migrated.returncode == 0, migrated.stdout
    return made


@pytest.fixture(scope="module")
def misbehaved(airflow: Airflow) -> subprocess.CompletedProcess[str]:
    return airflow.run("dags", "test", "misbehaving", dags=MISBEHAVING_DAGS)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_the_bridges_own_tests_pass_in_the_airflow_environment(tmp_path: Path) -> None:
    done = subprocess.run(
        [binary("python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "airflow_bridge" / "tests")],
        env=clean_environment({"TMPDIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ passed", done.stdout)


def test_airflow_imports_the_dag_without_errors(airflow: Airflow) -> None:
    errors = airflow.run("dags", "list-import-errors", "--output", "json")
    assert json.loads(errors.stdout[errors.stdout.rindex("[") :] or "[]") == [], errors.stdout
    listed = airflow.run("dags", "list", "--local", "--output", "json")
    assert '"shop_pipeline"' in listed.stdout, listed.stdout


def test_the_shop_pipeline_runs_its_three_jobs_once_each_and_in_order(airflow: Airflow, dagster: DagsterServer) -> None:
    done = airflow.run("dags", "test", "shop_pipeline")
    assert done.returncode == 0, done.stdout

    runs = dagster.runs(airflow__dag_id="shop_pipeline")
    assert [(run["jobName"], run["status"]) for run in runs] == [
        ("ingest", "SUCCESS"),
        ("transform", "SUCCESS"),
        ("verify", "SUCCESS"),
    ]
    for earlier, later in pairwise(runs):
        assert earlier["endTime"] <= later["creationTime"]
    for run in runs:
        assert run["tags"]["airflow/task_id"] == run["jobName"]
        assert run["tags"]["airflow/try_number"] == "1"
        assert run["tags"]["airflow/run_id"].startswith("manual__")
        assert run["tags"]["airflow/launch_key"]
        assert f"{dagster.url}/runs/{run['runId']}" in done.stdout


def test_a_failing_job_fails_the_dag_and_names_step_asset_error_and_link(
    misbehaved: subprocess.CompletedProcess[str], dagster: DagsterServer
) -> None:
    assert misbehaved.returncode != 0
    (run,) = dagster.runs(airflow__dag_id="misbehaving", airflow__task_id="broken")
    assert (
        f"Dagster run {run['runId']} of job 'broken' failed at step 'marts__broken_model', asset marts/broken_model: "
        f"tiny_definitions.BrokenModelError: column order_id is ambiguous ({dagster.url}/runs/{run['runId']})"
    ) in misbehaved.stdout


def test_a_verification_that_finds_a_loss_fails_its_task_although_dagster_calls_it_a_success(
    misbehaved: subprocess.CompletedProcess[str], dagster: DagsterServer
) -> None:
    (run,) = dagster.runs(airflow__dag_id="misbehaving", airflow__task_id="lost")
    assert run["status"] == "SUCCESS"
    assert "left failed checks: ops/reconciliation:nothing_was_lost (3 events lost)" in misbehaved.stdout


def test_a_misspelt_job_says_where_it_was_looked_for(misbehaved: subprocess.CompletedProcess[str]) -> None:
    assert "Dagster has no job 'ingets' in code location 'shop_platform'" in misbehaved.stdout


def test_a_run_that_outlives_its_task_is_cancelled_in_dagster(
    misbehaved: subprocess.CompletedProcess[str], dagster: DagsterServer
) -> None:
    assert "outlived 0:00:10 and was cancelled" in misbehaved.stdout
    deadline = time.monotonic() + 60
    while True:
        (run,) = dagster.runs(airflow__dag_id="misbehaving", airflow__task_id="too_slow")
        if run["status"] == "CANCELED":
            break
        assert time.monotonic() < deadline, f"still {run['status']}"
        time.sleep(0.2)


def test_a_retry_after_the_launch_adopts_the_live_run(airflow: Airflow, dagster: DagsterServer) -> None:
    done = airflow.run("dags", "test", "lost_worker", dags=MISBEHAVING_DAGS)
    assert done.returncode == 0, done.stdout
    (run,) = dagster.runs(airflow__dag_id="lost_worker")
    assert run["status"] == "SUCCESS"
    assert run["tags"]["airflow/try_number"] == "1"
    assert "this worker is lost" in done.stdout
    assert re.search(rf"Adopting Dagster run {run['runId']} \((QUEUED|START\w+)\)", done.stdout), done.stdout
