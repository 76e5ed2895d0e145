"""Which columns each column of a model is made of: read from its compiled SQL once per state of the project, and kept.

Reading all models takes a second and a half; dagster-dbt's own way (``fetch_column_metadata``) takes that for a few of
them, in every run, and asks the database for columns that the project documents.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from shop_platform.orchestration.rules import Node

log = structlog.get_logger(__name__)

Columns = dict[str, list[tuple[str, str]]]
"""For each column of a model those it is made of, as (``marts/fct_orders``, column)."""

_DIALECT = "postgres"


class ColumnLineage:
    """The column lineage of a project's models; ``file`` keeps it for other processes and later runs.

    ``nodes`` are the models and ``sources`` the raw tables, as dbt's manifest holds them.
    """

    def __init__(self, nodes: Mapping[str, Node], sources: Mapping[str, Node], file: Path) -> None:
        self._nodes = nodes
        self._sources = sources
        self._file = file
        self._known: dict[str, Columns] | None = None
        self._new = False

    def of(self, unique_id: str, compiled: str | None) -> Columns | None:
        """Return the lineage of a model; ``None`` when nobody knows it and ``compiled``, its SQL, does not tell it."""
        if self._known is None:
            self._known = self._kept()
        if unique_id not in self._known and compiled is not None:
            try:
                self._known[unique_id] = self._read(self._nodes[unique_id], compiled)
                self._new = True
            except Exception as error:  # whatever the parser makes of it: a build does not fail for a picture
                log.warning("column_lineage_not_read", model=unique_id, reason=str(error).splitlines()[0])
        return self._known.get(unique_id)

    def keep(self) -> None:
        """Write what was read since, beside what others have written meanwhile."""
        if not self._new or self._known is None:
            return
        self._known = self._kept() | self._known
        mine = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            mine.write_text(json.dumps(self._known), encoding="utf-8")
            mine.replace(self._file)
        except OSError as error:
            log.warning("column_lineage_not_kept", file=str(self._file), reason=str(error))
        self._new = False

    def _kept(self) -> dict[str, Columns]:
        try:
            kept: dict[str, dict[str, list[list[str]]]] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {
            model: {column: [(asset, name) for asset, name in sources] for column, sources in columns.items()}
            for model, columns in kept.items()
        }

    def _read(self, model: Node, compiled: str) -> Columns:
        # A fifth of a second, and of use once per state of the project.
        from sqlglot import MappingSchema, exp, parse_one, to_table
        from sqlglot.expressions import normalize_table_name
        from sqlglot.lineage import lineage
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import build_scope

        def named(table: Any) -> str:
            return normalize_table_name(table, dialect=_DIALECT)

        parents = [
            parent
            for unique_id in model["depends_on"]["nodes"]
            if (parent := self._nodes.get(unique_id) or self._sources.get(unique_id)) is not None
        ]
        schema = MappingSchema(dialect=_DIALECT)
        for relation in (*parents, model):
            if columns := {name: column.get("data_type") or "text" for name, column in relation["columns"].items()}:
                schema.add_table(to_table(relation["relation_name"], dialect=_DIALECT), columns, dialect=_DIALECT)
        by_name = {named(to_table(parent["relation_name"], dialect=_DIALECT)): parent for parent in parents}
        query: Any = qualify(
            parse_one(compiled, dialect=_DIALECT), schema=schema, dialect=_DIALECT, validate_qualify_columns=False
        )
        scope = build_scope(query)
        found: Columns = {}
        for column in query.named_selects:
            # Neither a copy of the query nor a trimmed one for each step: that took four fifths of the time.
            made_of = lineage(column, query, schema, scope=scope, dialect=_DIALECT, copy=False, trim_selects=False)
            tables = [node for node in made_of.walk() if isinstance(node.expression, exp.Table)]
            found[column] = sorted(
                {
                    (asset_of(parent), exp.to_column(node.name).name)
                    for node in tables
                    if (parent := by_name.get(named(node.expression))) is not None
                }
            )
        return found


def asset_of(node: Node) -> str:
    """Return the key of a model or source in Dagster, its parts joined: ``marts/fct_orders``."""
    if node["resource_type"] != "source":
        return f"{node['fqn'][1]}/{node['name']}"
    meta = (node.get("config") or {}).get("meta") or node.get("meta") or {}
    return "/".join(meta.get("dagster", {}).get("asset_key") or [node["source_name"], node["name"]])
