"""By which rows and columns two tables of the same shape differ, told by their key."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

NAMED = 10
"""So many rows of each kind are named."""
_COLUMNS_TOLD = 8


@dataclass(frozen=True)
class Difference:
    """One row, by its key. ``columns`` maps those that differ to the value in the mart and the recomputed one.

    A row that is on one side only has no ``columns`` and says on which (``only_in``: ``mart`` or ``recomputation``).
    """

    key: dict[str, Any]
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    only_in: str | None = None

    def sentence(self) -> str:
        """Return it for a person."""
        key = ", ".join(f"{name} {_shown(value)}" for name, value in self.key.items())
        if self.only_in:
            return f"{key}: only in the {self.only_in}"
        told = [
            f"{name} is {_shown(mart)} in the mart, {_shown(rebuilt)} recomputed"
            for name, (mart, rebuilt) in list(self.columns.items())[:_COLUMNS_TOLD]
        ]
        more = len(self.columns) - len(told)
        return f"{key}: {'; '.join(told)}{f'; and {more} more columns' if more else ''}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; decimals as text, so that no digit is lost."""
        return {
            "key": {name: _plain(value) for name, value in self.key.items()},
            "only_in": self.only_in,
            "columns": {
                name: {"mart": _plain(mart), "recomputation": _plain(rebuilt)}
                for name, (mart, rebuilt) in self.columns.items()
            },
        }


@dataclass(frozen=True)
class MartComparison:
    """One mart: its rows, rows only in the mart, rows only in the recomputation; ``changed`` rows are in both of these.

    A changed row has its key on both sides and other values.
    """

    rows: int
    only_in_mart: int
    only_in_rebuild: int
    changed: int = 0
    examples: tuple[Difference, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows, each as often."""
        return self.only_in_mart == 0 and self.only_in_rebuild == 0

    @property
    def differing(self) -> int:
        """How many rows differ, by their keys."""
        return self.only_in_mart + self.only_in_rebuild - self.changed

    def as_dict(self) -> dict[str, Any]:
        """Return counts and examples."""
        return {
            "rows": self.rows,
            "only_in_mart": self.only_in_mart,
            "only_in_rebuild": self.only_in_rebuild,
            "changed": self.changed,
            "examples": [each.as_dict() for each in self.examples],
        }


def key_of(connection: Connection, schema: str, table: str) -> list[str]:
    """Return the columns of the primary key (dbt's contract makes one); none when there is none."""
    rows = connection.execute(
        "select a.attname from pg_index as i"
        " cross join lateral unnest(i.indkey) with ordinality as k (attnum, place)"
        " join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum"
        " where i.indisprimary and i.indrelid = to_regclass(format('%%I.%%I', %s::text, %s::text)) order by k.place",
        [schema, table],
    ).fetchall()
    return [str(row[0]) for row in rows]


def compare(
    connection: Connection,
    mart: sql.Composable,
    rebuilt: sql.Composable,
    columns: list[str],
    key: list[str],
    shown: list[str],
) -> MartComparison:
    """Compare two queries that give ``columns``, row by row, each as often; ``key`` tells which rows are the same one.

    Without a key nothing tells that, and a row that differs is two: one that is only in the mart, one that is not. A
    row is named by its columns ``shown``, else by its key.
    """
    row = connection.execute(
        sql.SQL(
            "select (select count(*) from ({mart}) as m), (select count(*) from ({mart} except all {rebuilt}) as a),"
            " (select count(*) from ({rebuilt} except all {mart}) as b)"
        ).format(mart=mart, rebuilt=rebuilt)
    ).fetchone()
    assert row is not None
    rows, only_in_mart, only_in_rebuild = (int(count) for count in row)
    if not only_in_mart and not only_in_rebuild:
        return MartComparison(rows, 0, 0)
    keys = sql.SQL(", ").join(map(sql.Identifier, key or columns))
    found = connection.execute(
        sql.SQL(_DIFFERENCES).format(mart=mart, rebuilt=rebuilt, keys=keys), {"named": NAMED}
    ).fetchall()
    changed = int(found[0][2]) if found else 0
    examples = tuple(_difference(shown or key or columns, in_mart, in_rebuilt) for in_mart, in_rebuilt, _ in found)
    return MartComparison(rows, only_in_mart, only_in_rebuild, changed, examples)


def _difference(key: list[str], in_mart: str | None, in_rebuilt: str | None) -> Difference:
    mart, rebuilt = (json.loads(text, parse_float=Decimal) if text else None for text in (in_mart, in_rebuilt))
    told = {name: (mart or rebuilt or {})[name] for name in key}
    if mart is None or rebuilt is None:
        return Difference(told, only_in="recomputation" if mart is None else "mart")
    return Difference(told, {name: (mart[name], rebuilt[name]) for name in mart if mart[name] != rebuilt[name]})


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value, default=str)


# Rows of one key are numbered, lest each be compared with each.
_DIFFERENCES: LiteralString = """
with a as ({mart} except all {rebuilt}),
b as ({rebuilt} except all {mart}),
in_mart as (
    select
        a as content,
        row({keys})::text as key,
        row_number() over (partition by row({keys})::text order by a::text) as n
    from a
),
in_rebuilt as (
    select
        b as content,
        row({keys})::text as key,
        row_number() over (partition by row({keys})::text order by b::text) as n
    from b
),
pairs as (
    select
        key, m.content as mart, r.content as rebuilt,
        case when r.key is null then 1 when m.key is null then 2 else 0 end as kind
    from in_mart as m
    full join in_rebuilt as r using (key, n)
),
ranked as (
    select
        *, row_number() over (partition by kind order by key) as place,
        count(*) filter (where kind = 0) over () as changed
    from pairs
)
select
    case when kind <> 2 then to_json(mart)::text end,
    case when kind <> 1 then to_json(rebuilt)::text end,
    changed
from ranked
where place <= %(named)s
order by kind, key
"""
