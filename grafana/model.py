"""What a board is made of: queries, panels, sections and variables, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Format = Literal["table", "time_series"]

DATASOURCE: Json = {"type": "grafana-postgresql-datasource", "uid": "warehouse"}


@dataclass(frozen=True)
class Query:
    """One SQL query; a ``time_series`` one returns a ``time`` column first, ascending, then labels and numbers."""

    sql: str
    format: Format = "table"


@dataclass(frozen=True)
class Panel:
    """One panel; ``width`` is in 24ths of the board, ``unit`` a Grafana unit id."""

    kind: str
    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    width: int
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    min_interval: str | None = None


@dataclass(frozen=True)
class Section:
    """A titled part of a board: lines of panels, each line as high as ``heights`` says (grid units)."""

    title: str
    lines: tuple[tuple[Panel, ...], ...]
    heights: tuple[int, ...]


@dataclass(frozen=True)
class Variable:
    """A choice at the head of a board: its values come from ``sql``, or are the given ``values``."""

    name: str
    label: str
    description: str
    sql: str | None = None
    values: tuple[str, ...] = ()
    multi: bool = False


@dataclass(frozen=True)
class Annotation:
    """Marks on every time axis of a board; the query returns ``time`` and ``text``."""

    name: str
    sql: str
    color: str


@dataclass(frozen=True)
class Board:
    """A whole dashboard."""

    uid: str
    title: str
    description: str
    sections: tuple[Section, ...]
    time_from: str
    refresh: str
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
