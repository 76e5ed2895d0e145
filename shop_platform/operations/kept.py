"""Which marts hold days that raw no longer does, and from which day on they can be compared with a recomputation."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

# A session or an order of the first days may hang on an event from before them; orders wait no longer than a week.
_MARGIN = dt.timedelta(days=8)


@dataclass(frozen=True)
class Kept:
    """A mart that can be recomputed from ``first_day`` on, told by ``day_column``."""

    day_column: str
    first_day: dt.date


def kept_marts(connection: psycopg.Connection[Any], manifest_path: Path) -> dict[str, Kept | None]:
    """Return the marts that depend on raw tables which retention has shortened; ``None``: it has no day to split by.

    ``manifest_path`` is dbt's manifest. Empty as long as nothing was removed, without reading it.
    """
    shortened = connection.execute(
        "select split_part(relation, '.', 2), max(older_than) from ops.retention_runs where relation like 'raw.%'"
        " group by 1"
    ).fetchall()
    if not shortened:
        return {}
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    kept: dict[str, Kept | None] = {}
    for table, until in sorted(shortened):
        for name, day in marts_below(manifest, table).items():
            first_day = until.astimezone(dt.UTC).date() + _MARGIN
            known = kept.get(name)
            if day is None:
                kept[name] = None
            elif name not in kept or (known and known.first_day < first_day):
                kept[name] = Kept(day, first_day)
    return kept


def marts_below(manifest: Mapping[str, Any], table: str) -> dict[str, str | None]:
    """Return every mart that depends on ``raw.<table>``, directly or not, with the column that tells its day."""
    todo = [
        key for key, source in manifest["sources"].items() if (source["source_name"], source["name"]) == ("raw", table)
    ]
    seen: set[str] = set()
    while todo:
        children = [child for child in manifest["child_map"].get(todo.pop(), []) if child.startswith("model.")]
        todo += [child for child in children if child not in seen]
        seen.update(children)
    nodes = (manifest["nodes"][key] for key in sorted(seen))
    return {node["alias"]: _day_column(node) for node in nodes if node["fqn"][1] == "marts"}


def _day_column(node: Mapping[str, Any]) -> str | None:
    named: str | None = (node["config"].get("meta") or {}).get("day_column")
    return named or only(name for name, column in node["columns"].items() if column["data_type"] == "date")


def only(names: Iterable[str]) -> str | None:
    """Return the one of ``names``; ``None`` when there is none or more than one, for then nobody knows which tells."""
    found = list(names)
    return found[0] if len(found) == 1 else None
