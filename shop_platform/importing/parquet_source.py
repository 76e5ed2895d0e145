"""Parquet files, a batch of rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from shop_platform.errors import ShopError
from shop_platform.importing.records import Row

_BATCH = 50_000


class ParquetSource:
    """A parquet file; lists of structs are lists of objects."""

    nested = True
    columns: list[str]

    def __init__(self, path: Path) -> None:
        """Read the schema; raise :class:`ShopError` when it is no parquet file."""
        self._path, self._frame = path, pl.scan_parquet(path)
        self.blank = 0
        try:
            self.columns = self._frame.collect_schema().names()
            self.size, self.done = int(self._frame.select(pl.len()).collect().item()), 0
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ShopError(f"{path} cannot be read as parquet: {reason}", "Is --format right?") from None

    def rows(self) -> Iterator[Row]:
        """Yield every row, numbered from 1."""
        self.done, self.blank = 0, 0
        while self.done < self.size:
            batch = self._frame.slice(self.done, _BATCH).collect()
            for number, data in enumerate(batch.iter_rows(named=True), self.done + 1):
                if all(value is None for value in data.values()):
                    self.blank += 1
                    continue
                yield Row(number, data)
            self.done += batch.height

    def write(self, target: Path, rows: Iterable[Row]) -> None:
        """Write ``rows`` with the columns and types that they have here."""
        numbers = pl.Series([row.number - 1 for row in rows], dtype=pl.UInt64)
        chosen = self._frame.with_row_index("__row").filter(pl.col("__row").cast(pl.UInt64).is_in(numbers.implode()))
        chosen.drop("__row").collect().write_parquet(target)
