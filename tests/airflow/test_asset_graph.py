"""The committed asset graph of Airflow's DAG is what the code location says; needs no Airflow."""

from __future__ import annotations

import pytest

from shop_platform.local import airflow_graph
from shop_platform.orchestration.warehouse_location import build
from shop_platform.settings import load


def test_the_committed_graph_is_up_to_date(tmp_path, dbt):
    repository = build(load(data_dir=tmp_path)).get_repository_def()
    text = airflow_graph.graph_text(repository)
    assert airflow_graph.GRAPH.read_text(encoding="utf-8") == text, (
        "run `.venv/bin/python -m shop_platform.local.airflow_graph`"
    )


@pytest.mark.parametrize(("content", "code"), [("{}", 1), (None, 1)])
def test_a_file_that_differs_is_told(monkeypatch, tmp_path, capsys, content, code):
    path = tmp_path / "asset_graph.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(airflow_graph, "GRAPH", path)
    monkeypatch.setattr(airflow_graph, "_text", lambda: "the graph\n")
    monkeypatch.setattr("sys.argv", ["airflow_graph", "--check"])
    assert airflow_graph.main() == code
    assert "is out of date" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["airflow_graph"])
    assert airflow_graph.main() == 0
    monkeypatch.setattr("sys.argv", ["airflow_graph", "--check"])
    assert airflow_graph.main() == 0
