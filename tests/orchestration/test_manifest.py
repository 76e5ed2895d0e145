"""The manifest fits the project as it is, is parsed once, and never lands in the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgpack
import pytest

from shop_platform.errors import ShopError
from shop_platform.operations import dbt
from shop_platform.orchestration import manifest
from shop_platform.settings import load

pytestmark = pytest.mark.usefixtures("dbt")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project small enough to parse often."""
    folder = tmp_path / "project"
    shutil.copytree(dbt.DBT_PROJECT_DIR, folder, ignore=shutil.ignore_patterns("models", "target", "logs"))
    (folder / "models" / "staging").mkdir(parents=True)
    (folder / "models" / "staging" / "one.sql").write_text("select 1 as n")
    configuration = (folder / "dbt_project.yml").read_text().replace("+group", "#")
    (folder / "dbt_project.yml").write_text(configuration)
    for module in (dbt, manifest):
        monkeypatch.setattr(module, "DBT_PROJECT_DIR", folder)
    return folder


def test_what_dbt_parsed_it_can_read_back(code_locations):
    """Otherwise each command of dbt parses everything again, ten seconds, and says so only in its log."""
    parsed = code_locations.manifest_path.with_name("partial_parse.msgpack").read_bytes()
    assert "nodes" in msgpack.unpackb(parsed)


def test_a_project_is_parsed_again_only_when_it_changed(project, tmp_path):
    settings = load(data_dir=tmp_path / "data")
    (project / "tests" / "odd.sql").write_text("select 1 as n where false")
    (project / "tests" / "_odd.yml").write_text("data_tests: [{name: odd, description: Odd numbers.}]")
    first = manifest.ensure_manifest(settings)
    written = first.stat().st_mtime_ns
    assert manifest.ensure_manifest(settings) == first and first.stat().st_mtime_ns == written
    (project / "models" / "staging" / "two.sql").write_text("select * from {{ ref('one') }}")
    second = manifest.ensure_manifest(settings)
    assert second != first and "two" in second.read_text() and not first.exists()
    assert "Odd numbers." in second.read_text(), "dbt forgets it when it parses only what has changed"


def test_nothing_is_written_into_the_project(project, tmp_path):
    before = set(project.rglob("*"))
    manifest.ensure_manifest(load(data_dir=tmp_path / "data"))
    assert set(project.rglob("*")) == before


def test_a_project_that_cannot_be_parsed_is_named_and_leaves_no_manifest(project, tmp_path):
    settings = load(data_dir=tmp_path / "data")
    (project / "models" / "staging" / "bad.sql").write_text("select {{ ref('nowhere') }}")
    with pytest.raises(ShopError, match="nowhere"):
        manifest.ensure_manifest(settings)
    assert not list(manifest.target_dir(settings).glob("manifest-*.json"))


def test_no_project_is_said_plainly(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "DBT_PROJECT_DIR", tmp_path)
    with pytest.raises(ShopError, match="no dbt project"):
        manifest.ensure_manifest(load(data_dir=tmp_path))


def test_several_processes_that_start_at_once_parse_once(project, tmp_path):
    script = (
        "import sys; from pathlib import Path; from shop_platform.settings import load\n"
        "from shop_platform.operations import dbt; from shop_platform.orchestration import manifest\n"
        "dbt.DBT_PROJECT_DIR = manifest.DBT_PROJECT_DIR = Path(sys.argv[2])\n"
        "real = manifest._parse\n"
        "manifest._parse = lambda *a: (print('parsed'), real(*a))\n"
        "print(manifest.ensure_manifest(load(data_dir=sys.argv[1])))\n"
    )

    def start(_: int) -> list[str]:
        command = [sys.executable, "-c", script, str(tmp_path / "data"), str(project)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    with ThreadPoolExecutor(3) as pool:
        outputs = list(pool.map(start, range(3)))
    assert sum("parsed" in output for output in outputs) == 1
    assert len({output[-1] for output in outputs}) == 1
