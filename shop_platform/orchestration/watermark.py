"""Whether raw rows (or retractions of some) are committed that the marts have not been built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect


@dataclass(frozen=True)
class Watermark:
    """``newest``: the newest transaction that is safe to read and wrote a raw row; ``ceiling``: every mart contains
    everything below it. Both are 64-bit transaction ids. ``oldest_build_seconds``: how long ago the mart was built that
    has waited longest. The latter two are ``None`` when some mart was never built. ``corrected``: the newest
    transaction in which a person took events back or landed some again, if that ever happened.
    """

    newest: int | None
    ceiling: int | None
    oldest_build_seconds: float | None = None
    corrected: int | None = None

    @property
    def wrong(self) -> bool:
        """Whether some mart tells of events that were taken back, or not of some that landed again."""
        return self.corrected is not None and (self.ceiling is None or self.corrected >= self.ceiling)

    @property
    def behind(self) -> bool:
        """Whether a build would read new rows."""
        return self.newest is not None and (self.ceiling is None or self.newest >= self.ceiling)


def read_watermark(settings: Settings, marts: Sequence[str]) -> Watermark:
    """Read both sides; ``marts`` are the relations (``schema.table``) that must have been built.

    Cheap on any size of raw: one descending step into each table's index on ``_xid``.
    """
    per_table = sql.SQL(" union all ").join(
        sql.SQL("(select _xid from raw.{}, safe where _xid < safe.below order by _xid desc limit 1)").format(
            sql.Identifier(topic.subject)
        )
        for topic in TOPICS
    )
    # A retraction takes a row away: what it touched has to be built again as if a row had come.
    per_table += sql.SQL(
        " union all (select _xid from ops.retractions, safe where _xid < safe.below order by _xid desc limit 1)"
    )
    query = sql.SQL(
        "with safe as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as below)"
        " select (select _xid::text::bigint from ({}) as newest order by _xid desc limit 1),"
        " (select min(ceiling::text::bigint) from ops.model_watermarks where model = any(%(marts)s)),"
        " (select count(*) from ops.model_watermarks where model = any(%(marts)s)),"
        " (select extract(epoch from clock_timestamp() - min(built_at))::bigint from ops.model_watermarks"
        " where model = any(%(marts)s)),"
        " (select max(x::text::bigint) from ("
        " (select _xid from ops.retractions, safe where _xid < safe.below order by _xid desc limit 1) union all"
        " (select restored_xid from ops.retractions, safe where restored_xid < safe.below"
        " order by restored_xid desc limit 1)) as corrections (x))"
    ).format(per_table)
    with connect(settings, Role.ORCHESTRATOR) as connection:
        row = connection.execute(query, {"marts": list(marts)}).fetchone()
    assert row is not None
    newest, ceiling, built, age, corrected = (None if value is None else int(str(value)) for value in row)
    if built != len(marts):
        ceiling = age = None
    return Watermark(newest, ceiling, age, corrected)


def last_builds(settings: Settings) -> dict[str, str]:
    """Return which build (dbt's invocation) made each model (``schema.table``) as it is now."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute("select model, invocation_id from ops.model_watermarks").fetchall()
    return {str(model): str(invocation) for model, invocation in rows}
