"""Rows of a file, the entities they make up, and how a value is found in one (pure)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

ROWS = "rows"
_MOST_DIGITS = 30
_SEGMENT = re.compile(r"([^.\[\]]+)(?:\[([^=\]]+)=([^\]]*)\])?(?:\.|$)")


@dataclass(frozen=True, slots=True)
class Row:
    """One record: where it begins (line of a text file, row of a parquet file, from 1), its values, its source text.

    ``problem`` says why it could not be read; then ``data`` holds what could.
    """

    number: int
    data: Mapping[str, Any]
    raw: str | bytes = b""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """The rows that make up one order, customer or product, and the number of the entity in the file, from 0."""

    number: int
    rows: list[Row]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an entity cannot be imported. ``value`` is shortened; ``field`` is where in the event it would have gone."""

    row: int
    reason: str
    column: str = ""
    value: str = ""
    event_type: str = ""
    field: str = ""


class ValueProblemError(Exception):
    """One value that cannot be used."""

    def __init__(self, reason: str, row: int, column: str = "", value: str = "") -> None:
        super().__init__(reason)
        self.reason, self.row, self.column, self.value = reason, row, column, value

    def problem(self, event_type: str = "", where: str = "") -> Problem:
        """Return it as a line of the report."""
        return Problem(self.row, self.reason, self.column, shorten(self.value), event_type, where)


def shorten(value: str, length: int = 60) -> str:
    """Return ``value`` in at most ``length`` characters."""
    return value if len(value) <= length else value[: length - 1] + "…"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@dataclass(slots=True)
class Scope:
    """Where a value is looked up: an entity, one of its items (a row, or an object of a list), what was computed."""

    entity: Entity
    item: Row | None = None
    computed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def row(self) -> int:
        """The row that a report should name."""
        return self.item.number if self.item else self.entity.rows[0].number


def plain_number(text: str) -> str:
    """Return a number without an exponent, digit by digit as it was written: ``1e2`` is ``100``.

    One that is longer than any amount or quantity stays as it is, and is refused where it is used.
    """
    if "e" not in text.lower():
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:  # the exponent itself has too many digits
        return text
    return format(number, "f") if abs(number.adjusted()) < _MOST_DIGITS else text


def text_of(value: Any) -> str:
    """Return a value of any format as text ("" for none). Raises :class:`ValueError` for a list or an object."""
    if isinstance(value, str):
        return value
    # A NaN is how dataframes write nothing.
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, (int, float)):
        return plain_number(repr(value))
    if isinstance(value, dt.date):
        return value.isoformat()
    raise ValueError(f"is {'a list' if isinstance(value, list) else 'an object'}, not one value")


Getter = Callable[[Mapping[str, Any]], list[Any]]


def getter(path: str) -> Getter:
    """Return a function that finds ``path`` in a record: the values found, none if it is not there.

    A path is a column's name, or segments divided by dots: a key, the index of a list, ``*`` for all of a list, or
    ``name[key=k]`` for the object of a list whose ``key`` is k. Raises :class:`ValueError` if it is none of these.
    """
    segments = [(m[1], m[2], m[3]) for m in _SEGMENT.finditer(path)]
    if "".join(m[0] for m in _SEGMENT.finditer(path)) != path or path.endswith("."):
        segments = []

    def get(data: Mapping[str, Any]) -> list[Any]:
        if path in data:
            return [data[path]]
        found: list[Any] = [data] if segments else []
        for name, key, wanted in segments:
            found = [value for each in found for value in _step(each, name)]
            if key:
                found = [x for each in found for x in _step(each, "*") if _is(x, key, wanted)]
        return found

    return get


def _step(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, Mapping):
        if name in value:
            yield value[name]
    elif isinstance(value, list):
        if name == "*":
            yield from value
        elif name.isdigit() and int(name) < len(value):
            yield value[int(name)]


def _is(value: Any, key: str, wanted: str) -> bool:
    return isinstance(value, Mapping) and str(value.get(key)) == wanted


def items_of(path: str) -> Callable[[Entity], list[Row]]:
    """Return a function that lists the items of an entity: its rows, or the objects of the list at ``path``.

    The function raises :class:`ValueProblemError` when there is something else than a list of objects.
    """
    if path == ROWS:
        return lambda entity: entity.rows
    get = getter(path)

    def items(entity: Entity) -> list[Row]:
        found = []
        for row in entity.rows:
            for value in get(row.data):
                if value is None:
                    continue
                if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
                    raise ValueProblemError("is not a list of objects", row.number, path, str(value))
                found += [Row(row.number, item) for item in value]
        return found

    return items
