"""What the bridge promises, against a running Airflow 3.3 and a real Dagster."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.airflow.client import AirflowClient, DagRun
from tests.airflow.conftest import Tiny, held
from tests.support.airflow_env import ROOT, binary, clean_environment
from tests.support.waiting import eventually

pytestmark = pytest.mark.airflow


def of(tiny: Tiny, run: DagRun, task_id: str) -> list[dict[str, Any]]:
    """The Dagster runs of a task, oldest first."""
    return tiny.server.runs(airflow__dag_id=run.dag_id, airflow__run_id=run.run_id, airflow__task_id=task_id)


def statuses(tiny: Tiny, run: DagRun, task_id: str) -> list[str]:
    return [each["status"] for each in of(tiny, run, task_id)]


def made(tiny: Tiny, run_id: str) -> list[str]:
    """The names of the assets that a Dagster run has made."""
    query = (
        "query Made($id: ID!) { runOrError(runId: $id) { ... on Run { assetMaterializations { assetKey { path } } } } }"
    )
    found = tiny.server.query(query, id=run_id)["runOrError"]["assetMaterializations"]
    return sorted(each["assetKey"]["path"][-1] for each in found)


@contextlib.contextmanager
def without_a_triggerer() -> Iterator[None]:
    """Freeze Airflow's triggerer, so that no wait begins, as while it starts."""

    def is_triggerer(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):  # the workers of tasks come and go
            return "triggerer" in " ".join(process.cmdline())
        return False

    frozen = [each for each in psutil.Process().children(recursive=True) if is_triggerer(each)]
    assert frozen
    for process in frozen:
        process.suspend()
    try:
        yield
    finally:
        for process in frozen:
            process.resume()


def reported(airflow: AirflowClient, run: DagRun) -> dict[str, str]:
    """The Asset events of a run of `watched`: the Dagster run of each."""
    events = airflow.get("/api/v2/assets/events", source_dag_id="watched", source_run_id=run.run_id)["asset_events"]
    return {event["name"]: event["extra"]["dagster_run_id"] for event in events}


