"""The hosted workflows: least rights, immutable actions, and targets that exist."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from deploy.airflow import try_versions
from deploy.make_env import ROOT
from tests.support import durations

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(request.param.read_text("utf-8"))
    return loaded


def _steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_a_job_has_no_right_but_to_read_and_ends_some_day(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"] == {"contents": "read"}, name
        assert job["timeout-minutes"] <= 60, name


def test_an_action_is_pinned_to_a_commit_and_keeps_no_credentials(workflow: dict[str, Any]) -> None:
    for step in _steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_script_takes_nothing_from_the_event_that_started_it(workflow: dict[str, Any]) -> None:
    assert not [step["run"] for step in _steps(workflow) if "${{" in step.get("run", "")]


def test_the_targets_it_calls_exist(workflow: dict[str, Any]) -> None:
    called = {t for step in _steps(workflow) for t in re.findall(r"make ([a-z -]+)", step.get("run", ""))}

    assert called
    assert {target for each in called for target in each.split()} <= TARGETS


def test_the_shards_of_the_tests_are_all_there_are_and_each_runs_on_every_python() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))["jobs"]["test"]
    shards = job["strategy"]["matrix"]["shard"]
    assert shards == [f"{number + 1}/{len(shards)}" for number in range(len(shards))]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"] and "exclude" not in job["strategy"]["matrix"]
    (step,) = (step for step in job["steps"] if "make test" in step.get("run", ""))
    assert step["run"] == 'make test ALL=1 SHARD="$SHARD"' and step["env"]["SHARD"] == "${{ matrix.shard }}"
    # With two workers each, a shard has to stay well below the job's limit.
    parts = [
        durations.shard(durations.known(), number + 1, len(shards), durations.known()) for number in range(len(shards))
    ]
    assert set.union(*parts) == durations.known().keys()
    assert max(sum(durations.known()[file] for file in part) for part in parts) < job["timeout-minutes"] * 60


def test_every_night_the_bridge_is_tried_in_each_airflow_that_it_declares() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text("utf-8"))["jobs"]["airflow"]
    assert tuple(job["strategy"]["matrix"]["airflow"]) == try_versions.MINORS
    assert job["steps"][-1]["run"] == 'make airflow-versions ARGS="$AIRFLOW"'
    project = tomllib.loads((ROOT / "airflow_bridge" / "pyproject.toml").read_text("utf-8"))["project"]
    first, last = (minor.split(".") for minor in (try_versions.MINORS[0], try_versions.MINORS[-1]))
    declared = f"apache-airflow>={'.'.join(first)},<{last[0]}.{int(last[1]) + 1}"
    assert declared in project["dependencies"]


def test_an_installation_that_replaces_something_is_told() -> None:
    before = {"httpx": "0.28.1", "pydantic": "2.11", "attrs": "25"}
    after = {"httpx": "0.29", "pydantic": "2.11", "airflow-bridge": "0.1.0"}
    assert try_versions.replacements(before, after) == ["httpx 0.28.1 -> 0.29", "attrs 25 -> nothing"]
