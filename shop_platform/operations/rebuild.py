"""Invariant I2: every mart = its recomputation from raw."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from shop_platform.errors import ShopError
from shop_platform.operations.dbt import run_dbt
from shop_platform.operations.differences import MartComparison, compare, key_of
from shop_platform.operations.kept import Kept, kept_marts
from shop_platform.operations.mart_keys import readable_keys
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import lock_lost, transform_lock

Connection = psycopg.Connection[Any]

_PREFIX = "verify__"
# How often the marts are built to bring them to one watermark.
_BUILDS = 3
_SCHEMAS = ("staging", "intermediate", "marts")

# Marts that tell what readers saw. Their past stands nowhere else, so it cannot be recomputed; their last word can.
LOGS = ("kpi_daily_versions",)


@dataclass(frozen=True)
class RebuildComparison:
    """Every mart compared at one watermark."""

    ceiling: str
    marts: dict[str, MartComparison] = field(default_factory=dict)
    kept: dict[str, dt.date | None] = field(default_factory=dict)
    """Marts whose raw rows retention has shortened: the first day that was compared; ``None``: only kept."""

    @property
    def holds(self) -> bool:
        """Whether the invariant holds; without a single mart nothing was proven."""
        return bool(self.marts) and all(mart.equal for mart in self.marts.values())

    def as_dict(self) -> dict[str, Any]:
        """Return verdict, and per mart counts and rows that differ."""
        return {
            "holds": self.holds,
            "ceiling": self.ceiling,
            "rows": sum(mart.rows for mart in self.marts.values()),
            "marts": {name: mart.as_dict() for name, mart in self.marts.items()},
            "kept": {name: day and day.isoformat() for name, day in self.kept.items()},
        }


def rebuild_and_compare(
    settings: Settings, *, wait_seconds: float = 600, say: Callable[[str], None] = lambda _: None
) -> RebuildComparison:
    """Recompute every mart from raw in schemas of its own, at the marts' own watermark, and compare row by row.

    Live ingestion may go on meanwhile; transformations wait. Marts that stand at different watermarks (a partial run
    was the last), or from which events were retracted since, are first brought to one by an ordinary incremental run.
    Columns whose names start with ``_`` are bookkeeping and not compared.

    A log (:data:`LOGS`) is carried over to the recomputation, which adds a row to it when it publishes another figure
    than the marts did. So the log is compared like every mart, and what is made from it too.
    """
    with transform_lock(settings, wait_seconds=wait_seconds) as lock:
        ceiling = _common_ceiling(settings)
        for attempt in range(_BUILDS):
            if ceiling is not None:
                break
            say("marts stand at different watermarks, or events were retracted since: bringing them to one")
            # A transaction that is older than a retraction may keep a build from reading it: it will have ended.
            time.sleep(attempt)
            run_dbt(settings, ["run"])
            ceiling = _common_ceiling(settings)
        if ceiling is None:
            raise ShopError("The marts have no common watermark even after a full run", "See ops.model_watermarks.")
        target = settings.data_dir / "dbt_target_verify"
        _drop(settings)
        try:
            with connect(settings, Role.TRANSFORM) as connection:
                carry_logs(connection)
            say("recomputing every mart from raw")
            run_dbt(
                settings,
                ["run", "--full-refresh"],
                variables={"ceiling": ceiling, "accept_lost_history": "true"},
                schema_prefix=_PREFIX,
                target_path=target,
            )
            say("comparing")
            with connect(settings, Role.TRANSFORM) as connection:
                kept = kept_marts(connection, target / "manifest.json")
                names = [name for name in _tables(connection) if name not in kept or kept[name] is not None]
                shown = readable_keys(target / "manifest.json")
                compared = {name: _compare(connection, name, kept.get(name), shown.get(name, [])) for name in names}
                first_days = {name: mart.first_day if mart else None for name, mart in kept.items()}
                if lock.lost:
                    raise lock_lost()
                return RebuildComparison(ceiling, compared, first_days)
        finally:
            _drop(settings)


def carry_logs(connection: Connection) -> None:
    """Copy the logs that there are into the recomputation's schema, in place of what is there."""
    schema = sql.Identifier(f"{_PREFIX}marts")
    connection.execute(sql.SQL("create schema if not exists {}").format(schema))
    for name in LOGS:
        copy = sql.Identifier(f"{_PREFIX}marts", name)
        connection.execute(sql.SQL("drop table if exists {}").format(copy))
        if name in _tables(connection):
            mart = sql.Identifier("marts", name)
            connection.execute(sql.SQL("create table {} as table {}").format(copy, mart))


def _common_ceiling(settings: Settings) -> str | None:
    with connect(settings, Role.TRANSFORM) as connection:
        tables = _tables(connection)
        rows = connection.execute(
            "select ceiling::text, count(*) from ops.model_watermarks as m where model = any(%s)"
            # What was retracted since is out of raw already: the marts must be built without it first.
            " and not exists (select from ops.retractions as r where r._xid >= m.ceiling) group by ceiling",
            [[f"marts.{name}" for name in tables]],
        ).fetchall()
    if not tables:
        raise ShopError("There are no marts yet", "Materialize the graph first (`shop demo`, or the job 'transform').")
    return str(rows[0][0]) if len(rows) == 1 and rows[0][1] == len(tables) else None


def _tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
    ).fetchall()
    return [str(row[0]) for row in rows]


def _compare(connection: Connection, name: str, since: Kept | None, shown: list[str]) -> MartComparison:
    columns = [
        str(row[0])
        for row in connection.execute(
            "select column_name from information_schema.columns where table_schema = 'marts' and table_name = %s"
            " and column_name not like '\\_%%' order by ordinal_position",
            [name],
        )
    ]
    select = sql.SQL("select {} from {} where {}")
    listed = sql.SQL(", ").join(map(sql.Identifier, columns))
    days: sql.Composable = sql.SQL("true")
    if since:
        days = sql.SQL("{} >= {}").format(sql.Identifier(since.day_column), sql.Literal(since.first_day))
    recomputed = f"{_PREFIX}marts"
    return compare(
        connection,
        select.format(listed, sql.Identifier("marts", name), days),
        select.format(listed, sql.Identifier(recomputed, name), days),
        columns,
        # Of the recomputed one: a mart that was edited by hand may have lost it.
        key_of(connection, recomputed, name),
        [each for each in shown if each in columns],
    )


def _drop(settings: Settings) -> None:
    with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
        for schema in _SCHEMAS:
            connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(f"{_PREFIX}{schema}")))
        connection.execute("delete from ops.model_watermarks where model like %s", [f"{_PREFIX}%"])
