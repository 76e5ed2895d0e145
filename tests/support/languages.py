"""JavaScript and Go programs for tests: what they need is installed, or built, once and kept in `build/languages`.

Node.js (with npm) and Go are all it takes; packages come from their usual registries, pinned by lock files.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from shop_platform.settings import PROJECT_ROOT
from tests.support.suites import require

_KEPT = PROJECT_ROOT / "build" / "languages"
_LEAST_NODE, _LEAST_GO = (20, 19), (1, 19)  # what the samples' Kafka client needs; Debian 12
_SECONDS = 600
# A Node.js that is a package of Python's, and where Go installs itself.
_PLACES = (str(PROJECT_ROOT / ".venv" / "bin"), "/usr/local/go/bin")


def javascript(folder: Path, program: str) -> list[str]:
    """Return the command that runs ``program`` of ``folder``, with the packages that its lock file names.

    Skips the calling test, or fails it where the suite is required, when that cannot be had.
    """

    def install(copy: Path) -> None:
        shutil.copytree(folder, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
        told = _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], copy)
        require("languages", (not told, told))

    require("languages", _available("node", "--version", _LEAST_NODE) if _found("npm") else (False, "no npm"))
    return [_found("node"), str(_once(folder, install) / program)]


def go(folder: Path) -> list[str]:
    """Return the command that runs the Go program of ``folder``; skips or fails as :func:`javascript` does."""

    def build(copy: Path) -> None:
        told = _run(["go", "mod", "download"], folder)
        require("languages", (not told, told))
        told = _run(["go", "build", "-o", str(copy / "program"), "."], folder)
        assert not told, told

    require("languages", _available("go", "version", _LEAST_GO))
    return [str(_once(folder, build) / "program")]


def _once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return the folder that ``make`` filled for these sources, by whichever process came first."""
    told = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            told.update(path.name.encode() + b"\0" + path.read_bytes())
    kept = _KEPT / f"{folder.parent.name}-{folder.name}-{told.hexdigest()[:12]}"
    _KEPT.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            partial = kept.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            make(partial)
            partial.rename(kept)
    return kept


def _run(command: list[str], folder: Path) -> str:
    """Return what is wrong, or nothing."""
    program = _found(command[0])
    # Neither fetches another toolchain, nor asks for a version that the program's user would not have.
    environment = os.environ | {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
        "PATH": os.pathsep.join([str(Path(_found("node") or program).parent), os.environ.get("PATH", "")]),
    }
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if not done.returncode:
        return ""
    return f"`{' '.join(command[:2])}` failed in {folder.name}: {(done.stdout + done.stderr)[-1500:]}"


@cache
def _found(program: str) -> str:
    return shutil.which(program, path=os.pathsep.join(_PLACES)) or shutil.which(program) or ""


def _available(program: str, ask: str, least: tuple[int, int]) -> tuple[bool, str]:
    if not _found(program):
        return False, f"no {program}"
    told = subprocess.run([_found(program), ask], capture_output=True, text=True, timeout=60, check=False).stdout
    version = re.search(r"(\d+)\.(\d+)", told)
    if version is None or (int(version[1]), int(version[2])) < least:
        return False, f"{program} is {told.strip() or 'broken'}, {'.'.join(map(str, least))} is the least"
    return True, ""
