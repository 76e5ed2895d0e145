"""What the three file formats have in common, and the checks of a file against the columns that a map reads."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shop_platform.errors import ShopError
from shop_platform.importing.document import near
from shop_platform.importing.plan import Plan
from shop_platform.importing.records import Entity, Row, Scope, ValueProblemError, getter, shorten, text_of

if TYPE_CHECKING:
    from shop_platform.importing.csv_source import CsvSource

FORMATS = ("csv", "ndjson", "parquet")
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".parquet": "parquet"}
_DELIMITERS = {",": '","', ";": '";"', "\t": "tab", "|": '"|"'}
_MOST_ROWS_OF_AN_ENTITY = 10_000


class Source(Protocol):
    """A file that is read row by row, as often as needed."""

    nested: bool
    """Whether a value can hold others, so that a path leads into it."""
    size: int
    """How much there is to read, in the unit of ``done``."""
    done: int
    """How much was read."""

    @property
    def columns(self) -> list[str] | None:
        """The column names, None where every record has its own."""

    blank: int
    """How many rows held nothing, as far as it was read; they are none."""

    def rows(self) -> Iterator[Row]:
        """Yield every record from the first on; one that cannot be read has a ``problem``."""

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write ``rows`` of this file to ``target`` as they stand in it, so that they can be mended and imported."""


def format_of(path: Path, given: str | None) -> str:
    """Return the format: what was given, or what the name ends in. Raises :class:`ShopError` when neither tells."""
    found = given or _SUFFIXES.get(path.suffix.lower())
    if found not in FORMATS:
        what = f"'{given}' is no format" if given else f"The name {path.name} does not tell the format"
        raise ShopError(what, f"Say --format {', --format '.join(FORMATS)}.")
    if not path.is_file():
        raise ShopError(f"There is no file {path}", "Give the path of an exported file.")
    return found


def open_source(path: Path, kind: str, plan: Plan) -> Source:
    """Return the file as rows; raise :class:`ShopError` when it cannot be read or lacks a column that the map reads."""
    from shop_platform.importing.csv_source import CsvSource
    from shop_platform.importing.ndjson_source import NdjsonSource
    from shop_platform.importing.parquet_source import ParquetSource

    source: Source
    if kind == "csv":
        source = CsvSource(path, plan.csv, plan.document)
        _name_as_the_map_does(plan, source, path)
    else:
        source = NdjsonSource(path) if kind == "ndjson" else ParquetSource(path)
    if source.columns is not None:
        require_columns(plan, source, path, source.columns)
    return source


def _name_as_the_map_does(plan: Plan, source: CsvSource, path: Path) -> None:
    """Let columns have the names of the map where only capitals differ; raise for one that is there twice."""
    folded = Counter(name.casefold() for name in source.columns)
    for use in plan.uses:
        wanted = use.path.strip()
        if source.columns.count(use.path) > 1:
            raise ShopError(f"{path} has two columns '{use.path}'", "Rename one of them in the header.")
        if use.path in source.columns or folded[wanted.casefold()] != 1:
            continue
        source.rename(next(name for name in source.columns if name.casefold() == wanted.casefold()), use.path)


def column_of(path: str, source: Source) -> str:
    """Return the column, or the first key, that ``path`` begins with."""
    if not source.nested or path in (source.columns or ()):
        return path
    return path.split(".", 1)[0].split("[", 1)[0]


def require_columns(plan: Plan, source: Source, path: Path, known: Collection[str]) -> None:
    """Raise :class:`ShopError` naming a column that the map reads and that is not ``known``, and which are like it."""
    for use in plan.uses:
        name = column_of(use.path, source)
        if use.optional or name in known:
            continue
        guesses = near(name, known)
        hint = (
            f"Did you mean {' or '.join(map(repr, guesses))}?"
            if guesses
            else f"There are: {', '.join(dict.fromkeys(known))}."
        )
        if len(known) == 1:
            only = next(iter(known))
            mark = max(_DELIMITERS, key=only.count)
            named = f": {_DELIMITERS[mark]}" if mark in only else ""
            hint = f"Its only column is '{shorten(only)}': is `csv: {{delimiter{named}}}` right?"
        raise plan.document.mistake(
            use.at, f"{path} has no column '{name}'", f"{hint} A column that may be missing: `optional: true`."
        )


def rows_of(source: Source, plan: Plan, left_out: Callable[[], None] = lambda: None) -> Iterator[Row]:
    """Yield the rows of a file but those that the map leaves out (``left_out`` is told of each).

    A row that cannot be read is never left out, nor is one of which the condition cannot be judged.
    """
    is_none = plan.is_no_row
    for row in source.rows():
        if is_none and not row.problem:
            try:
                if is_none(Scope(Entity(0, [row]), row)):
                    left_out()
                    continue
            except ValueProblemError as error:
                row = dataclasses.replace(row, problem=f"{error.reason} ({error.column}, leave_out_rows)")  # noqa: PLW2901
        yield row


def entities(rows: Iterable[Row], group_by: str | None) -> Iterator[Entity]:
    """Yield the rows that make up each entity: those with the same ``group_by`` that stand next to each other.

    A row that cannot be read and does not show its group belongs to the one before it, which then fails whole.
    """
    if group_by is None:
        for number, row in enumerate(rows):
            yield Entity(number, [row])
        return
    key_of = _key_of(group_by)
    number, group, key = 0, list[Row](), ""
    for row in rows:
        found = key_of(row)
        if not found and not row.problem:
            row = dataclasses.replace(row, problem=f"has nothing in '{group_by}', by which rows are grouped")  # noqa: PLW2901
        if group and (found == key or (not found and row.problem)):
            if len(group) == _MOST_ROWS_OF_AN_ENTITY:
                raise ShopError(
                    f"More than {len(group):,} rows from row {group[0].number} on have '{key}' in '{group_by}'",
                    "Is `group_by` the column that tells one order from the next?",
                )
            group.append(row)
            continue
        if group:
            yield Entity(number, group, key)
            number += 1
        group, key = [row], found
    if group:
        yield Entity(number, group, key)


def _key_of(group_by: str) -> Callable[[Row], str]:
    get = getter(group_by)

    def key_of(row: Row) -> str:
        try:
            return next((text for value in get(row.data) if (text := text_of(value).strip())), "")
        except ValueError:
            return ""

    return key_of
