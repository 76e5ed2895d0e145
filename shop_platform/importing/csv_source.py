"""CSV files, record by record with their line numbers and their text."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.importing.document import Document
from shop_platform.importing.records import Row
from shop_platform.importing.spec import CsvSpec

# A larger field could not travel in an event anyway; mostly it is a quote that was never closed.
_LARGEST_FIELD = 1_000_000


class CsvSource:
    """A CSV file with a header. Lines end as they like, quotes are doubled inside quotes (RFC 4180)."""

    nested = False
    columns: list[str]

    def __init__(self, path: Path, spec: CsvSpec, document: Document) -> None:
        """Read the header. Raises :class:`ShopError` for a wrong encoding, delimiter or header."""
        self._path = path
        self._delimiter = {"tab": "\t"}.get(spec.delimiter, spec.delimiter)
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            raise document.mistake(".csv.delimiter", f"'{spec.delimiter}' is no delimiter", 'Write "," or ";" or tab.')
        try:
            name = codecs.lookup(spec.encoding).name
        except LookupError:
            raise document.mistake(
                ".csv.encoding", f"there is no encoding '{spec.encoding}'", "For example utf-8, cp1252, iso-8859-15."
            ) from None
        self._encoding = "utf-8-sig" if name == "utf-8" else name
        self._header = ""
        self.size, self.done = path.stat().st_size, 0
        csv.field_size_limit(_LARGEST_FIELD)
        header = next(self._records(), None)
        if header is None or header[2]:
            raise ShopError(f"{path} has no header: {header[2] if header else 'it is empty'}", "A header is needed.")
        _, self.columns, _, self._header = header
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise ShopError(f"{path} has two columns '{twice[0]}'", "Rename one of them in the header.")

    def rows(self) -> Iterator[Row]:
        """Yield every record after the header; empty lines are none."""
        records = self._records()
        next(records)
        for number, fields, problem, raw in records:
            if not fields and not problem:
                continue
            differs = f"has {len(fields)} fields, the header has {len(self.columns)}"
            reason = problem or (differs if len(fields) != len(self.columns) else None)
            yield Row(number, dict(zip(self.columns, fields, strict=False)), raw, reason)

    def _records(self) -> Iterator[tuple[int, list[str], str, str]]:
        """Yield (first line, fields, problem, text)."""
        read: list[str] = []
        with self._path.open("rb") as binary, io.TextIOWrapper(binary, self._encoding, newline="") as text:
            records = csv.reader(self._lines(text, read), delimiter=self._delimiter, strict=True)
            first = 1
            while True:
                fields, problem = list[str](), ""
                try:
                    fields = next(records)
                except StopIteration:
                    return
                except csv.Error as error:
                    problem = f"is no CSV: {error}"
                except UnicodeDecodeError as error:
                    raise self._undecodable(error) from None
                self.done = binary.tell()
                yield first, fields, problem, "".join(read)
                first += len(read)
                read.clear()

    @staticmethod
    def _lines(text: Iterable[str], read: list[str]) -> Iterator[str]:
        for line in text:
            read.append(line)
            yield line

    def _undecodable(self, error: UnicodeDecodeError) -> ShopError:
        where = ""
        with self._path.open("rb") as binary:
            for number, line in enumerate(binary, 1):
                try:
                    line.decode(self._encoding)
                except UnicodeDecodeError as inner:
                    where = f", line {number}, byte {inner.start + 1} of it"
                    error = inner
                    break
        byte = f"0x{error.object[error.start]:02x}" if error.start < len(error.object) else "the end"
        return ShopError(
            f"{self._path}{where}: {byte} is not {self._encoding.removesuffix('-sig')}",
            "Say how the file is written with `csv: {encoding: cp1252}` in the map, or export it as UTF-8.",
        )

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write the header and the text of ``rows``."""
        with target.open("w", encoding=self._encoding, newline="") as file:
            for raw in (self._header, *(str(row.raw) for row in rows)):
                file.write(raw if raw.endswith(("\n", "\r")) else raw + "\n")
