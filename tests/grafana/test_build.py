from pathlib import Path

import pytest

from grafana import build
from grafana.boards import render
from grafana.model import Board, Section
from grafana.panels import stat


def test_the_committed_files_are_what_the_module_makes() -> None:
    assert build.drift() == []


def test_the_same_module_makes_the_same_bytes() -> None:
    assert build.files() == build.files()


def test_check_names_a_changed_a_missing_and_a_stray_file(tmp_path: Path) -> None:
    build.write(tmp_path)
    assert build.drift(tmp_path) == []
    (tmp_path / "dashboards/pipeline.json").write_text("{}")
    (tmp_path / "dashboards/business.json").unlink()
    (tmp_path / "provisioning/alerting/old.yaml").write_text("apiVersion: 1\n")

    assert build.drift(tmp_path) == [
        "dashboards/pipeline.json is not what the module makes",
        "dashboards/business.json is missing",
        "provisioning/alerting/old.yaml is not made by the module",
    ]


def test_check_writes_nothing_and_fails_on_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "drift", lambda: ["dashboards/pipeline.json is missing"])
    monkeypatch.setattr(build, "write", lambda: pytest.fail("--check must not write"))

    assert build.main(["--check"]) == 1
    assert "python -m grafana.build" in capsys.readouterr().err


def test_a_line_that_does_not_fill_the_grid_is_refused() -> None:
    half = stat("Orders", "How many.", "short", "select 1", width=12)
    board = Board("b", "B", "A board.", (Section("Now", ((half,),), (4,)),), "now-1h", "1m")

    with pytest.raises(ValueError, match="12 columns wide"):
        render(board)
