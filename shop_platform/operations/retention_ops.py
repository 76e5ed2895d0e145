"""How long the platform remembers its own work: the tables of ``ops`` that only grow."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from shop_platform.operations.retention_record import Connection, Removal, record


@dataclass(frozen=True)
class Rule:
    """Rows of ``ops.<table>`` go when ``age`` (a column) is ``days`` old and ``unless`` does not hold."""

    table: str
    age: LiteralString
    days: int
    unless: LiteralString = "false"

    @property
    def relation(self) -> str:
        """Schema and table."""
        return f"ops.{self.table}"


# Not here, because something is computed from all their rows or somebody answers for them: ingest_batches and
# ingest_hours (I1 and data_quality_scorecard), dead_letters (I1), dead_letter_actions, ingest_halts and retention_runs
# (who decided what). changed_days forgets by itself; offsets, lag and watermarks hold one row per thing.
RULES = (
    # One per dbt run, and a refresher runs every other second. The run that built a model stays.
    Rule(
        "transform_runs",
        "started_at",
        14,
        "exists (select from ops.model_watermarks as m where m.invocation_id = t.invocation_id)",
    ),
    # Some hundred per full run. The newest result of each check stays: alerts ask for it.
    Rule(
        "check_results",
        "checked_at",
        100,
        "not exists (select from ops.check_results as n where n.asset = t.asset and n.check_name = t.check_name"
        " and n.check_result_id > t.check_result_id)",
    ),
    # A year and a month, to compare with the month a year ago.
    Rule("pipeline_runs", "updated_at", 400),
    Rule(
        "reconciliations",
        "checked_at",
        400,
        "not exists (select from ops.reconciliations as n where n.reconciliation_id > t.reconciliation_id)",
    ),
    # Processes that ended without a word.
    Rule("ingest_services", "heartbeat_at", 30),
    Rule("refreshers", "heartbeat_at", 30),
    # One per hot mart and half minute.
    Rule("asset_materializations", "materialized_at", 30),
    Rule("alerts", "opened_at", 400, "t.resolved_at is null"),
    Rule("asset_failures", "failed_at", 400),
    # Asked for the last five minutes.
    Rule("service_events", "at", 30),
)


def shorten_ops(connection: Connection, rule: Rule, *, now: dt.datetime, actor: str) -> Removal:
    """Remove what ``rule`` says, and record it if there was anything."""
    older_than = now - dt.timedelta(days=rule.days)
    rows = connection.execute(
        sql.SQL("delete from {table} as t where t.{age} < %s and not ({unless})").format(
            table=sql.Identifier("ops", rule.table), age=sql.SQL(rule.age), unless=sql.SQL(rule.unless)
        ),
        [older_than],
    ).rowcount
    removal = Removal(rule.relation, older_than, rows, f"kept for {rule.days} days")
    if rows:
        record(connection, removal, actor)
    return removal
