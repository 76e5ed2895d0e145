"""Which tests of data have to wait when a run builds only some of the models."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

_VIEWS = {"view", "ephemeral"}


def tests_of_two_ages(
    manifest: Mapping[str, Any], selected: Collection[str], builds: Mapping[str, str] | None = None
) -> list[str]:
    """Return the names of the data tests that would compare a table built now with one that is older or newer.

    ``selected`` are the unique ids of the models that are built; ``builds`` name the build (dbt's invocation) that made
    each of the others, by unique id. dbt itself runs every test that reads one of them. A table that is built agrees
    with the one it is built of, as that stands, unless it also reads what has come since; of several that were not made
    by the same build, one is newer than another. A view is as old as the tables below it, and several of those may
    differ. What reads sources only is always of now; what reads nothing (a calendar) has no age.
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

    def inputs(unique_id: str) -> frozenset[str]:
        """Return the tables that a table is built of, if they are of one age: then it has that age too."""
        found = frozenset().union(*map(tables, nodes[unique_id]["depends_on"]["nodes"]))
        aged = [each for each in found if nodes[each]["depends_on"]["nodes"]]
        made_by = {(builds or {}).get(each, each) for each in aged}
        return found if len(made_by) <= 1 else frozenset()

    chosen = set(selected)

    def is_of_now(unique_id: str) -> bool:
        """Whether the build of a table reads the sources as they are now, by itself or by what is built before it."""
        node = nodes.get(unique_id)
        if node is None:  # a source
            return True
        return any(
            parent not in nodes or nodes[parent]["config"]["materialized"] in _VIEWS or parent in chosen
            for parent in node["depends_on"]["nodes"]
            if is_of_now(parent)
        )

    waiting = []
    for node in nodes.values():
        if node["resource_type"] != "test":
            continue
        read = frozenset().union(*map(tables, node["depends_on"]["nodes"]))
        built, others = read & chosen, read - chosen
        older = frozenset().union(*map(inputs, built)) if not any(map(is_of_now, built)) else frozenset()
        of_views = not built and len(read) > 1 and not chosen.isdisjoint(node["depends_on"]["nodes"])
        if of_views or (built and others - older):
            waiting.append(node["name"])
    return sorted(waiting)


def views_above(manifest: Mapping[str, Any], selected: Collection[str]) -> list[str]:
    """Return the unique ids of the views that are lost when ``selected`` are built, but for these.

    dbt puts a new view or table in the place of the old one, and PostgreSQL drops what reads the old one with it; dbt
    makes that again only if it builds it too. An incremental table stays where it is.
    """
    nodes = manifest["nodes"]
    readers: dict[str, list[str]] = {}
    for node in nodes.values():
        if node["resource_type"] == "model" and node["config"]["materialized"] == "view":
            for parent in node["depends_on"]["nodes"]:
                readers.setdefault(parent, []).append(node["unique_id"])
    chosen = set(selected)
    lost, todo = set(), [each for each in chosen if nodes[each]["config"]["materialized"] in {"view", "table"}]
    while todo:
        for reader in readers.get(todo.pop(), ()):
            if reader not in lost:
                lost.add(reader)
                todo.append(reader)
    return sorted(lost - chosen)
