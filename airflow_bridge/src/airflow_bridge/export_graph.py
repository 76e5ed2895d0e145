"""Write the asset graph of a Dagster job, or compare it with the file (`python -m airflow_bridge.export_graph`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from airflow_bridge import graphql
from airflow_bridge.asset_graph import AssetGraph, AssetNode, make_graph
from airflow_bridge.errors import DagsterBridgeError

T = TypeVar("T")
_DRIFT = 1
_UNUSABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; return 0, 1 (the file differs) or 2 (Dagster gave no answer)."""
    parser = argparse.ArgumentParser(prog="python -m airflow_bridge.export_graph", description=__doc__)
    parser.add_argument("--url", required=True, help="Dagster's web server, as http://localhost:3000")
    parser.add_argument("--location", required=True, help="code location")
    parser.add_argument("--repository", default="__repository__")
    parser.add_argument("--job", required=True)
    parser.add_argument("--output", required=True, type=Path, help="the file, beside the DAG that reads it")
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the file differs")
    told = parser.parse_args(arguments)
    try:
        graph = fetch(told.url, graphql.Job(told.job, told.location, told.repository))
    except (DagsterBridgeError, httpx.HTTPError) as error:
        sys.stderr.write(f"No asset graph: {error}\n")
        return _UNUSABLE
    if not told.check:
        told.output.write_text(graph.text(), encoding="utf-8")
        return 0
    if told.output.exists() and told.output.read_text(encoding="utf-8") == graph.text():
        return 0
    sys.stderr.write(f"{told.output} is out of date: run this command without --check.\n")
    return _DRIFT


def fetch(url: str, job: graphql.Job) -> AssetGraph:
    """Ask Dagster at `url` for the graph of the job; raises `DagsterBridgeError` and `httpx.HTTPError`."""
    with httpx.Client(base_url=url, timeout=30) as client:

        def ask(operation: graphql.Operation[T]) -> T:
            answer = client.post("/graphql", json=operation.body())
            return operation.read(graphql.read_response(answer.status_code, answer.text))

        ask(graphql.get_job_facts(job))  # asked for the graph of an unknown job, Dagster answers with an empty one
        assets = ask(get_job_assets(job))
    return make_graph(job.location, job.name, assets)


def get_job_assets(job: graphql.Job) -> graphql.Operation[list[AssetNode]]:
    """Return the assets that the job makes."""
    query = """query Assets($job: PipelineSelector!) { assetNodes(pipeline: $job) {
      assetKey { path } groupName description isMaterializable dependencyKeys { path }
      owners { __typename ... on TeamAssetOwner { team } ... on UserAssetOwner { email } } } }"""

    def read(data: dict[str, Any]) -> list[AssetNode]:
        return [_node(node) for node in data["assetNodes"] if node["isMaterializable"]]

    return graphql.Operation(query, {"job": job.pipeline_selector()}, read)


def _node(node: dict[str, Any]) -> AssetNode:
    owners = (f"team:{each['team']}" if "team" in each else str(each["email"]) for each in node["owners"])
    return AssetNode(
        "/".join(node["assetKey"]["path"]),
        node["groupName"],
        tuple("/".join(key["path"]) for key in node["dependencyKeys"]),
        (node["description"] or "").strip(),
        tuple(owners),
    )


if __name__ == "__main__":
    raise SystemExit(main())
