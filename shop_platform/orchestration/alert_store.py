"""``ops.alerts``: open and close incidents, and hand out what still has to be told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from shop_platform.orchestration.incidents import Incident
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# An attempt whose process died is made again after this time; the wait doubles up to the second number.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 30, 900

_OPEN = """
insert into ops.alerts (incident, severity, title, detail, assets, run_id, runbook)
values (%s, %s, %s, %s, %s, %s, %s)
on conflict (incident) where resolved_at is null do update
set severity = excluded.severity, title = excluded.title, detail = excluded.detail, assets = excluded.assets,
    run_id = excluded.run_id, runbook = excluded.runbook
where (alerts.title, alerts.detail, alerts.assets, alerts.run_id)
    is distinct from (excluded.title, excluded.detail, excluded.assets, excluded.run_id)
"""
# An incident that came and went before anybody could be told is told once, as ended.
_CLAIM = """
update ops.alerts
set attempts = attempts + 1,
    next_attempt_at = clock_timestamp() + make_interval(secs => least(%(first)s * 2 ^ attempts, %(longest)s))
where alert_id in (
    select alert_id from ops.alerts
    where next_attempt_at <= clock_timestamp() and (
        (resolved_at is null and told_at is null)
        or (resolved_at is not null and end_told_at is null and attempts > 0)
    )
    order by alert_id limit %(limit)s
    for update skip locked
)
returning alert_id, incident, severity, title, detail, assets, run_id, runbook, opened_at, resolved_at
"""
_TOLD = """
update ops.alerts
set told_at = coalesce(told_at, clock_timestamp()),
    end_told_at = case when %(ended)s then clock_timestamp() else end_told_at end,
    attempts = 1, next_attempt_at = clock_timestamp(), last_error = null
where alert_id = %(alert)s
"""


@dataclass(frozen=True)
class Alert:
    """One row of ``ops.alerts`` that has to be told."""

    alert_id: int
    incident: str
    severity: str
    title: str
    detail: str
    assets: list[str]
    run_id: str | None
    runbook: str
    opened_at: dt.datetime
    resolved_at: dt.datetime | None


def keep_in_step(connection: psycopg.Connection[tuple[object, ...]], incidents: Sequence[Incident]) -> None:
    """Open what is new, bring up to date what is known, close what is no longer there."""
    with connection.cursor() as cursor:
        cursor.executemany(
            _OPEN, [[i.key, i.severity, i.title, i.detail, list(i.assets), i.run_id, i.runbook] for i in incidents]
        )
    connection.execute(
        "update ops.alerts set resolved_at = clock_timestamp(), next_attempt_at = clock_timestamp()"
        " where resolved_at is null and incident <> all(%s)",
        [[incident.key for incident in incidents]],
    )


def claim(settings: Settings, limit: int) -> list[Alert]:
    """Return alerts to be told now; each is nobody else's for a while, even if this process dies.

    The claim is committed before anything is sent: a transaction that waits for a webhook would hold up every
    incremental model, whose ceiling is the oldest running transaction.
    """
    with connect(settings, Role.ORCHESTRATOR) as connection, connection.cursor(row_factory=class_row(Alert)) as cursor:
        cursor.execute(_CLAIM, {"first": _FIRST_WAIT_SECONDS, "longest": _LONGEST_WAIT_SECONDS, "limit": limit})
        return sorted(cursor.fetchall(), key=lambda alert: alert.alert_id)


def told(settings: Settings, alert: Alert) -> None:
    """Remember that the webhook took the news."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.execute(_TOLD, {"alert": alert.alert_id, "ended": alert.resolved_at is not None})


def not_told(settings: Settings, alert: Alert, error: str) -> None:
    """Remember why it did not; it is tried again later."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        connection.execute("update ops.alerts set last_error = %s where alert_id = %s", [error, alert.alert_id])
