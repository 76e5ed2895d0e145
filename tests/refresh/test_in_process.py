"""What dbt parsed in this process is kept as a file: read where it fits, made again where it does not."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from shop_platform.operations import dbt
from shop_platform.orchestration import manifest
from shop_platform.refresh.in_process import PARSED, InProcessDbt
from shop_platform.settings import load

pytestmark = pytest.mark.usefixtures("dbt")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one model."""
    folder = tmp_path / "project"
    shutil.copytree(dbt.DBT_PROJECT_DIR, folder, ignore=shutil.ignore_patterns("models", "tests", "target", "logs"))
    (folder / "models" / "staging").mkdir(parents=True)
    (folder / "models" / "staging" / "one.sql").write_text("select 1 as n")
    (folder / "dbt_project.yml").write_text((folder / "dbt_project.yml").read_text().replace("+group", "#"))
    for module in (dbt, manifest):
        monkeypatch.setattr(module, "DBT_PROJECT_DIR", folder)
    return folder


def test_a_project_is_parsed_once_and_again_when_it_or_what_it_is_read_with_changes(project, tmp_path, monkeypatch):
    target = tmp_path / "target"

    def parse(*, prefix="", **told):
        return InProcessDbt(load(data_dir=tmp_path, **told), target, schema_prefix=prefix).parse()

    first = parse()
    assert [node.name for node in first.nodes.values() if node.resource_type == "model"] == ["one"]

    asked = []  # dbt took its time once; from here on somebody counts in its place
    answer = SimpleNamespace(success=True, result=first, exception=None)
    monkeypatch.setattr(InProcessDbt, "invoke", lambda _, *arguments: asked.append(arguments) or answer)
    read = parse()
    assert asked == [] and read is not first
    for part in ("nodes", "macros", "sources", "docs"):
        here, there = getattr(read, part), getattr(first, part)
        assert {name: each.to_dict() for name, each in here.items()} == {n: each.to_dict() for n, each in there.items()}
    assert read.flat_graph == first.flat_graph, "what models ask of the graph is in it"

    (kept,) = target.glob(f"{PARSED}*")
    kept.write_bytes(kept.read_bytes()[:1000])
    parse()
    assert asked == [("parse",)], "a file that is cut off"
    parse()
    assert len(asked) == 1
    parse(prefix="beside__")
    assert len(asked) == 2, "other schemas"
    parse(pg_database="other")
    assert len(asked) == 3, "another database"
    (project / "models" / "staging" / "one.sql").write_text("select 2 as n")
    parse()
    assert len(asked) == 4, "another project"
    assert len(list(target.glob(f"{PARSED}*"))) == 1, "only the last one is kept"
