"""What ties a query to PostgreSQL, found in the project's files: only macros that an engine overrides may say it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.dbt.project import PROJECT

_FORBIDDEN = {
    "a cast by ::": re.compile(r"::"),
    "distinct on": re.compile(r"\bdistinct\s+on\b", re.IGNORECASE),
    "the clock": re.compile(r"\bnow\s*\(|\bcurrent_(date|time|timestamp)\b|\blocaltime", re.IGNORECASE),
    "ilike": re.compile(r"\bilike\b", re.IGNORECASE),
    "a regular expression by ~": re.compile(r"!?~"),
    "an operator on json": re.compile(r"->|#>|@>|<@|\?\||\?&"),
    "a function on json": re.compile(r"\bjsonb?_\w+\s*\(|\bto_jsonb?\s*\(", re.IGNORECASE),
}
# Where an expression is SQL in a description of a model.
_SQL_KEYS = {"expression", "where", "to_where", "measures"}

_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_ENGINE_MACRO = re.compile(r"\{%-?\s*macro\s+(?:default|postgres)__.*?endmacro\s*-?%\}", re.DOTALL)


def ties(sql: str) -> list[str]:
    """Return what in ``sql`` only PostgreSQL understands; Jinja, comments and literals do not count."""
    text = _LITERAL.sub("''", _COMMENT.sub(" ", _JINJA.sub(" ", sql)))
    return [name for name, pattern in _FORBIDDEN.items() if pattern.search(text)]


def offences(project: Path = PROJECT) -> list[str]:
    """Return ``file: tie`` for every tie outside ``macros/portable`` and the macros that an engine overrides."""
    return [
        f"{path.relative_to(project)}: {tie}" for path, sql in sorted(_statements(project)) for tie in sorted(ties(sql))
    ]


def _statements(project: Path) -> Iterator[tuple[Path, str]]:
    for folder in ("models", "tests", "macros"):
        for path in (project / folder).rglob("*.sql"):
            if not path.is_relative_to(project / "macros" / "portable"):
                yield path, _ENGINE_MACRO.sub("", path.read_text(encoding="utf-8"))
    for path in (project / "models").rglob("*.yml"):
        if path.parent.name != "unit_tests":
            for sql in _expressions(yaml.safe_load(path.read_text(encoding="utf-8"))):
                yield path, sql


def _expressions(node: Any, *, is_sql: bool = False) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if is_sql:
                yield str(key)
            yield from _expressions(value, is_sql=is_sql or key in _SQL_KEYS)
    elif isinstance(node, list):
        for value in node:
            yield from _expressions(value, is_sql=is_sql)
    elif is_sql and node is not None:
        yield str(node)
