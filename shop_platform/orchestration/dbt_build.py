"""Run ``dbt build`` for Dagster: the project's environment, a folder of artifacts per run, errors a person can read."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from packaging.version import Version

from shop_platform.operations.dbt import DBT_PROJECT_DIR, dbt_environment
from shop_platform.orchestration.dagster_dbt_light import DbtCliResource, dagster_dbt_resource
from shop_platform.orchestration.manifest import target_dir
from shop_platform.settings import Settings

# The last runs' logs and compiled SQL stay for whoever looks for a fault; older ones only fill the disk.
_KEPT_RUNS = 20
_FAILED = {"error", "fail", "runtime error"}


class DbtCommand(DbtCliResource):
    """dagster-dbt's resource without its start-up costs.

    It would run ``dbt --version`` once a step, which costs two seconds and asks the internet, and open a second
    database connection of its own, which only column metadata needs.
    """

    with_adapter: bool = False

    @cached_property
    def _cli_version(self) -> Version:
        return Version(installed("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Any) -> Any:
        if not self.with_adapter:
            return None
        # It was imported as if there were none (dagster_dbt_light.py).
        vars(dagster_dbt_resource)["DBT_PYTHON_VERSION"] = self._cli_version
        return super()._initialize_dbt_core_adapter(args)


def dbt_command(*, with_adapter: bool) -> DbtCommand:
    """Return the resource that runs our dbt entry point with this very Python."""
    return DbtCommand(
        project_dir=str(DBT_PROJECT_DIR),
        profiles_dir=str(DBT_PROJECT_DIR),
        dbt_executable=sys.executable,
        global_config_flags=["-m", "shop_platform.orchestration.dbt_command"],
        with_adapter=with_adapter,
    )


@contextmanager
def exported(settings: Settings, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Put the settings, and ``more``, where dagster-dbt takes a child's environment from: our own; undo it."""
    before = dict(os.environ)
    os.environ.update(dbt_environment(settings, target_path=target_dir(settings)) | dict(more or {}))
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def new_run_folder(settings: Settings, run_id: str) -> Path:
    """Return the artifacts' folder of this run and remove all but the newest of the others."""
    runs = target_dir(settings) / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    known = sorted((path for path in runs.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in known[: -_KEPT_RUNS + 1]:
        shutil.rmtree(old, ignore_errors=True)
    return runs / run_id


def compiled_sql(target: Path, node: Mapping[str, Any]) -> str | None:
    """Return the SQL that dbt has compiled of a model or test into ``target``; ``None`` when it has not."""
    written, name = Path(node["original_file_path"]), str(node["path"])
    # One file may hold many tests: dbt then makes a folder of it.
    file = written if written.name == Path(name).name else written / name
    try:
        return Path(target, "compiled", node["package_name"], file).read_text(encoding="utf-8")
    except OSError:
        return None


def failures(run_results: Mapping[str, Any], reasons: Mapping[str, str] | None = None) -> list[str]:
    """Return one line per failed node of dbt's ``run_results.json``, models first: its name and the reason.

    ``reasons`` says by unique id what a test found; dbt itself only counts ("Got 1 result").
    """
    known = reasons or {}
    lines = []
    for result in run_results["results"]:
        if result["status"] in _FAILED:
            kind, _, name = result["unique_id"].split(".")[:3]
            told = known.get(result["unique_id"]) if result["status"] == "fail" else None
            lines.append(f"{kind} {name}: {told or _reason(result['message'] or 'no message')}")
    return sorted(lines, key=lambda line: not line.startswith("model "))


def _reason(message: str) -> str:
    """Leave out what only repeats the node's name and path."""
    told = [line.strip() for line in message.splitlines() if line.strip()]
    useful = [line for line in told if " Error in " not in line and not line.startswith("compiled code at")]
    return " ".join(useful or told)
