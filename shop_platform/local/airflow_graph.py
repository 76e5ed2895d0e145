"""The committed asset graph of Airflow's DAG: ``python -m shop_platform.local.airflow_graph [--check]``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import dagster as dg

from shop_platform.local.airflow import DAGS
from shop_platform.orchestration import names

GRAPH = DAGS / "asset_graph.json"


def graph_text(repository: dg.RepositoryDefinition, job: str = names.JOB_FULL_PIPELINE) -> str:
    """Return the graph of what `job` makes, in the form of `airflow_bridge.export_graph`, without a Dagster server."""
    graph: Any = repository.asset_graph
    made = sorted(repository.get_job(job).asset_layer.selected_asset_keys, key=lambda key: key.to_user_string())
    assets = {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "upstream": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys if parent in set(made)),
            "owners": list(graph.get(key).owners),
            "description": (graph.get(key).description or "").strip(),
        }
        for key in made
    }
    content = {"location": names.location_of(job), "job": job, "assets": assets}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _text() -> str:
    from shop_platform.orchestration.warehouse_location import build
    from shop_platform.settings import load

    with tempfile.TemporaryDirectory() as folder:
        return graph_text(build(load(data_dir=Path(folder))).get_repository_def())


def main() -> int:
    """Write the file, or with ``--check`` return 1 when it is out of date."""
    text = _text()
    if "--check" not in sys.argv[1:]:
        GRAPH.write_text(text, encoding="utf-8")
        return 0
    if GRAPH.exists() and GRAPH.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{GRAPH} is out of date: run `.venv/bin/python -m shop_platform.local.airflow_graph`.\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
