"""Slim CI builds what differs from a base and what stands below it, reads the rest, and says when it cannot."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.local import slim_ci
from shop_platform.local.slim_ci import base_commit, main, outcome, project_at, run, uncommitted
from shop_platform.operations.dbt import DBT_PROJECT_DIR

pytestmark = pytest.mark.usefixtures("dbt")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone with a dbt project of one file, on a branch that left main after its first commit."""
    (tmp_path / "dbt_project").mkdir()
    (tmp_path / "dbt_project" / "one.sql").write_text("select 1")
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path, "first")
    git(tmp_path, "checkout", "--quiet", "-b", "work")
    (tmp_path / "dbt_project" / "two.sql").write_text("select 2")
    commit(tmp_path, "second")
    return tmp_path


def test_only_the_changed_model_and_what_stands_below_it_is_built(tmp_path: Path) -> None:
    """dim_geography reads dim_customers; neither is read by anything else."""
    ignored = shutil.ignore_patterns("target", "logs", "__pycache__")
    shutil.copytree(DBT_PROJECT_DIR, tmp_path / "dbt_project", ignore=ignored)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path, "the project as it is")
    model = tmp_path / "dbt_project" / "models" / "marts" / "customers" / "dim_customers.sql"
    model.write_text(model.read_text() + "\n-- a change\n")
    built = run("HEAD", 2, tmp_path)
    assert built.models == ("dim_customers", "dim_geography")
    assert built.tests > 5


def test_the_base_is_where_the_branch_left_it(checkout: Path) -> None:
    left = git(checkout, "rev-parse", "main")
    git(checkout, "checkout", "--quiet", "main")
    (checkout / "dbt_project" / "meanwhile.sql").write_text("select 3")
    commit(checkout, "what others did")
    git(checkout, "checkout", "--quiet", "work")
    assert base_commit("main", checkout) == left
    assert base_commit("HEAD~1", checkout) == left


def test_the_project_of_the_base_is_written_as_it_was(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    project = project_at(base_commit("main", checkout), tmp_path_factory.mktemp("base"), checkout)
    assert [path.name for path in project.iterdir()] == ["one.sql"]


@pytest.mark.parametrize("base", ["no-such-branch", "--upload-pack=touch", "HEAD:dbt_project/one.sql"])
def test_a_base_that_is_no_commit_is_refused_by_name(checkout: Path, base: str) -> None:
    with pytest.raises(ShopError) as refused:
        base_commit(base, checkout)
    assert base in refused.value.message and "BASE=HEAD~1" in str(refused.value.hint)


def test_a_base_without_anything_in_common_is_refused(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--orphan", "other")
    commit(checkout, "a root of its own")
    with pytest.raises(ShopError, match="no commit in common"):
        base_commit("main", checkout)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ShopError, match="no checkout"):
        base_commit("main", tmp_path)


def test_a_base_from_before_the_project_is_refused(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "rm", "-r", "--quiet", "dbt_project")
    without = commit(checkout, "gone")
    with pytest.raises(ShopError, match="no dbt project"):
        project_at(without, tmp_path, checkout)


def test_what_is_not_committed_is_named(checkout: Path) -> None:
    assert uncommitted(checkout) == []
    (checkout / "dbt_project" / "two.sql").write_text("select 22")
    (checkout / "dbt_project" / "three.sql").write_text("select 3")
    (checkout / "elsewhere.txt").write_text("no model")
    assert sorted(uncommitted(checkout)) == ["dbt_project/three.sql", "dbt_project/two.sql"]


def test_a_mistake_ends_in_a_sentence_and_exit_code_2(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slim_ci, "run", lambda base, days: run(base, days, checkout))
    assert main(["nowhere"]) == 2
    assert capsys.readouterr().err.startswith("There is no revision 'nowhere' here\n")


def test_models_and_tests_are_told_apart_and_nothing_is_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "run_results.json"
    assert outcome(path).models == ()
    ids = ["model.shop.b", "model.shop.a", "test.shop.unique_a.1f", "unit_test.shop.a.works", "operation.shop.hook-0"]
    path.write_text(json.dumps({"results": [{"unique_id": each} for each in ids]}))
    assert outcome(path) == slim_ci.Outcome(models=("a", "b"), tests=2)
