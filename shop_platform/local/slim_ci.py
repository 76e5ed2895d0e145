"""Slim CI: build only what differs from a base revision: ``python -m shop_platform.local.slim_ci [BASE] [--days N]``.

A warehouse of its own gets some days of a simulated shop and every model of the base. Then the models that are new or
changed, and what stands below them, are built beside it with their tests; everything else is read from the base's
(``state:modified+ --defer``). The base is where this branch left BASE; what is not committed yet counts as changed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.ingest.topics import ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.scratch import scratch_warehouse
from shop_platform.operations.dbt import dbt_environment
from shop_platform.settings import PROJECT_ROOT, Settings

_CHANGED = "changed__"
_HINT = "Name one that is here: BASE=HEAD~1, a branch, a tag (git fetch brings others)."


@dataclass(frozen=True)
class Outcome:
    """What was built, by name: the models, and how many tests and unit tests judged them."""

    models: tuple[str, ...]
    tests: int


def base_commit(base: str, root: Path = PROJECT_ROOT) -> str:
    """Return the commit where the present branch left ``base``. Raises :class:`ShopError` when there is none."""
    if _git(root, "rev-parse", "--git-dir") is None:
        raise ShopError(f"{root} is no checkout of git: nothing tells what differs", "Run from a clone.")
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if commit is None:
        raise ShopError(f"There is no revision '{base}' here", _HINT)
    left = _git(root, "merge-base", commit, "HEAD")
    if left is None:
        raise ShopError(
            f"'{base}' and this branch have no commit in common here",
            "A shallow clone lacks the older ones: git fetch --unshallow.",
        )
    return left


def uncommitted(root: Path = PROJECT_ROOT) -> list[str]:
    """Return the files of the dbt project that differ from the last commit, new ones included."""
    told = _git(root, "status", "--porcelain", "--", "dbt_project") or ""
    return [line[2:].strip() for line in told.splitlines()]


def project_at(commit: str, folder: Path, root: Path = PROJECT_ROOT) -> Path:
    """Write the dbt project as it was at ``commit`` below ``folder``. Raises :class:`ShopError`."""
    packed = subprocess.run(["git", "archive", commit, "dbt_project"], cwd=root, capture_output=True, check=False)
    if packed.returncode != 0:
        raise ShopError(f"There was no dbt project at '{commit}'", _HINT)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder / "dbt_project"


def run(base: str, days: int, root: Path = PROJECT_ROOT) -> Outcome:
    """Build what differs from ``base`` in the dbt project of the checkout ``root``. Raises :class:`ShopError`."""
    commit = base_commit(base, root)
    if dirty := uncommitted(root):
        _say(f"not committed yet, and built as they are: {', '.join(dirty)}")
    with tempfile.TemporaryDirectory() as folder:
        before = project_at(commit, Path(folder), root)
        with scratch_warehouse(broker=True) as (settings, _):
            _say(f"{days} days of a simulated shop …")
            ensure_topics(settings)
            run_history(settings, days=days, seed=11)
            ingest_until_end(settings)
            state = settings.data_dir / "base"
            _say(f"every model as of {commit[:12]} …")
            _dbt(settings, before, state, "", ["run"])
            _say("what differs, with its tests …")
            target = settings.data_dir / "changed"
            defer = ["--defer", "--favor-state", "--state", str(state)]
            _dbt(settings, root / "dbt_project", target, _CHANGED, ["build", "--select", "state:modified+", *defer])
            return outcome(target / "run_results.json")


def outcome(results: Path) -> Outcome:
    """Read what dbt's ``run_results.json`` tells; without the file nothing was selected."""
    found = json.loads(results.read_text(encoding="utf-8"))["results"] if results.exists() else []
    ids = [str(each["unique_id"]).split(".") for each in found]
    return Outcome(
        models=tuple(sorted(parts[2] for parts in ids if parts[0] == "model")),
        tests=sum(parts[0] in {"test", "unit_test"} for parts in ids),
    )


def _dbt(settings: Settings, project: Path, target: Path, prefix: str, arguments: list[str]) -> None:
    environment = dbt_environment(settings, schema_prefix=prefix, target_path=target)
    environment |= {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", *arguments],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stdout.write(done.stdout)
        which = "of the base" if prefix == "" else "of what differs"
        raise ShopError(f"dbt {arguments[0]} {which} failed", "What failed stands above.", exit_code=1)


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git says, ``None`` when it fails. Raises :class:`ShopError` when there is no git."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ShopError("git is needed to find what differs", "Install git.") from error
    return done.stdout.rstrip() if done.returncode == 0 else None


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run, tell."""
    parser = argparse.ArgumentParser(prog="python -m shop_platform.local.slim_ci", description=__doc__)
    parser.add_argument("base", nargs="?", default=os.environ.get("BASE") or "origin/main")
    parser.add_argument("--days", type=int, default=10, help="days of the simulated shop")
    options = parser.parse_args(arguments)
    try:
        built = run(options.base, options.days)
    except ShopError as error:
        sys.stderr.write(f"{error.message}\n{error.hint or ''}\n")
        return error.exit_code
    names = ", ".join(built.models) or "none"
    sys.stdout.write(f"{len(built.models)} models differ from {options.base} or stand below: {names}\n")
    sys.stdout.write(f"{built.tests} tests and unit tests judged them\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
