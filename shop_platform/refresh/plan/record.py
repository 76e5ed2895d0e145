"""Record a plan: let dbt build the project four times on no rows, in schemas of its own, and keep what it executes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from typing import Any
from unittest.mock import patch

from dbt.adapters.postgres.connections import PostgresConnectionManager
from dbt.artifacts.resources.types import NodeType
from dbt.cli.main import dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.contextvars import get_node_info
from dbt_common.invocation import get_invocation_id
from psycopg.sql import SQL, Identifier

from shop_platform.refresh.in_process import InProcessDbt, first_line
from shop_platform.refresh.outcome import ERRORS
from shop_platform.refresh.plan.fingerprint import fingerprint
from shop_platform.refresh.plan.statements import (
    COMMIT,
    PREFIX,
    RECORDED_CEILING,
    RECORDED_DAYS,
    DataTest,
    Model,
    Plan,
    PlanError,
    Statement,
    Template,
    Way,
    answered,
    check_ceiling_of_now,
    with_ceiling_place,
    with_places_for_days,
)
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# dbt compares the columns of a model with its contract by asking for no rows of it. The answer follows from the project
# and the columns of its sources, which the fingerprint holds.
_CONTRACT_CHECK = re.compile(r"\) as __dbt_sbq\s+where false\s+limit 0\s*\Z")
_NO_ROWS = {"ceiling": RECORDED_CEILING}
_DAYS = dict(zip(("reprocess_from", "reprocess_to"), RECORDED_DAYS, strict=True))

Heard = dict[str, list[Statement]]


def record(settings: Settings, *, with_tests: bool = True) -> Plan:
    """Return the plan of the project against the warehouse of ``settings``.

    Everything is built on no rows in schemas with the prefix ``zzplan__``, which are gone afterwards: a first time,
    again, with days built again, and as a full refresh; one view once more, at the ceiling of the moment. Raises
    :class:`PlanError` when dbt cannot build.
    """
    dbt = InProcessDbt(settings, settings.data_dir / "dbt_target" / "plan", schema_prefix=PREFIX)
    _remove(settings)
    try:
        dbt.parse()
        begin, first = _listen(settings, dbt, "run")
        _, again = _listen(settings, dbt, "run")
        _, days = _listen(settings, dbt, "run", variables=_NO_ROWS | _DAYS)
        _, refresh = _listen(settings, dbt, "run", "--full-refresh")
        asked = _listen(settings, dbt, "test", "--exclude-resource-type", "unit_test")[1] if with_tests else {}
        assert dbt.manifest is not None
        # A view reads nothing when it is made, whatever the ceiling of its run is.
        now, _ = _listen(settings, dbt, "run", "--select", _any_view(dbt.manifest), variables={})
    finally:
        _remove(settings)
    placed = with_ceiling_place(begin[0].sql)
    check_ceiling_of_now(placed, now[0].sql)
    begin = (Statement(placed), *begin[1:])
    by_day = {node: [with_places_for_days(each) for each in heard] for node, heard in days.items()}
    ways = {Way.FIRST: first, Way.AGAIN: again, Way.REFRESH: refresh, Way.DAYS: by_day}
    return Plan(fingerprint(settings), begin, _models(dbt.manifest, ways), _tests(dbt.manifest, asked))


def _listen(
    settings: Settings, dbt: InProcessDbt, *arguments: str, variables: dict[str, str] = _NO_ROWS
) -> tuple[tuple[Statement, ...], Heard]:
    """Run dbt; return what it executed at the start of the run, and for each node."""
    with _ear(settings.pg_database) as heard:
        answer = dbt.invoke(*arguments, "--vars", json.dumps(variables))
    if not answer.success:
        raise PlanError(f"dbt {arguments[0]} failed while a plan was recorded: {_reason(answer)}")
    hooks = sorted(name for name in heard if name.startswith("operation."))
    begin = [statement for name in hooks for statement in heard[name]]
    if not begin:
        raise PlanError("dbt executed nothing at the start of a run")
    return tuple(begin), heard


def _any_view(manifest: Manifest) -> str:
    models = (node for node in manifest.nodes.values() if node.resource_type == NodeType.Model)
    views = sorted(node.name for node in models if node.config.materialized == "view")
    if not views:
        raise PlanError("The project has no view by which a plan could learn how a run's ceiling is fixed")
    return views[0]


@contextmanager
def _ear(database: str) -> Iterator[Heard]:
    """Hear every statement that dbt executes in this process for a node, as templates in order."""
    heard: Heard = {}
    templates: dict[str, Template] = {}
    lock, here = threading.Lock(), threading.local()
    add_query, execute = PostgresConnectionManager.add_query, PostgresConnectionManager.execute

    def hearing(self: Any, sql: str, *args: Any, **more: Any) -> Any:
        here.place = None
        found = add_query(self, sql, *args, **more)
        node = str(get_node_info().get("unique_id", ""))
        if node and not _CONTRACT_CHECK.search(sql):
            with lock:
                template = templates.setdefault(node, Template(database, get_invocation_id()))
                heard.setdefault(node, []).append(Statement(template.of(sql)))
                here.place = (node, len(heard[node]) - 1)
        return found

    def executing(self: Any, sql: str, auto_begin: bool = False, fetch: bool = False, limit: int | None = None) -> Any:
        response, table = execute(self, sql, auto_begin, fetch, limit)
        if fetch and table.column_names and here.place is not None:
            node, place = here.place
            heard[node][place] = answered(heard[node][place].sql, table.rows)
        return response, table

    with (
        patch.object(PostgresConnectionManager, "add_query", hearing),
        patch.object(PostgresConnectionManager, "execute", executing),
    ):
        yield heard


def _models(manifest: Manifest, ways: dict[Way, Heard]) -> tuple[Model, ...]:
    nodes: dict[str, Any] = {
        name: node for name, node in manifest.nodes.items() if node.resource_type == NodeType.Model
    }
    # Sorted, because the order of a set is another one in every process.
    order = TopologicalSorter(
        {name: sorted(set(nodes).intersection(nodes[name].depends_on.nodes)) for name in sorted(nodes)}
    )
    return tuple(_model(nodes[name], nodes, ways) for name in order.static_order())


def _model(node: Any, nodes: dict[str, Any], ways: dict[Way, Heard]) -> Model:
    view, incremental = node.config.materialized == "view", node.config.materialized == "incremental"
    refreshable = node.config.full_refresh is not False
    # When a view is built again it may stand or not: what it read was replaced before it. Built first it is the same.
    used = [Way.FIRST] if view else [Way.FIRST, Way.AGAIN]
    if incremental:
        used += [Way.DAYS, Way.REFRESH] if refreshable else [Way.DAYS]
    if silent := [way.value for way in used if node.unique_id not in ways[way]]:
        raise PlanError(f"dbt executed nothing for {node.name} ({', '.join(silent)})")
    return Model(
        name=node.name,
        schema=node.schema,
        relation=node.alias,
        kind="view" if view else "table",
        columns=tuple(node.columns),
        incremental=incremental,
        refreshable=refreshable,
        parents=tuple(nodes[parent].name for parent in node.depends_on.nodes if parent in nodes),
        ways={way: tuple(ways[way][node.unique_id]) for way in used},
    )


def _tests(manifest: Manifest, asked: Heard) -> tuple[DataTest, ...]:
    models = {name: node.name for name, node in manifest.nodes.items() if node.resource_type == NodeType.Model}
    found = []
    for unique_id, statements in sorted(asked.items()):
        node: Any = manifest.nodes.get(unique_id)
        if node is not None and node.resource_type == NodeType.Test:
            texts = tuple(statement.sql for statement in statements if statement.sql != COMMIT)
            keeps = f'"{node.schema}"."{node.alias}"' if node.config.store_failures else None
            parents = tuple(models[parent] for parent in node.depends_on.nodes if parent in models)
            found.append(DataTest(node.name, parents, texts, keeps, str(node.config.severity).lower()))
    return tuple(found)


def _reason(answer: dbtRunnerResult) -> str:
    failed = [
        f"{done.node.name}: {first_line(done.message)}"
        for done in getattr(answer.result, "results", None) or []
        if str(done.status) in ERRORS
    ]
    return "; ".join(failed[:3]) or first_line(str(answer.exception))


def _remove(settings: Settings) -> None:
    """Drop what an earlier recording, or this one, has made."""
    with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
        schemas = connection.execute(
            "select nspname from pg_namespace where starts_with(nspname, %s)", [PREFIX]
        ).fetchall()
        for (name,) in schemas:
            connection.execute(SQL("drop schema if exists {} cascade").format(Identifier(str(name))))
        connection.execute("delete from ops.model_watermarks where starts_with(model, %s)", [PREFIX])
        connection.execute("delete from ops.changed_days where starts_with(relation, %s)", [PREFIX])
