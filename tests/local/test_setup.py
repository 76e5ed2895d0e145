"""The set-up says in one line which Python is missing, and needs no home folder that can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.small_disk import small_disk

ROOT = Path(__file__).parents[2]
WANTED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
TOOLS = ("sh", "env", "sed", "mkdir", "dirname", "cat")


@pytest.fixture
def clone(tmp_path):
    """Give what the set-up needs of a clone, with uv in it, and a PATH without any Python."""
    folder = tmp_path / "clöne 1"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    shutil.copy(ROOT / "pyproject.toml", folder)
    uv = subprocess.run(["sh", ROOT / "scripts" / "get-uv.sh"], capture_output=True, text=True, check=True).stdout
    version = (folder / "scripts" / "get-uv.sh").read_text().split('version="')[1].split('"')[0]
    bin_dir = folder / ".tools" / f"uv-{version}" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "uv").symlink_to(uv.strip())
    path = tmp_path / "path"
    path.mkdir()
    for tool in TOOLS:
        (path / tool).symlink_to(shutil.which(tool))
    return folder


def python_that_says(clone, version):
    """Put a Python on PATH that knows its version and nothing else: it is too old for uv's package."""
    python = clone.parent / "path" / "python3"
    python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Python {version}"\n')
    python.chmod(0o755)


def run(clone, *command, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
    kept |= {"PATH": str(clone.parent / "path"), "UV_OFFLINE": "1", "UV_PYTHON_INSTALL_DIR": str(clone / "pythons")}
    return subprocess.run(command, cwd=clone, env=kept | environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["3.10.14", "3.15.1"])
def test_a_python_that_does_not_suit_is_named_beside_the_one_that_is_missing(clone, version):
    python_that_says(clone, version)
    done = run(clone, "sh", "scripts/uv.sh", "sync", "--frozen")
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Python {WANTED} is missing: PATH has Python {version}, and uv could not download one")
    assert "apt-get install python3.13-venv" in line and "call make again" in line


def test_no_python_at_all_is_said_before_anything_is_installed(clone):
    shutil.rmtree(clone / ".tools")
    done = run(clone, "sh", "scripts/uv.sh", "sync", "--frozen")
    assert done.returncode == 2 and not (clone / ".tools").exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Python {WANTED} is missing: PATH has no Python. Install one")


def test_a_cache_that_cannot_be_written_moves_into_the_clone(clone, tmp_path):
    (tmp_path / "path" / "python3").symlink_to(ROOT / ".venv" / "bin" / "python")
    (tmp_path / "file").write_text("")
    done = run(clone, "sh", "scripts/uv.sh", "cache", "dir", UV_CACHE_DIR=str(tmp_path / "file" / "cache"))
    assert (done.returncode, done.stdout.strip()) == (0, str(clone / ".tools" / "cache")), done.stderr
    done = run(clone, "sh", "scripts/uv.sh", "cache", "dir", UV_CACHE_DIR=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "cache")), done.stderr


@pytest.mark.mount
def test_a_home_that_is_read_only_is_no_obstacle(clone, tmp_path):
    (tmp_path / "path" / "python3").symlink_to(ROOT / ".venv" / "bin" / "python")
    home = tmp_path / "home"
    home.mkdir()
    with small_disk(home, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
        done = run(clone, "sh", "scripts/uv.sh", "cache", "dir", HOME=str(home), XDG_CACHE_HOME=str(home))
    assert (done.returncode, done.stdout.strip()) == (0, str(clone / ".tools" / "cache")), done.stderr


@pytest.mark.mount
def test_a_clone_on_a_file_system_that_runs_no_programs_is_said(clone, tmp_path):
    (tmp_path / "path" / "python3").symlink_to(ROOT / ".venv" / "bin" / "python")
    (uv,) = (clone / ".tools").rglob("uv")
    program = uv.read_bytes()
    shutil.rmtree(clone / ".tools" / uv.parts[-3])
    with small_disk(clone / ".tools", "200m"):
        uv.parent.mkdir(parents=True)
        uv.write_bytes(program)
        uv.chmod(0o755)
        subprocess.run(["mount", "-o", "remount,noexec", str(clone / ".tools")], check=True)
        (tmp_path / "pip").mkdir()
        (tmp_path / "pip" / "pip.py").write_text("")  # has nothing to do
        done = run(clone, "sh", "scripts/get-uv.sh", PYTHONPATH=str(tmp_path / "pip"))
    assert done.returncode == 2
    assert done.stderr == (
        f"No program can be run from {clone}: its file system is mounted noexec. Clone to another one.\n"
    )
