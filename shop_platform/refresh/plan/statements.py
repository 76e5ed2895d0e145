"""What a plan is: for each node of the dbt project the statements that dbt executes, with places for what differs."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from shop_platform.errors import ShopError


class PlanError(ShopError):
    """The plan does not fit the warehouse: dbt would decide anew, so dbt has to build."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "Build with dbt, and record the plan again.", exit_code=1)


class Way(StrEnum):
    """How dbt builds a node: it depends on whether its relation stands, and on ``--full-refresh``."""

    FIRST = "first"
    AGAIN = "again"
    REFRESH = "refresh"
    """An incremental model that stands and is built from nothing."""
    DAYS = "days"
    """An incremental model that stands, with some business days built again beside what is new."""


class Statement(msgspec.Struct, frozen=True):
    """One statement; ``answer`` holds the rows on which dbt made the next statements depend (``None``: none)."""

    sql: str
    answer: tuple[tuple[str, ...], ...] | None = None

    @property
    def asks_for_comments(self) -> bool:
        """Whether it asks which comments stand: dbt writes those that are missing or differ."""
        return "pg_catalog.pg_description" in self.sql


def answered(sql: str, rows: Iterable[Iterable[object]]) -> Statement:
    """Return the statement with the rows that answered it; those that nothing orders are sorted."""
    answer = [tuple(str(value) for value in row) for row in rows]
    return Statement(sql, tuple(answer if "order by" in sql else sorted(answer)))


class Model(msgspec.Struct, frozen=True):
    """A model: its relation, the models it reads, and its statements by way. ``kind`` is ``table`` or ``view``."""

    name: str
    schema: str
    relation: str
    kind: str
    columns: tuple[str, ...]
    incremental: bool
    refreshable: bool
    parents: tuple[str, ...]
    ways: dict[Way, tuple[Statement, ...]]

    def way(self, stands: bool, full_refresh: bool, days: bool = False) -> Way:
        """Return how dbt would build it now."""
        if self.kind == "view" or not stands:
            return Way.FIRST
        if self.incremental and full_refresh and self.refreshable:
            return Way.REFRESH
        return Way.DAYS if self.incremental and days else Way.AGAIN

    @property
    def comments(self) -> tuple[str, ...]:
        """The statements that write every comment of the relation."""
        return tuple(each.sql for each in self.ways[Way.FIRST] if each.sql.startswith("comment on "))


class DataTest(msgspec.Struct, frozen=True):
    """A data test of ``parents``; the last statement returns one row: failures, whether to warn, whether to fail.

    ``keeps`` is the table in which it leaves the rows it objects to, if it does.
    """

    name: str
    parents: tuple[str, ...]
    statements: tuple[str, ...]
    keeps: str | None
    severity: str


class Plan(msgspec.Struct, frozen=True):
    """The project against any warehouse of the same shape; ``models`` stand in dependency order."""

    fingerprint: str
    begin: tuple[Statement, ...]
    models: tuple[Model, ...]
    tests: tuple[DataTest, ...] = ()


COMMIT = "COMMIT"
"""Where dbt commits among the statements of a node."""

# Places in the text of a statement. None of these words can come from a model.
PREFIX = "zzplan__"
"""Before every schema name: recorded under this prefix, built under any."""
INVOCATION = "{{invocation}}"
CEILING = "{{ceiling}}"
INDEX = "{{index:%s}}"
FIRST_DAY, LAST_DAY = "{{first_day}}", "{{last_day}}"
RECORDED_DAYS = ("1000-01-01", "1000-01-02")
"""Business days of which no shop has an event, and which stand in no model."""
RECORDED_CEILING = "3"
"""The first transaction a server ever has: below it there are no rows, so recording reads none."""

_TRANSIENT = re.compile(r"(__dbt_tmp)\d+")
_INDEX_NAME = re.compile(r"(index if not exists\s+)\"([0-9a-f]{32})\"")
_INDEX_PLACE = re.compile(r"\{\{index:\d+\}\}")
_COMMENT = re.compile(r"\A/\* \{\"app\": \"dbt\".*?\} \*/\s*", re.DOTALL)
_ANY_CEILING = "pg_snapshot_xmin(pg_current_snapshot())"


class Template:
    """Turns what dbt executed into text with places; one per node, so that its indexes are numbered."""

    def __init__(self, database: str, invocation: str) -> None:
        self._database = f'"{database}".'
        self._invocation = invocation
        self._indexes = 0

    def of(self, sql: str) -> str:
        """Return ``sql`` without dbt's comment and with places for database, invocation and names dbt draws."""
        text = _COMMENT.sub("", sql).strip().replace(self._database, "").replace(self._invocation, INVOCATION)
        return _INDEX_NAME.sub(self._index, _TRANSIENT.sub(r"\1", text))

    def _index(self, found: re.Match[str]) -> str:
        # A standing table keeps its index until it is dropped: the same name would create nothing for its successor.
        self._indexes += 1
        return f'{found[1]}"{INDEX % self._indexes}"'


Days = tuple[dt.date, dt.date]
"""The first and the last business day that are built again."""


def filled(sql: str, *, prefix: str, invocation: str, ceiling: str | None = None, days: Days | None = None) -> str:
    """Return the statement of one run."""
    text = sql.replace(PREFIX, prefix).replace(INVOCATION, invocation)
    if days is not None:
        text = text.replace(FIRST_DAY, days[0].isoformat()).replace(LAST_DAY, days[1].isoformat())
    if CEILING in text:
        text = text.replace(CEILING, _ANY_CEILING if ceiling is None else f"cast('{int(ceiling)}' as xid8)")
    return _INDEX_PLACE.sub(lambda _: uuid.uuid4().hex, text)


def with_places_for_days(statement: Statement) -> Statement:
    """Return a statement of a run that built :data:`RECORDED_DAYS` again with places for the days."""
    first, last = RECORDED_DAYS
    return Statement(statement.sql.replace(first, FIRST_DAY).replace(last, LAST_DAY), statement.answer)


def with_ceiling_place(sql: str) -> str:
    """Return the statement that fixes a run's ceiling with a place for it; raise :class:`PlanError` if it has none."""
    recorded = f"cast('{RECORDED_CEILING}' as xid8)"
    if recorded not in sql:
        raise PlanError(f"dbt does not fix the ceiling of a run where it was expected: {sql[:200]}")
    return sql.replace(recorded, CEILING)


def check_ceiling_of_now(placed: str, now: str) -> None:
    """Raise :class:`PlanError` unless ``now``, what dbt executes without a given ceiling, is what a plan executes then.

    ``placed`` is the same statement with a place for the ceiling.
    """
    if (ours := placed.replace(CEILING, _ANY_CEILING)) != now:
        raise PlanError(f"dbt fixes the ceiling of a run by:\n{now[:300]}\nand a plan would by:\n{ours[:300]}")
