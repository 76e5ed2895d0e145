"""What the statements of a run really read: their plans, as the server wrote them into its log (auto_explain)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import sql

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_HEAD = re.compile(r"@(?P<database>\w+) .*LOG:  duration: [\d.]+ ms  plan:$")
_MODEL = re.compile(r'"node_id": "\w+\.\w+\.(\w+)"')
_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    # Counting rows costs little, taking the time of each costs a lot. Without counts, a branch of the plan that is
    # never entered could not be told from one that is.
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
}


@dataclass(frozen=True)
class Read:
    """One node of a plan that read rows of a table or entries of an index."""

    model: str
    relation: str
    node: str
    rows: float
    query: str = field(repr=False)


@contextmanager
def explained(settings: Settings, log: Path) -> Iterator[list[Read]]:
    """Give a list that holds, once the block has ended, what was read in the database by sessions begun in it."""
    database = sql.Identifier(settings.pg_database)
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        for name, value in _SETTINGS.items():
            # A placeholder of its own: the library that knows the name is not loaded in this session.
            admin.execute(sql.SQL("alter database {} set {} = {}").format(database, sql.SQL(name), sql.Literal(value)))
    start = log.stat().st_size
    reads: list[Read] = []
    try:
        yield reads
    finally:
        with connect(settings, Role.ADMIN, autocommit=True) as admin:
            for name in _SETTINGS:
                admin.execute(sql.SQL("alter database {} reset {}").format(database, sql.SQL(name)))
    with log.open(encoding="utf-8") as file:
        file.seek(start)
        for plan in _plans(file, settings.pg_database):
            reads.extend(_reads(plan))


def _plans(lines: Iterator[str], database: str) -> Iterator[dict[str, Any]]:
    """Yield each logged plan of the database; the lines of a message after its first begin with a tab."""
    body: list[str] | None = None
    for line in lines:
        if line.startswith("\t"):
            if body is not None:
                body.append(line)
            continue
        if body:
            yield json.loads("".join(body))
        head = _HEAD.search(line.rstrip("\n"))
        body = [] if head and head["database"] == database else None
    if body:
        yield json.loads("".join(body))


def _reads(explained_statement: dict[str, Any]) -> Iterator[Read]:
    query = explained_statement["Query Text"]
    model = _MODEL.search(query)
    for node, relation in _scans(explained_statement["Plan"], ""):
        # Rows are told per loop, and what a filter threw away was read as well.
        found = sum(
            node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        )
        rows = found * node.get("Actual Loops", 0)
        yield Read(model[1] if model else "?", relation, node["Node Type"], rows, query)


def _scans(node: dict[str, Any], relation: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the scans of a plan with their table; a bitmap of index entries belongs to the table above it."""
    relation = node.get("Relation Name", relation)
    if "Scan" in node["Node Type"] and relation:
        yield node, relation
    for child in node.get("Plans", ()):
        below = relation if node["Node Type"] in {"Bitmap Heap Scan", "BitmapAnd", "BitmapOr"} else ""
        yield from _scans(child, below)
