"""What a dbt test demands, as one sentence, and the columns by which a person finds a row: from the manifest alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Node = Mapping[str, Any]
"""A model or test as dbt's manifest holds it."""
Nodes = Mapping[str, Node]
"""``manifest["nodes"]``: by unique id."""

# So many values, measures or columns are told; the test's own file has the rest.
_TOLD = 6
_REF = re.compile(r"ref\(\s*['\"](\w+)['\"]\s*\)")
_SOURCE = re.compile(r"source\(\s*['\"](\w+)['\"]\s*,\s*['\"](\w+)['\"]\s*\)")
# A key of which nobody can read anything is a hash of the columns that do tell rows apart.
_SURROGATE = re.compile(r"surrogate_key\(\s*\[([^\]]*)\]\s*\)\s*\}\}\s*as\s+(\w+)")


def rule(test: Node, nodes: Nodes) -> str:
    """Return what ``test`` demands: its own description (which names the rows it objects to), else one by its kind."""
    if described(test):
        return _sentence(str(test["description"]))
    kind, arguments = kind_of(test), arguments_of(test)
    model = model_name(test, nodes)
    say = _TEMPLATES.get(kind)
    demanded = say(model, arguments) if say else f"The dbt test {test['name']} finds no row in {model}"
    return f"{demanded}{_where(model, (test.get('config') or {}).get('where'))}."


def described(test: Node) -> bool:
    """Tell whether somebody has written down which rows the test objects to."""
    return bool(str(test.get("description") or "").strip())


def kind_of(test: Node) -> str:
    """Return the name of the generic test; empty for a test that is a query of its own."""
    return str((test.get("test_metadata") or {}).get("name") or "")


def arguments_of(test: Node) -> Mapping[str, Any]:
    """Return the arguments of a generic test."""
    arguments: Mapping[str, Any] = (test.get("test_metadata") or {}).get("kwargs") or {}
    return arguments


def carrier(test: Node, nodes: Nodes) -> Node | None:
    """Return the model that the test is about; ``None`` when it is about none (a source)."""
    attached = test.get("attached_node")
    if attached:
        return nodes.get(attached)
    named = ((test.get("config") or {}).get("meta") or {}).get("dagster", {}).get("ref", {}).get("name")
    parents = test["depends_on"]["nodes"]
    of_name = [nodes[each] for each in parents if each in nodes and nodes[each]["name"] == named]
    return of_name[0] if of_name else nodes.get(parents[0]) if len(parents) == 1 else None


def model_name(test: Node, nodes: Nodes) -> str:
    """Return the name of the model that the test is about, else of the relation that it reads."""
    model = carrier(test, nodes)
    return str(model["name"]) if model else relation_told(str(arguments_of(test).get("model", "")) or test["name"])


def relation_told(reference: str) -> str:
    """Return the name in ``ref('fct_orders')`` or ``source('raw', 'orders')``."""
    if found := _REF.search(reference):
        return found[1]
    if found := _SOURCE.search(reference):
        return f"{found[1]}.{found[2]}"
    return reference


def keys_of(model: Node) -> tuple[str, ...]:
    """Return the columns that tell rows of ``model`` apart and that a person can read; empty when none is known.

    ``meta.grain``, else what its surrogate key is made of, else its primary key.
    """
    grain = ((model.get("config") or {}).get("meta") or {}).get("grain")
    if grain:
        return tuple(grain)
    primary = primary_key(model)
    for parts_told, key in _SURROGATE.findall(str(model.get("raw_code") or "")):
        if (key,) == primary:
            parts = [each.strip(" '\"").rpartition(".")[2] for each in parts_told.split(",")]
            there = tuple(part for part in parts if part in model["columns"])
            return there if len(there) == len(parts) else there + primary
    return primary


def primary_key(model: Node) -> tuple[str, ...]:
    """Return the columns of the primary key: the contract's, else those that dbt infers from its tests."""
    for constraint in model.get("constraints") or []:
        if constraint["type"] == "primary_key" and constraint.get("columns"):
            return tuple(constraint["columns"])
    by_column = tuple(
        name
        for name, column in (model.get("columns") or {}).items()
        if any(each["type"] == "primary_key" for each in column.get("constraints") or [])
    )
    return by_column or tuple(model.get("primary_key") or ())


def every_key(nodes: Nodes) -> frozenset[str]:
    """Return every column that tells rows of some model apart: what may be shown of rows that a query of its own finds.

    Nothing else of a row is shown: keys say which, and are no personal data.
    """
    models = [node for node in nodes.values() if node["resource_type"] == "model"]
    return frozenset(column for model in models for column in (*keys_of(model), *primary_key(model)))


def listed(text: str) -> tuple[str, ...]:
    """Return the columns in ``date_day, currency``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _some(parts: list[str]) -> str:
    more = len(parts) - _TOLD
    return ", ".join(parts[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _where(model: str, condition: Any) -> str:
    return "" if condition in (None, "true") else f" (of {model}: where {condition})"


def _agreeing(model: str, arguments: Mapping[str, Any]) -> str:
    other = relation_told(arguments["to"])
    pairs = [
        "the rows" if (str(mine), str(theirs)) == ("1", "1") else _pair(str(mine), str(theirs))
        for mine, theirs in arguments["measures"].items()
    ]
    return (
        f"Per {arguments['key']}, {model} and {other} add up to the same: {_some(pairs)}"
        f"{_where(model, arguments.get('where'))}{_where(other, arguments.get('to_where'))}"
    )


def _pair(mine: str, theirs: str) -> str:
    counted = {"1": "the number of rows"}
    mine, theirs = counted.get(mine, mine), counted.get(theirs, theirs)
    return mine if mine == theirs else f"{mine} = {theirs}"


_TEMPLATES: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "not_null": lambda model, a: f"Every row of {model} has its {a['column_name']}",
    "unique": lambda model, a: f"No two rows of {model} have the same {a['column_name']}",
    "relationships": lambda model, a: (
        f"Every {a['column_name']} of {model} stands in {relation_told(a['to'])}"
        f"{'' if a['field'] == a['column_name'] else ' as ' + a['field']}"
    ),
    "accepted_values": lambda model, a: (
        f"Every {a['column_name']} of {model} is one of: {', '.join(map(str, a['values']))}"
    ),
    "row_holds": lambda model, a: f"For every row of {model}: {' '.join(str(a['expression']).split())}",
    "sums_agree": _agreeing,
    "sums_stay_within": lambda model, a: (
        f"Per {a['key']}, {a['measure']} of {model} adds up to no more than {a['at_most']} of {relation_told(a['to'])}"
        f"{_where(model, a.get('where'))}"
    ),
    "agrees_with_parent": lambda model, a: (
        f"What {model} repeats of {relation_told(a['to'])} is what stands there: {_some(list(a['columns']))}"
    ),
    "join_keeps_the_rows": lambda model, a: (
        f"Joined with {relation_told(a['to'])}, no row of {model} is there twice ({a['condition']})"
    ),
    "intervals_are_seamless": lambda model, a: (
        f"Per {a['key']}, the intervals of {model} neither overlap nor leave a gap"
    ),
    "last_version_stands": lambda model, _: (
        f"The last version of every figure of every closed day in {model} is what kpi_daily shows"
    ),
}
