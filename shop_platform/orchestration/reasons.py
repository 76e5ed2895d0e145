"""Why a dbt test failed, as a sentence: the rule, and the keys of the rows that break it.

Pure: no database, no Dagster. Every name in a question is one of the manifest. Nothing of
a row is told but the columns that say which row it is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shop_platform.orchestration.rules import (
    Node,
    Nodes,
    arguments_of,
    carrier,
    described,
    every_key,
    keys_of,
    kind_of,
    listed,
    relation_told,
    rule,
)

SHOWN = 5
"""So many rows are named; of the others it is told how many there are."""

# What dbt's own tests call the values that they object to; they return nothing else of the rows.
_VALUES = {"unique": "unique_field", "relationships": "from_field", "accepted_values": "value_field"}


@dataclass(frozen=True)
class Rows:
    """Rows that break a rule: how many there are, the key columns, and the values of at most :data:`SHOWN` of them."""

    total: int
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Question:
    """Which rows to ask for: a relation or subquery ``of`` in SQL, and its key ``columns``."""

    of: str
    columns: tuple[str, ...]


def sentence(test: Node, nodes: Nodes, rows: Rows | None, failures: int | None = None) -> str:
    """Return the rule that ``test`` holds and what breaks it; ``failures`` is dbt's own count, for want of ``rows``."""
    demanded = rule(test, nodes)
    broken = "Found" if described(test) else "Broken by"
    if rows and rows.values:
        more = rows.total - len(rows.values)
        return f"{demanded} {broken}: {_named(rows)}{f' and {more} more' if more > 0 else ''}."
    count = rows.total if rows else failures
    if not count:
        return f"{demanded} That does not hold."
    most = (test.get("config") or {}).get("limit")
    least = "at least " if rows is None and most and count >= most else ""
    return f"{demanded} {broken} {least}{count} row{'' if count == 1 else 's'}."


def could_not_run(test: Node, nodes: Nodes, reason: str) -> str:
    """Return the rule and why nobody knows whether it holds."""
    return f"{rule(test, nodes)} Whether it holds is not known: {' '.join(reason.split()).rstrip('.')}."


def question(test: Node, nodes: Nodes, compiled: str) -> Question | None:
    """Return what to ask for the rows that ``test`` objects to; ``compiled`` is its SQL. ``None``: they have no keys.

    For a query that returns the rows themselves, :func:`shown` chooses from the columns it has.
    """
    kind, arguments, model = kind_of(test), arguments_of(test), carrier(test, nodes)
    found = f"({compiled.strip().rstrip(';')}\n) as found"
    if kind == "not_null" or kind in _VALUES:
        if model is None:
            return None
        column = f'"{arguments["column_name"]}"'
        broken = f"{column} is null"
        if kind != "not_null":
            broken = f'{column} in (select "{_VALUES[kind]}" from {found})'  # noqa: S608
        own = (test.get("config") or {}).get("where")
        condition = f"{broken} and ({own})" if own else broken
        return Question(f"{model['relation_name']} where {condition}", keys_of(model))
    if kind == "join_keeps_the_rows":
        other = next((each for each in nodes.values() if each["name"] == relation_told(arguments["to"])), None)
        if model is None or other is None or not keys_of(model):
            return None
        columns = ", ".join(f'facts."{key}"' for key in keys_of(model))
        joined = (
            f"{model['relation_name']} as facts join {other['relation_name']} as others on {arguments['condition']}"
        )
        twice = f"select {columns} from {joined} group by {columns} having count(*) > 1"  # noqa: S608
        return Question(f"({twice}) as found", keys_of(model))
    return Question(found, ())


def shown(test: Node, nodes: Nodes, available: Collection[str]) -> tuple[str, ...]:
    """Return the columns to show of the rows that the test's own query returns; ``available`` are those it has."""
    model, arguments = carrier(test, nodes), arguments_of(test)
    if "key" in arguments and set(columns := listed(arguments["key"])) <= set(available):
        return columns
    if model is not None and (columns := keys_of(model)) and set(columns) <= set(available):
        return columns
    known = every_key(nodes)
    return tuple(column for column in available if column in known)


def _named(rows: Rows) -> str:
    if len(rows.columns) == 1:
        return f"{rows.columns[0]} {', '.join(value for (value,) in rows.values)}"
    return "; ".join(_pairs(rows.columns, values) for values in rows.values)


def _pairs(columns: Sequence[str], values: Sequence[str]) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(columns, values, strict=True))
