"""Run dbt in a process of its own against the settings' warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.settings import PROJECT_ROOT, Settings

DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"


def dbt_environment(settings: Settings, *, schema_prefix: str = "", target_path: Path | None = None) -> dict[str, str]:
    """Return the environment in which dbt finds the warehouse, and writes nothing into the project folder."""
    target = target_path or settings.data_dir / "dbt_target"
    return (
        os.environ
        | settings.process_environment()
        | {
            "SHOP_DBT_SCHEMA_PREFIX": schema_prefix,
            "DBT_PROJECT_DIR": str(DBT_PROJECT_DIR),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_TARGET_PATH": str(target),
            "DBT_LOG_PATH": str(settings.data_dir / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
    )


def run_dbt(
    settings: Settings,
    arguments: Sequence[str],
    *,
    variables: dict[str, str] | None = None,
    schema_prefix: str = "",
    target_path: Path | None = None,
) -> str:
    """Run ``dbt <arguments>`` and return its output; raise :class:`ShopError` with the errors when it fails."""
    command = [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", *arguments]
    if variables:
        command += ["--vars", json.dumps(variables)]
    completed = subprocess.run(
        command,
        cwd=DBT_PROJECT_DIR,
        env=dbt_environment(settings, schema_prefix=schema_prefix, target_path=target_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode != 0:
        lines = (completed.stdout + completed.stderr).splitlines()
        raise ShopError(
            f"dbt {arguments[0]} failed:\n    " + "\n    ".join(telling(lines)),
            f"The whole log: {settings.data_dir / 'logs' / 'dbt.log'}",
            exit_code=1,
        )
    return completed.stdout


def telling(lines: Sequence[str]) -> list[str]:
    """Return those of dbt's lines that say what failed; the last ones where none does."""
    # What the database said of a statement at the start of a run stands alone in the next line.
    found = [
        line for before, line in pairwise(["", *lines]) if "rror" in line or "FAIL" in line or before.endswith("error:")
    ]
    return found[-12:] or list(lines[-12:])
