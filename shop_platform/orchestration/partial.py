"""Which tests of data have to wait when a run builds only some of the models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_VIEWS = {"view", "ephemeral"}


def tests_of_two_ages(manifest: Mapping[str, Any], selected: Collection[str]) -> list[str]:
    """Return the names of the data tests that would compare a table built now with one that is older or newer.

    ``selected`` are the unique ids of the models that are built. dbt itself runs every test that reads one of them. A
    table that is built agrees with those it is built of, as they stand; a view is as old as the tables below it; what
    reads sources only is always of now.
    """
    nodes = manifest["nodes"]
    behind: dict[str, frozenset[str]] = {}

    def tables(unique_id: str) -> frozenset[str]:
        if unique_id not in behind:
            node = nodes.get(unique_id)
            if node is None:  # a source
                behind[unique_id] = frozenset()
            elif node["config"]["materialized"] in _VIEWS:
                behind[unique_id] = frozenset().union(*map(tables, node["depends_on"]["nodes"]))
            else:
                behind[unique_id] = frozenset([unique_id])
        return behind[unique_id]

    above: dict[str, frozenset[str]] = {}

    def ancestors(unique_id: str) -> frozenset[str]:
        if unique_id not in above:
            parents = nodes[unique_id]["depends_on"]["nodes"] if unique_id in nodes else []
            above[unique_id] = frozenset(parents).union(*map(ancestors, parents))
        return above[unique_id]

    chosen = set(selected)
    waiting = []
    for node in nodes.values():
        if node["resource_type"] != "test":
            continue
        read = frozenset().union(*map(tables, node["depends_on"]["nodes"]))
        built = read & chosen
        if built and read - chosen - frozenset().union(*map(ancestors, built)):
            waiting.append(node["name"])
    return sorted(waiting)
