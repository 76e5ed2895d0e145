"""Publish the contract: a JSON Schema per event type and an AsyncAPI document, generated from the code.

``python -m shop_platform.events.publish`` writes the files, ``--check`` exits 1 when a committed one is out of date.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from shop_platform.events.async_api import asyncapi
from shop_platform.events.json_schema import event_schema
from shop_platform.events.registry import EVENT_TYPES

_CODES = re.compile(r'\[(?:\s*"[A-Z]{2,3}",?)+\s*\]')
CONTRACT_DIR = Path(__file__).resolve().parent.parent.parent / "docs" / "contract"


def documents() -> dict[str, str]:
    """Return every published file by name."""
    content = {f"{name}.json": event_schema(kind) for name, kind in EVENT_TYPES.items()} | {"asyncapi.json": asyncapi()}
    return {name: _written(document) for name, document in content.items()}


def _written(document: dict[str, Any]) -> str:
    """Return it as JSON, a list of codes in one line."""
    return _CODES.sub(lambda found: " ".join(found[0].split()), json.dumps(document, indent=2)) + "\n"


def main(arguments: list[str], folder: Path = CONTRACT_DIR) -> int:
    """Write the files, or compare them (``--check``); return the exit code."""
    wanted = documents()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if "--check" in arguments:
        if stale:
            sys.stderr.write(
                f"docs/contract is out of date: {', '.join(stale)}\n"
                "  Run `python -m shop_platform.events.publish` and commit what it writes.\n"
            )
        return int(bool(stale))
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