def test_a_killed_worker_launches_nothing_twice_and_a_cleared_task_launches_anew(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    with held(tiny, "killed"):
        run = airflow.trigger("killed_worker")
        eventually(lambda: run.tasks()["adopt"] == "deferred")  # the second try: the first one was killed
        (alive,) = of(tiny, run, "adopt")
        assert alive["tags"]["airflow/try_number"] == "1"
    assert run.wait() == "success"
    run.says(f"Adopting Dagster run {alive['runId']}", "adopt", 2)
    assert statuses(tiny, run, "adopt") == ["SUCCESS"]

    run.clear("adopt")
    eventually(lambda: len(of(tiny, run, "adopt")) == 2)
    assert run.wait() == "success"
    first, second = of(tiny, run, "adopt")
    assert first["tags"]["airflow/launch_key"] != second["tags"]["airflow/launch_key"]


def test_a_deferred_task_holds_no_worker_has_its_link_and_marking_it_failed_cancels_the_run(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    with held(tiny, "marked"), without_a_triggerer():  # the mark counts also before one has the task
        run = airflow.trigger("mark_failed")
        run.wait_for("wait", ["deferred"])
        eventually(lambda: statuses(tiny, run, "wait") == ["STARTED"])
        pool = airflow.get("/api/v2/pools/default_pool")
        assert (pool["running_slots"], pool["queued_slots"]) == (0, 0)
        assert pool["deferred_slots"] >= 1
        (dagster_run,) = of(tiny, run, "wait")
        assert run.links("wait") == {"Dagster run": f"http://127.0.0.1:{tiny.gate.port}/runs/{dagster_run['runId']}"}
        run.mark("wait", "failed")
        eventually(lambda: statuses(tiny, run, "wait") == ["CANCELED"])
    assert run.wait() == "failed"


def test_on_a_shortened_clock_an_outage_is_waited_out_and_one_beyond_the_tolerance_fails_the_task(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    """Ten minutes are the default tolerance; here Dagster is away for seconds, more than the impatient task bears."""
    with held(tiny, "outage"):
        run = airflow.trigger("outage")
        for name in ("patient", "impatient"):
            run.wait_for(name, ["deferred"])
        with tiny.gate.down():
            run.wait_for("impatient", ["failed"])
            assert run.tasks()["patient"] == "deferred"
    run.wait_for("patient", ["success"])
    assert statuses(tiny, run, "patient") == ["SUCCESS"]
    run.says("Lost sight of Dagster run", "impatient")


def test_failed_checks_a_misspelt_job_and_a_run_past_its_time_fail_their_tasks_and_say_why(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    with held(tiny, "too_slow"):
        run = airflow.trigger("misbehaving")
        assert run.wait() == "failed"
        assert statuses(tiny, run, "lost") == ["SUCCESS"]
        run.says("left failed checks: ops/reconciliation:nothing_was_lost (3 events lost)", "lost")
        run.says("Dagster has no job 'sholw' in code location 'tiny'", "misspelt")
        run.says("outlived 0:00:08 and was cancelled", "too_slow")
        eventually(lambda: statuses(tiny, run, "too_slow") == ["CANCELED"])


def test_a_broken_asset_turns_its_own_task_red_and_the_run_tells_asset_error_and_link(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    broken = tiny.control / "second.broken"
    broken.touch()
    try:
        run = airflow.trigger("watched")
        assert run.wait() == "failed"
    finally:
        broken.unlink()
    assert run.tasks() == {
        "launch": "success",
        "raw.events": "success",
        "marts.first": "success",
        "marts.second": "failed",
        "marts.third": "upstream_failed",
        "dagster_run": "failed",
        "asset_events": "upstream_failed",
        "asset_events_after_failure": "success",
    }
    whole, again = of(tiny, run, "launch")
    assert made(tiny, whole["runId"]) == ["events", "first"]
    assert made(tiny, again["runId"]) == []
    url = f"http://127.0.0.1:{tiny.gate.port}/runs/{again['runId']}"
    failed = f"Dagster run {again['runId']} of job 'shop' failed at step 'marts__second', asset marts/second:"
    run.says(failed, "dagster_run", 2)
    run.says(f"column second_id is ambiguous ({url})", "dagster_run", 2)
    assert run.links("marts.second") == {"Dagster run": url}
    run.says("was not made; the run failed at step 'marts__second'", "marts.second")
    assert reported(airflow, run) == {"marts.first": whole["runId"]}

    run.clear(only_failed=True)  # what "Clear only failed tasks" of the DAG run does
    eventually(lambda: len(of(tiny, run, "launch")) == 3)
    assert run.wait() == "success"
    repaired = of(tiny, run, "launch")[2]
    assert made(tiny, repaired["runId"]) == ["second", "third"]
    assert reported(airflow, run) == {
        "marts.first": whole["runId"],
        "marts.second": repaired["runId"],
        "marts.third": repaired["runId"],
    }

    run.clear("marts.first")  # a green model is made again, alone
    eventually(lambda: len(of(tiny, run, "launch")) == 4)
    assert run.wait() == "success"
    assert made(tiny, of(tiny, run, "launch")[3]["runId"]) == ["first"]
    run.says("Asset marts/first is there, made in", "marts.first", 2)


def test_a_dag_run_that_is_marked_as_failed_before_a_triggerer_has_it_stays_failed_and_its_dagster_run_is_cancelled(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    with held(tiny, "events"), without_a_triggerer():
        early = airflow.trigger("watched")
        eventually(lambda: statuses(tiny, early, "launch"))
        early.fail()  # its Dagster run has not begun, and nothing waits for it yet

        waiting = airflow.trigger("watched")
        waiting.wait_for("dagster_run", ["deferred"])
        eventually(lambda: statuses(tiny, waiting, "launch") == ["STARTED"])
        waiting.fail()
        for run in (early, waiting):
            eventually(lambda run=run: statuses(tiny, run, "launch") == ["CANCELED"])
        (cancelled,) = of(tiny, waiting, "launch")
        eventually(lambda: ("dagster_run", f"Dagster run {cancelled['runId']} was cancelled") in waiting.audit_log())
    assert early.state() == waiting.state() == "failed"
    assert waiting.tasks()["asset_events"] == waiting.tasks()["marts.third"] == "skipped"


def test_an_asset_names_the_task_that_produces_it(airflow: AirflowClient) -> None:
    eventually(lambda: airflow.knows("watched"))
    (asset,) = airflow.get("/api/v2/assets", name_pattern="marts.third")["assets"]
    assert [(each["dag_id"], each["task_id"]) for each in asset["producing_tasks"]] == [("watched", "marts.third")]


def test_a_retry_runs_again_only_what_failed_and_each_mart_is_an_event_that_another_team_may_wait_for(
    airflow: AirflowClient, tiny: Tiny
) -> None:
    before = len(airflow.runs("another_team"))
    (tiny.control / "second.broken_once").touch()
    again = tiny.control / "second.hold"
    try:
        run = airflow.trigger("watched")
        eventually(lambda: again.exists() and statuses(tiny, run, "launch") == ["FAILURE", "STARTED"])
        # Not red: it is run again. (It may not even have begun to wait when its run has failed already.)
        assert run.tasks()["marts.second"] in {None, "scheduled", "queued", "running", "deferred"}
    finally:
        again.unlink(missing_ok=True)
    assert run.wait() == "success"
    assert run.tasks()["asset_events_after_failure"] == "skipped"
    assert {state for name, state in run.tasks().items() if name != "asset_events_after_failure"} == {"success"}
    whole, again = of(tiny, run, "launch")
    assert made(tiny, whole["runId"]) == ["events", "first"]
    assert made(tiny, again["runId"]) == ["second", "third"]

    assert reported(airflow, run) == {
        "marts.first": whole["runId"],
        "marts.second": again["runId"],
        "marts.third": again["runId"],
    }
    eventually(lambda: len(airflow.runs("another_team")) > before)
    assert airflow.runs("another_team")[-1].wait() == "success"


def test_an_airflow_backfill_becomes_one_dagster_partition_per_day(airflow: AirflowClient, tiny: Tiny) -> None:
    eventually(lambda: airflow.knows("days"))
    body = {"dag_id": "days", "from_date": "2026-01-03T00:00:00Z", "to_date": "2026-01-04T23:00:00Z"}
    airflow.send("POST", "/api/v2/backfills", body | {"max_active_runs": 2})

    def runs() -> list[DagRun]:
        return [run for run in airflow.runs("days") if run.run_id.startswith("backfill__")]

    eventually(lambda: len(runs()) == 2)
    outcomes = [run.wait() for run in runs()]
    assert outcomes == ["success", "success"], [run.log("day") for run in runs()]
    found = [tiny.server.runs(airflow__dag_id="days", airflow__run_id=run.run_id) for run in runs()]
    assert sorted((run["tags"]["dagster/partition"], run["status"]) for (run,) in found) == [
        ("2026-01-03", "SUCCESS"),
        ("2026-01-04", "SUCCESS"),
    ]


def test_the_connections_test_button_tells_good_from_bad(airflow: AirflowClient, tiny: Tiny) -> None:
    def press(port: int) -> dict[str, Any]:
        body = {"connection_id": "x", "conn_type": "dagster", "host": "127.0.0.1", "port": port}
        return airflow.send("POST", "/api/v2/connections/test", body)

    good = press(tiny.gate.port)
    assert good["status"] and re.search(r"Dagster 1\.\d+\.\d+ answers", good["message"])
    bad = press(9)
    assert not bad["status"] and "gave no answer" in bad["message"]


def test_the_dag_files_are_imported_without_errors_and_can_be_drawn(airflow: AirflowClient) -> None:
    for dag_id in ("shop_pipeline", "shop_daily", "watched"):
        eventually(lambda dag_id=dag_id: airflow.knows(dag_id))
        drawn = airflow.get("/ui/structure/structure_data", dag_id=dag_id)  # what the graph page asks for
        assert drawn["nodes"]
    assert airflow.get("/api/v2/importErrors")["import_errors"] == []
    assert {each["dag_id"] for each in airflow.get("/api/v2/dags", paused=True)["dags"]} == {"shop_daily"}


def test_the_bridges_own_tests_pass_in_the_airflow_environment(_airflow_can_be_had: None, tmp_path: Path) -> None:
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
