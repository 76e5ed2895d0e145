"""Columns of numbers: growing tables, events waiting for their time, and their flat form for a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Table = dict[str, Column]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MERGE_AFTER = 48
_SPARE = 1.5


def rows(table: Table, selection: Column) -> Table:
    """Return the selected rows (mask or indices) of every column."""
    return {name: column[selection] for name, column in table.items()}


def concat(tables: list[Table]) -> Table:
    """Return the tables below one another."""
    if len(tables) == 1:
        return tables[0]
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def ranks(groups: Column) -> Ints:
    """Return each element's position (0, 1, ...) within its run of equal neighbours."""
    n = len(groups)
    if n == 0:
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[starts, n])
    return np.arange(n, dtype=np.int64) - np.repeat(starts, lengths)


class Growing:
    """A table that rows are appended to, at amortised constant cost. ``self[name]`` is the column so far."""

    def __init__(self, table: Table) -> None:
        self._columns = dict(table)
        self.length = len(next(iter(table.values())))

    def __getitem__(self, name: str) -> Column:
        return self._columns[name][: self.length]

    def append(self, table: Table) -> Ints:
        """Append the rows and return their indices."""
        added = len(next(iter(table.values())))
        end = self.length + added
        for name, column in list(self._columns.items()):
            if end > len(column):
                grown = np.empty(int(end * _SPARE) + 64, column.dtype)
                grown[: self.length] = column[: self.length]
                self._columns[name] = grown
            self._columns[name][self.length : end] = table[name]
        indices = np.arange(self.length, end, dtype=np.int64)
        self.length = end
        return indices

    def table(self) -> Table:
        """Return the columns as they are now."""
        return {name: self[name] for name in self._columns}


class Pending:
    """Events that are decided but have not happened: per kind, pieces sorted by ``time``."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Table]] = {}

    def push(self, kind: str, table: Table) -> None:
        """Keep the events until their time has come. Column ``time``: epoch milliseconds."""
        if not len(table["time"]):
            return
        pieces = self._pieces.setdefault(kind, [])
        pieces.append(rows(table, np.argsort(table["time"], kind="stable")))
        if len(pieces) > _MERGE_AFTER:
            merged = concat(pieces)
            self._pieces[kind] = [rows(merged, np.argsort(merged["time"], kind="stable"))]

    def pop(self, kind: str, end: int) -> Table | None:
        """Take the events before ``end`` out and return them, or None."""
        due, rest = [], []
        for piece in self._pieces.get(kind, ()):
            cut = int(np.searchsorted(piece["time"], end))
            if cut:
                due.append({name: column[:cut] for name, column in piece.items()})
            if cut < len(piece["time"]):
                rest.append({name: column[cut:] for name, column in piece.items()} if cut else piece)
        if not due:
            return None
        self._pieces[kind] = rest
        return concat(due)

    def peek(self, kind: str, end: int) -> Table | None:
        """Return the events before ``end`` without taking them out, or None."""
        due = []
        for piece in self._pieces.get(kind, ()):
            cut = int(np.searchsorted(piece["time"], end))
            if cut:
                due.append({name: column[:cut] for name, column in piece.items()})
        return concat(due) if due else None

    def __len__(self) -> int:
        return sum(len(piece["time"]) for pieces in self._pieces.values() for piece in pieces)

    def tables(self) -> dict[str, Table]:
        """Return what is pending, one table a kind."""
        return {kind: concat(pieces) for kind, pieces in self._pieces.items() if pieces}


def flatten(tables: dict[str, Table]) -> Table:
    """Return ``{"<table>/<column>": column}``."""
    return {f"{kind}/{name}": column for kind, table in tables.items() for name, column in table.items()}


def unflatten(flat: Table) -> dict[str, Table]:
    """Return what :func:`flatten` was given."""
    tables: dict[str, Table] = {}
    for key, column in flat.items():
        kind, name = key.split("/")
        tables.setdefault(kind, {})[name] = column
    return tables
