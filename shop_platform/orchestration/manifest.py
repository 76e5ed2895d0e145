"""Prepare dbt's manifest: parse the project when the manifest is missing or older than the project."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.operations.dbt import DBT_PROJECT_DIR, dbt_environment
from shop_platform.settings import Settings

# What dbt and editors write into a project, and what dbt never reads.
_IGNORED = {"target", "logs", "dbt_packages", "__pycache__", ".user.yml"}


def target_dir(settings: Settings) -> Path:
    """Return the folder of Dagster's dbt artifacts, below ``DBT_TARGET_PATH`` or ``<data_dir>/dbt_target``.

    A folder of its own: other dbt commands rewrite the manifest beside it while Dagster may be reading.
    """
    return Path(os.environ.get("DBT_TARGET_PATH") or settings.data_dir / "dbt_target").resolve() / "dagster"


def ensure_manifest(settings: Settings) -> Path:
    """Return the path of a manifest that fits the project as it is now; parse it first when there is none.

    Needs no database. Safe when several processes start at once. Raises :class:`ShopError` when there is no project
    or dbt cannot parse it.
    """
    if not (DBT_PROJECT_DIR / "dbt_project.yml").exists():
        raise ShopError(f"There is no dbt project in {DBT_PROJECT_DIR}", "Run from a complete checkout or image.")
    target = target_dir(settings)
    target.mkdir(parents=True, exist_ok=True)
    with _exclusive(target / "manifest.lock"):
        manifest = target / f"manifest-{fingerprint(settings)}.json"
        if not manifest.exists():
            _parse(settings, target)
            # Named by its content and moved into place whole: whoever reads it reads all of it.
            (target / "manifest.json").replace(manifest)
            for outdated in {*target.glob("manifest-*.json"), *target.glob("lineage-*.json")} - {
                manifest,
                lineage_file(settings),
            }:
                outdated.unlink()
    return manifest


def lineage_file(settings: Settings) -> Path:
    """Return the file of the column lineage of the project as it is now; it may not be there yet."""
    return target_dir(settings) / f"lineage-{fingerprint(settings)}.json"


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the file lock ``path``; the system frees it when the holder dies."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def fingerprint(settings: Settings) -> str:
    """Hash every file of the project, dbt's version, and the variables that decide what dbt parses.

    Contents instead of times: a fresh checkout or a copied image has new times and the same project.
    """
    digest = hashlib.sha256()
    for folder, folders, names in os.walk(DBT_PROJECT_DIR):
        folders[:] = sorted(set(folders) - _IGNORED)
        for name in sorted(set(names) - _IGNORED):
            path = Path(folder, name)
            digest.update(str(path.relative_to(DBT_PROJECT_DIR)).encode() + b"\0" + path.read_bytes())
    digest.update(f"{version('dbt-core')}|{settings.env}|{settings.pg_database}|{settings.shop_tz}".encode())
    return digest.hexdigest()[:16]


def _parse(settings: Settings, target: Path) -> None:
    # As a whole: of what it knows already dbt takes the tests, and forgets the descriptions of those that are a query.
    dbt = [sys.executable, "-m", "shop_platform.orchestration.dbt_command", "--no-use-colors", "--no-partial-parse"]
    completed = subprocess.run(
        [*dbt, "parse"],
        cwd=DBT_PROJECT_DIR,
        env=dbt_environment(settings, target_path=target),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode != 0:
        tail = "\n    ".join((completed.stdout + completed.stderr).strip().splitlines()[-12:])
        raise ShopError(f"dbt could not parse {DBT_PROJECT_DIR}:\n    {tail}", "Mend the file it names and try again.")
