"""Try the bridge in each Airflow that it declares: ``python -m deploy.airflow.try_versions [3.1 3.2 ...]``.

For each minor version: an environment with its newest release, by Airflow's own constraints where they can be had, then
the wheel of the bridge on top. Nothing that was there may be replaced. Then the bridge's own tests run against what was
installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRIDGE = ROOT / "airflow_bridge"
MINORS = ("3.1", "3.2", "3.3")
"""The range in ``airflow_bridge/pyproject.toml``: from the first to the last of them."""

_CONSTRAINTS = "https://raw.githubusercontent.com/apache/airflow/constraints-{version}/constraints-{python}.txt"
_CONSTRAINTS_SECONDS = 20
_SECONDS = 1800
# What a developer's shell may hold, and what would then come first.
_LEAKS = ("AIRFLOW", "PYTHON", "VIRTUAL_ENV", "SHOP_", "DAGSTER")


def try_version(minor: str, wheel: Path, folder: Path) -> str:
    """Install and test in ``folder``; return what was tried. Raises :class:`SystemExit` with what went wrong."""
    environment = folder / f"airflow-{minor}"
    python = environment / "bin" / "python"
    _uv("venv", "--quiet", "--python", sys.executable, str(environment))
    major, _, number = minor.partition(".")
    after = f"{major}.{int(number) + 1}"
    _uv("pip", "install", "--quiet", "--python", str(python), f"apache-airflow>={minor},<{after}")
    version = _installed(python)["apache-airflow"]
    constraints = _constraints(version, folder)
    if constraints:
        pinned = ("--constraint", str(constraints))
        _uv("pip", "install", "--quiet", "--python", str(python), f"apache-airflow=={version}", "--upgrade", *pinned)
    before = _installed(python)
    _uv("pip", "install", "--quiet", "--python", str(python), str(wheel))
    replaced = replacements(before, _installed(python))
    if replaced:
        raise SystemExit(f"Installing the bridge into Airflow {version} changes what was there: {', '.join(replaced)}")
    _uv("pip", "install", "--quiet", "--python", str(python), "pytest")
    home = folder / f"home-{minor}"
    _run([str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", str(BRIDGE / "tests")], AIRFLOW_HOME=str(home))
    return f"Airflow {version} ({'its constraints' if constraints else 'the newest of everything'}): works"


def replacements(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what an installation changed or removed, as "name 1.0 -> 2.0"; what it only added is left out."""
    return [f"{name} {old} -> {after.get(name, 'nothing')}" for name, old in before.items() if after.get(name) != old]


def _installed(python: Path) -> dict[str, str]:
    listed = _uv("pip", "freeze", "--python", str(python)).splitlines()
    return dict(line.split("==", 1) for line in listed if "==" in line)


def _constraints(version: str, folder: Path) -> Path | None:
    """Return Airflow's constraints for a release and this Python, or None where they cannot be had."""
    url = _CONSTRAINTS.format(version=version, python=f"{sys.version_info.major}.{sys.version_info.minor}")
    path = folder / f"constraints-{version}.txt"
    try:
        with urllib.request.urlopen(url, timeout=_CONSTRAINTS_SECONDS) as answer:  # noqa: S310 - the URL is above
            path.write_bytes(answer.read())
    except (urllib.error.URLError, TimeoutError) as error:
        sys.stdout.write(f"No constraints of Airflow {version} ({error}): the newest of everything is taken.\n")
        return None
    return path


def _uv(*arguments: str) -> str:
    return _run(["sh", str(ROOT / "scripts" / "uv.sh"), *arguments])


def _run(command: list[str], **extra: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEAKS)}
    done = subprocess.run(
        command, cwd=ROOT, env=kept | extra, capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> int:
    """Try the versions that are named, else all; return 0 when each works."""
    wanted = sys.argv[1:] or list(MINORS)
    unknown = sorted(set(wanted) - set(MINORS))
    if unknown:
        sys.stderr.write(f"The bridge does not declare {', '.join(unknown)}; it declares {', '.join(MINORS)}.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="airflow-versions-") as name:
        folder = Path(name)
        _uv("build", "--quiet", "--wheel", "--package", "airflow-bridge", "--out-dir", str(folder))
        (wheel,) = folder.glob("*.whl")
        for minor in wanted:
            sys.stdout.write(f"{try_version(minor, wheel, folder)}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
