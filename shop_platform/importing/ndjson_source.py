"""Files with one JSON object a line."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from shop_platform.errors import ShopError
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
                f"Turn it into lines: jq -c '.[]' {path.name} > {path.stem}.ndjson",
            )

        if begin.partition(b"\n")[0].strip() == b"{":
            raise ShopError(
                f"{path} has JSON over several lines, not one object a line",
                f"Turn it into lines: jq -c . {path.name} > {path.stem}.ndjson",
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
                    yield Row(number, self._decode(text), text)
                except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                    yield Row(number, {}, text, f"is no JSON object: {error}")

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write the lines of ``rows``."""
        with target.open("wb") as file:
            for row in rows:
                assert isinstance(row.raw, bytes)
                file.write(row.raw if row.raw.endswith(b"\n") else row.raw + b"\n")
