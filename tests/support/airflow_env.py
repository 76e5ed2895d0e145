"""The Airflow environment of the bridge: whether it can be had, and how to run something in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-airflow"
_GROUPS = ("--no-default-groups", "--group", "server", "--group", "test")
_SYNC = ("sync", "--package", "airflow-bridge", *_GROUPS, "--frozen")
_PROBE = "import airflow, airflow_bridge, pytest; print(airflow.__version__)"
_SYNC_SECONDS = 900
_LEAKS = ("AIRFLOW", "_AIRFLOW", "DAGSTER", "SHOP_", "PYTHON", "VIRTUAL_ENV", "COV_")


def binary(name: str) -> str:
    """Return the path of a command in the Airflow environment."""
    return str(ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin") / name)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what would leak into Airflow or Dagster, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEAKS)}
    return kept | dict(extra or {})


@lru_cache(maxsize=1)
def airflow_environment() -> tuple[bool, str]:
    """Return (True, which Airflow) when `.venv-airflow` can be used, else (False, why not).

    Creates or renews the environment from the lock file with uv.
    """
    uv = _find_uv()
    synced = _sync(uv) if uv else "uv is neither installed nor installable"
    if synced and uv:
        return False, f"uv could not install the Airflow environment: {synced}"
    if not Path(binary("python")).exists():
        return False, f"{ENVIRONMENT.name} does not exist and {synced}"
    return _probe()


def _find_uv() -> str | None:
    """Return the uv the Makefile uses (fetched when it is missing), else the one on PATH."""
    pinned = subprocess.run(
        ["sh", str(ROOT / "scripts" / "get-uv.sh")],
        capture_output=True,
        text=True,
        timeout=_SYNC_SECONDS,
        check=False,
    )
    return pinned.stdout.strip() if pinned.returncode == 0 else shutil.which("uv")


def _sync(uv: str) -> str:
    """Sync with uv; return an empty text, or the reason of the failure."""
    environment = clean_environment(
        {
            "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT),
            "UV_COMPILE_BYTECODE": "1",
            "UV_PYTHON_PREFERENCE": "only-system",
        }
    )
    try:
        done = subprocess.run(
            [uv, *_SYNC], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=_SYNC_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {_SYNC_SECONDS} s"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no output"])[-1]


def _probe() -> tuple[bool, str]:
    """Import what the tests need; Airflow makes a home even for that, so it gets one of its own."""
    with tempfile.TemporaryDirectory(prefix="airflow-probe-") as home:
        done = subprocess.run(
            [binary("python"), "-c", _PROBE],
            env=clean_environment({"AIRFLOW_HOME": home}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    if done.returncode != 0:
        return False, f"{ENVIRONMENT.name} is broken: {(done.stderr.strip().splitlines() or ['no output'])[-1]}"
    return True, f"apache-airflow {done.stdout.split()[-1]} in {ENVIRONMENT.name}"
