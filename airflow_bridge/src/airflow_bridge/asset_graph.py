"""The assets of a Dagster job and what each is made of, as a committed JSON file: no network while a DAG is parsed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any


class AssetGraphInvalidError(ValueError):
    """The file is missing or is no asset graph; Airflow shows this as the DAG's import error."""


@dataclass(frozen=True)
class AssetNode:
    """One asset: key ("marts/kpi_daily"), Dagster's group, and the keys in the same graph that it is made of.

    `owners` are as Dagster names them ("team:analytics" or an address), `description` is Markdown.
    """

    key: str
    group: str
    upstream: tuple[str, ...] = ()
    description: str = ""
    owners: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssetGraph:
    """The assets of job `job` in code location `location`, by key."""

    location: str
    job: str
    nodes: Mapping[str, AssetNode]

    def groups(self, first: Sequence[str] = ()) -> list[str]:
        """Return the groups: those named in `first`, then the others by the mean depth of their assets."""
        depth: dict[str, int] = {}
        depths: dict[str, list[int]] = {}
        for node in self.in_order():
            depth[node.key] = max((depth[key] + 1 for key in node.upstream), default=0)
            depths.setdefault(node.group, []).append(depth[node.key])
        rest = sorted(depths.keys() - set(first), key=lambda group: (mean(depths[group]), group))
        return [group for group in first if group in depths] + rest

    def stages(self, first: Sequence[str] = ()) -> dict[str, tuple[str, int]]:
        """Return (group, stage) of each asset, such that no two of these pairs are made of each other.

        Groups may need each other (a view that reads a fact, a fact that reads the view), task groups must not: Airflow
        cannot draw a circle. So a group goes on in a further stage wherever the way leads back to it. The first is 1.
        """
        rank = {group: at for at, group in enumerate(self.groups(first))}
        found: dict[str, tuple[str, int]] = {}
        for node in self.in_order():
            stage = 1
            for key in node.upstream:
                group, above = found[key]
                stage = max(stage, above + (rank[group] > rank[node.group]))
            found[node.key] = (node.group, stage)
        return found

    def in_order(self) -> list[AssetNode]:
        """Return the assets, each after those that it is made of; equals by key."""
        done: dict[str, AssetNode] = {}
        left = dict(sorted(self.nodes.items()))
        while left:
            ready = [node for node in left.values() if all(key in done for key in node.upstream)]
            if not ready:
                raise AssetGraphInvalidError(f"assets that are made of each other: {', '.join(left)}")
            for node in ready:
                done[node.key] = left.pop(node.key)
        return list(done.values())

    def text(self) -> str:
        """Return the file's content; equal graphs give equal texts."""
        assets = {
            key: {
                "group": node.group,
                "upstream": sorted(node.upstream),
                "owners": list(node.owners),
                "description": node.description,
            }
            for key, node in sorted(self.nodes.items())
        }
        content = {"location": self.location, "job": self.job, "assets": assets}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def make_graph(location: str, job: str, assets: Iterable[AssetNode]) -> AssetGraph:
    """Return the graph of the assets; what is upstream of the whole job is left out."""
    listed = list(assets)
    known = {node.key for node in listed}
    nodes = {
        node.key: replace(node, upstream=tuple(sorted(set(node.upstream) & known - {node.key}))) for node in listed
    }
    return AssetGraph(location, job, nodes)


def read_graph(path: Path) -> AssetGraph:
    """Read a committed graph; raise `AssetGraphInvalidError` saying what is wrong and how to make the file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        assets = [
            AssetNode(
                key,
                node["group"],
                tuple(node["upstream"]),
                str(node.get("description", "")),
                tuple(node.get("owners", ())),
            )
            for key, node in content["assets"].items()
        ]
        graph = make_graph(content["location"], content["job"], assets)
        graph.in_order()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetGraphInvalidError(
            f"{path} is no asset graph ({type(error).__name__}: {error}); "
            "`python -m airflow_bridge.export_graph --help` makes one"
        ) from error
    return graph
