"""By which columns a person tells the rows of a mart: those that its key is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_MADE_OF = re.compile(r"surrogate_key\(\s*\[([^\]]*)\]\s*\)\s*\}\}\s*as\s+(\w+)")
_COLUMN = re.compile(r"['\"](?:\w+\.)?(\w+)['\"]")


def readable_keys(manifest_path: Path) -> dict[str, list[str]]:
    """Return for each mart of dbt's manifest what tells its rows: what its key is a hash of, else the key.

    Nothing without a manifest: dbt writes none where a plan of its statements was run in its place.
    """
    if not manifest_path.is_file():
        return {}
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    return {
        node["alias"]: readable_key(node)
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["fqn"][1] == "marts"
    }


def readable_key(node: dict[str, Any]) -> list[str]:
    """Return the columns of ``node`` (a model of the manifest) that tell one row from another."""
    key = [
        name
        for name, column in node["columns"].items()
        if any(constraint["type"] == "primary_key" for constraint in column.get("constraints") or ())
    ]
    made_of: list[str] = (node["config"].get("meta") or {}).get("grain") or []
    for columns, name in _MADE_OF.findall(node.get("raw_code") or ""):
        if [name] == key and not made_of:
            made_of = _COLUMN.findall(columns)
    shown = [name for name in made_of if name in node["columns"]]
    return shown if shown and len(shown) == len(made_of) else [*shown, *key]
