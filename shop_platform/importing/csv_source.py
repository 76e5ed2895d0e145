"""CSV files, record by record with their line numbers and their text."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.importing.charset import check_head, undecodable
from shop_platform.importing.document import Document
from shop_platform.importing.records import Row
from shop_platform.importing.spec import CsvSpec

# A larger field could not travel in an event anyway; mostly it is a quote that was never closed.
_LARGEST_FIELD = 1_000_000


# What Excel writes to keep a text from being read as a number: ="00123", or '00123.
_AS_TEXT = re.compile(r'="([^"]*)"|\'([+=0-9(-][0-9 ()+./-]*)')


class CsvSource:
    """A CSV file with a header. Lines end as they like, quotes are doubled inside quotes (RFC 4180).

    Of the header's names blanks at the ends do not count; columns without a name are not read, and rows that hold
    nothing are none (``blank`` counts them).
    """

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
            "".encode(name)  # some codecs, as base64, are no encodings of text
        except (LookupError, UnicodeError):
            raise document.mistake(
                ".csv.encoding", f"there is no encoding '{spec.encoding}'", "For example utf-8, cp1252, iso-8859-15."
            ) from None
        check_head(path, name)
        self._encoding = "utf-8-sig" if name == "utf-8" else name
        self._header = ""
        self.size, self.done, self.blank = path.stat().st_size, 0, 0
        csv.field_size_limit(_LARGEST_FIELD)
        header = next((found for found in self._records() if self._may_be_header(found)), None)
        if header is None or header[2]:
            raise ShopError(f"{path} has no header: {header[2] if header else 'it is empty'}", "A header is needed.")
        self._header_line, names, _, self._header = header
        self._names = [name.strip("\ufeff \t\u00a0") for name in names]
        self.columns = [name for name in self._names if name]

    def _may_be_header(self, record: tuple[int, list[str], str, str]) -> bool:
        """Tell whether a record is neither empty nor Excel's note of the delimiter (``sep=;``)."""
        _, fields, problem, raw = record
        note = re.fullmatch(r"\ufeff?sep=(.)[\r\n]*", raw)
        if note and note[1] != self._delimiter:
            named = "tab" if note[1] == "\t" else f'"{note[1]}"'
            raise ShopError(
                f"{self._path} says that '{note[1]}' stands between its fields",
                f"Say so in the map: `csv: {{delimiter: {named}}}`.",
            )
        return bool(problem) or (not note and any(map(str.strip, fields)))

    def rename(self, other: str, name: str) -> None:
        """Let the column ``other`` be called ``name``."""
        self._names[self._names.index(other)] = name
        self.columns = [name for name in self._names if name]

    def rows(self) -> Iterator[Row]:
        """Yield every record after the header; empty lines are none."""
        self.blank = 0
        width = len(self._names)
        for number, fields, problem, raw in self._records():
            if number <= self._header_line or (not fields and not problem):
                continue
            if not problem and not any(map(str.strip, fields)):
                self.blank += 1
                continue
            if len(fields) > width and not any(map(str.strip, fields[width:])):
                fields = fields[:width]  # noqa: PLW2901
            differs = f"has {len(fields)} fields, the header has {width}"
            reason = problem or (differs if len(fields) != width else None)
            if '="' in raw or "'" in raw:
                fields = [_plain(text) for text in fields]  # noqa: PLW2901
            data = {name: text for name, text in zip(self._names, fields, strict=False) if name}
            yield Row(number, data, raw, reason)

    def _records(self) -> Iterator[tuple[int, list[str], str, str]]:
        """Yield (first line, fields, problem, text)."""
        read: list[str] = []
        with self._path.open("rb") as binary, io.TextIOWrapper(binary, self._encoding, newline="") as text:
            lines = _Lines(text, read)
            records = csv.reader(lines, delimiter=self._delimiter, strict=True)
            first = 1
            while True:
                fields, problem = list[str](), ""
                try:
                    fields = next(records)
                except StopIteration:
                    return
                except csv.Error as error:
                    problem = _why(str(error))
                    if len(read) > 1:
                        # A quote that is not closed takes the rows below it along: read these again, from the next on.
                        problem = _QUOTE_LEFT_OPEN
                        lines.put_back(read[1:])
                        del read[1:]
                    records = csv.reader(lines, delimiter=self._delimiter, strict=True)
                except UnicodeDecodeError as error:
                    raise undecodable(self._path, self._encoding, error) from None
                self.done = binary.tell()
                yield first, fields, problem, "".join(read)
                first += len(read)
                read.clear()

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write the header and the text of ``rows``."""
        with target.open("w", encoding=self._encoding, newline="") as file:
            for raw in (self._header, *(str(row.raw) for row in rows)):
                file.write(raw if raw.endswith(("\n", "\r")) else raw + "\n")


_QUOTE_LEFT_OPEN = "has a quotation mark that is not closed, or one too many"


def _why(said: str) -> str:
    """Return what is wrong with a record of which the csv module ``said`` something."""
    if "expected after" in said:
        return 'has something behind a closing quotation mark; one within a field is written twice ("")'
    if "unexpected end" in said:
        return _QUOTE_LEFT_OPEN
    if "field limit" in said:
        return f"has a field of more than {_LARGEST_FIELD:,} characters; is a quotation mark not closed?"
    if "NUL" in said:
        return "holds a NUL character; is the file written in UTF-16?"
    return "is no line of a CSV file"


class _Lines:
    """The lines of a file, each noted in ``read``; lines that were put back come again first."""

    def __init__(self, text: Iterable[str], read: list[str]) -> None:
        self._text, self._read, self._again = iter(text), read, deque[str]()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._read.append(line)
        return line

    def put_back(self, lines: list[str]) -> None:
        """Let ``lines`` be read again."""
        self._again.extendleft(reversed(lines))


def _plain(text: str) -> str:
    found = _AS_TEXT.fullmatch(text.strip())
    return text if found is None else found[1] if found[1] is not None else found[2]
