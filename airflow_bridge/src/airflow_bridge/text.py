"""Turns what Dagster and dbt wrote about a failure into one line without control codes."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_DBT_MARKER = "Errors parsed from dbt logs:"
# "2 of 3 ERROR creating sql table model tiny.fct_orders ........ [ERROR in 0.08s]": that it failed, not why.
_PROGRESS = re.compile(r"^\d+ of \d+ [A-Z]")
# "Failure in model fct_orders (models/fct_orders.sql)", and below it "Database Error in model fct_orders (...)".
_NODE = re.compile(r"^(?:Failure|[A-Z]\w* Error) in (?P<node>\w+ [\w.]+)(?: \(.*\))?$")
_USELESS = ("Encountered an error:", "compiled code at ")
_KIND_ONLY = re.compile(r"^[A-Z]\w* Error$")
_MAX_LENGTH = 300
_MAX_NAMES = 3


def plain(text: str) -> str:
    """Return the text without colour codes."""
    return _ANSI.sub("", text)


def shorten(names: Sequence[str]) -> str:
    """Return the first names and how many more there are."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def first_error_line(message: str) -> str:
    """Return the first line that says something, at most 300 characters.

    dagster-dbt opens with the command line and puts dbt's own words under a heading: of these the first node that
    failed and its reason are told, a model before a test.
    """
    message = plain(message)
    if _DBT_MARKER in message:
        words = message.split(_DBT_MARKER, 1)[1]
        return _cut(next(iter(dbt_failures(words)), "") or _first_words(words))
    return _cut(next((line.strip() for line in message.splitlines() if line.strip()), ""))


def dbt_failures(message: str) -> list[str]:
    """Return "model fct_orders: reason" for each node that dbt names in its log, models first."""
    found: dict[str, str] = {}
    node: str | None = None
    for line in _lines(message):
        heading = _NODE.match(line)
        if heading:
            node = heading["node"]
            found.setdefault(node, "")
        elif node and not found[node] and not line.startswith(_USELESS):
            found[node] = line
    told = [f"{name}: {reason}" for name, reason in found.items() if reason]
    return sorted(told, key=lambda line: not line.startswith("model "))


def _first_words(message: str) -> str:
    """Return what dbt said before it ran a node: the kind of the error and the line after it."""
    lines = [line for line in _lines(message) if not line.startswith(_USELESS)]
    if len(lines) > 1 and _KIND_ONLY.match(lines[0]):
        return f"{lines[0]}: {lines[1]}"
    return lines[0] if lines else ""


def _lines(message: str) -> list[str]:
    lines = [line.strip() for line in plain(message).splitlines()]
    return [line for line in lines if line and not _PROGRESS.match(line)]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
