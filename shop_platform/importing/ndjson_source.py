"""Files with one JSON object a line."""

from __future__ import annotations

import codecs
import itertools
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from shop_platform.errors import ShopError
from shop_platform.events.malformed import why_no_json
from shop_platform.events.twice import has_each_name_once, repeated_name
from shop_platform.importing.charset import check_head
from shop_platform.importing.records import Row, plain_number


class NdjsonSource:
    """A file of JSON objects. Numbers with a fraction keep the digits they have in the file, but no exponent."""

    nested = True
    columns = None

    def __init__(self, path: Path) -> None:
        """Look at the beginning; raise :class:`ShopError` for a JSON array, which is one record as long as the file."""
        self._path = path
        self.size, self.done, self.blank = path.stat().st_size, 0, 0
        self._decode = msgspec.json.Decoder(dict[str, Any], float_hook=plain_number).decode
        with path.open("rb") as file:
            begin = file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()
        check_head(path, "utf-8", in_map=False)
        if begin.startswith(b"["):
            raise ShopError(
                f"{path} is one JSON array, not one object a line",
                f"Turn it into lines: jq -c '.[]' {_quoted(path)} > {_quoted(_free(path))}",
            )
        if begin.partition(b"\n")[0].strip() == b"{":
            raise ShopError(
                f"{path} has JSON over several lines, not one object a line",
                f"Turn it into lines: jq -c . {_quoted(path)} > {_quoted(_free(path))}",
            )

    def rows(self) -> Iterator[Row]:
        """Yield every line; empty ones are none."""
        self.done, self.blank = 0, 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                self.done += len(line)
                text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if not text.strip():
                    continue
                try:
                    data = self._decode(text)
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                    yield Row(number, {}, text, _why(text, error))
                    continue
                yield Row(number, data, text, _told_twice(text))

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write the lines of ``rows``."""
        with target.open("wb") as file:
            for row in rows:
                assert isinstance(row.raw, bytes)
                file.write(row.raw if row.raw.endswith(b"\n") else row.raw + b"\n")


def _free(path: Path) -> Path:
    """Return a name beside ``path`` that no file has, in no spelling: the shell empties what a command writes to."""
    names = itertools.chain(["", ".lines"], (f".lines{number}" for number in itertools.count(2)))
    beside = (path.with_name(f"{path.stem}{name}.ndjson") for name in names)
    return next(each for each in beside if not (each.exists() or each.is_symlink()))


def _quoted(path: Path) -> str:
    """Return a path as a shell and a command take it: one word, and no option."""
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def _why(text: bytes, error: Exception) -> str:
    """Return what is wrong with a line that is no JSON object."""
    if isinstance(error, UnicodeDecodeError) or "utf-8" in str(error).lower():
        return "is not written in UTF-8"
    if isinstance(error, msgspec.ValidationError):
        begin = text.strip()[:1]
        what = _OTHERS.get(begin, "a number" if begin in b"-0123456789" else "another value")
        return f"is {what}, not an object: {{...}}"
    return f"is {why_no_json(text.strip(), str(error))}"


def _told_twice(text: bytes) -> str | None:
    """Say which name stands twice in an object of a line: a decoder takes the last, and nobody knows which is right."""
    if has_each_name_once(text):
        return None
    name = repeated_name(text.decode())
    return name and f"has '{name}' twice; tell it once, nobody knows which one holds"


_OTHERS = {b"[": "a list", b'"': "a text", b"t": "true", b"f": "false", b"n": "null"}
