"""``ops.alerts`` and ``ops.service_states``: what is wrong, since when, and whether somebody was told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import class_row

from shop_platform.monitoring.grouping import Alert, Message, Plan
from shop_platform.monitoring.incident import Incident
from shop_platform.monitoring.services import MONITOR, ServiceState
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]

# A webhook that is away is asked again after this time; the wait doubles up to the second number.
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 15, 900
# A look may take as long as some time-outs of the webhook.
LOOKS_WITHIN_SECONDS = 90
# Further back nothing can belong to what is wrong now.
_LOOK_BACK = dt.timedelta(hours=1)

_ALERTS = """
select alert_id, incident, severity, title, detail, assets, run_id, runbook, cause, beneath, opened_at, resolved_at,
    told_at, end_told_at, attempts, next_attempt_at
from ops.alerts
where resolved_at is null or resolved_at > clock_timestamp() - %s
    or (end_told_at is null and (told_at is not null or attempts > 0))
order by alert_id
"""
# Time and link stay those of the finding; reason and extent are those of now.
_OPEN = """
insert into ops.alerts (incident, severity, title, detail, assets, run_id, runbook, cause, opened_at)
values (%s, %s, %s, %s, %s, %s, %s, %s, coalesce(%s, clock_timestamp()))
on conflict (incident) where resolved_at is null do update
set severity = excluded.severity, title = excluded.title, detail = excluded.detail, assets = excluded.assets
where (alerts.severity, alerts.title, alerts.detail, alerts.assets)
    is distinct from (excluded.severity, excluded.title, excluded.detail, excluded.assets)
"""


def keep_in_step(connection: Connection, incidents: Sequence[Incident], *, unknown: Sequence[str] = ()) -> None:
    """Open what is new, bring up to date what is known, close what is no longer there.

    Incidents whose key is in ``unknown`` stay as they are: nothing could be found out about them.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            _OPEN,
            [[i.key, i.severity, i.title, i.detail, list(i.assets), i.run_id, i.runbook, i.cause, i.since]
             for i in incidents if not i.tentative],
        )  # fmt: skip
    connection.execute(
        "update ops.alerts set resolved_at = clock_timestamp(), next_attempt_at = clock_timestamp()"
        " where resolved_at is null and incident <> all(%s)",
        [[*(incident.key for incident in incidents), *unknown]],
    )


def alerts(connection: Connection) -> list[Alert]:
    """Return what is open, and what ended lately or without a word, the oldest first."""
    with connection.cursor(row_factory=class_row(Alert)) as cursor:
        return cursor.execute(_ALERTS, [_LOOK_BACK]).fetchall()


def attempt(connection: Connection, message: Message) -> None:
    """Write down that a message is about to be sent: if this process dies, it is sent again, and not at once."""
    connection.execute(
        "update ops.alerts set attempts = attempts + 1, next_attempt_at = clock_timestamp()"
        " + make_interval(secs => least(%s * 2 ^ least(attempts, 10), %s)) where alert_id = %s",
        [_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS, message.head.alert_id],
    )


def told(connection: Connection, message: Message) -> None:
    """Write down that the webhook took a message."""
    head, beneath = message.head.alert_id, [alert.alert_id for alert in message.beneath]
    if message.over:
        connection.execute(
            "update ops.alerts set told_at = coalesce(told_at, clock_timestamp()), end_told_at = clock_timestamp(),"
            " last_error = null where alert_id = %s or alert_id = any(%s)",
            [head, beneath],
        )
        return
    connection.execute(
        "update ops.alerts set told_at = clock_timestamp(), attempts = 1, next_attempt_at = clock_timestamp(),"
        " last_error = null, beneath = case when alert_id = %(head)s then null else %(head)s end"
        " where alert_id = %(head)s or alert_id = any(%(beneath)s)",
        {"head": head, "beneath": beneath},
    )


def not_told(connection: Connection, message: Message, error: str) -> None:
    """Write down why the webhook did not take a message; it is sent again later."""
    connection.execute("update ops.alerts set last_error = %s where alert_id = %s", [error, message.head.alert_id])


def settle(connection: Connection, made: Plan) -> None:
    """Write down what needs no message of its own."""
    for alert, head in made.joined:
        connection.execute(
            "update ops.alerts set told_at = clock_timestamp(), beneath = %s where alert_id = %s",
            [head.alert_id, alert.alert_id],
        )
    connection.execute(
        "update ops.alerts set end_told_at = clock_timestamp() where alert_id = any(%s)",
        [[alert.alert_id for alert in made.ended]],
    )
    connection.execute(
        "update ops.alerts set beneath = null, told_at = null, attempts = 0, next_attempt_at = clock_timestamp()"
        " where alert_id = any(%s)",
        [[alert.alert_id for alert in made.freed]],
    )


def told_without_warehouse(connection: Connection, alert: Alert) -> None:
    """Write down an alert that was told while the warehouse was away; its number was chosen then."""
    connection.execute(
        "insert into ops.alerts (alert_id, incident, severity, title, detail, runbook, opened_at, resolved_at, told_at,"
        " end_told_at, attempts) overriding system value values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1)"
        " on conflict do nothing",
        [
            *(alert.alert_id, alert.incident, alert.severity, alert.title, alert.detail, alert.runbook),
            *(alert.opened_at, alert.resolved_at, alert.told_at, alert.end_told_at),
        ],
    )


def seconds_since_look(connection: Connection) -> int | None:
    """Return how long ago a monitor looked; ``None``: none ever did."""
    row = connection.execute(
        "select extract(epoch from clock_timestamp() - looked_at)::int from ops.service_states where service = %s",
        [MONITOR],
    ).fetchone()
    return int(row[0]) if row else None


def looked_lately(settings: Settings) -> bool:
    """Tell whether a monitor looks every few seconds, as it should."""
    with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
        seconds = seconds_since_look(connection)
    return seconds is not None and seconds <= LOOKS_WITHIN_SECONDS


def keep_states(connection: Connection, states: Sequence[ServiceState]) -> None:
    """Write down how each service was seen."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.service_states (service, up, detail) values (%s, %s, %s)"
            " on conflict (service) do update set up = excluded.up, detail = excluded.detail,"
            " since = case when service_states.up = excluded.up then service_states.since else clock_timestamp() end,"
            " looked_at = clock_timestamp()",
            [[state.service, state.up, state.detail] for state in states],
        )
