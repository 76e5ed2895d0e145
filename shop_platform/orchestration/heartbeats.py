"""The heartbeats that Dagster's daemon leaves in its database."""

from __future__ import annotations

import datetime as dt

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# The daemon writes a heartbeat every 30 s; these are the ones without which nothing starts or is scheduled.
DAEMONS = ("SENSOR", "SCHEDULER", "QUEUED_RUN_COORDINATOR")
_WITHIN_SECONDS = 90


def silent_daemons(settings: Settings, *, since: dt.datetime | None = None) -> list[str]:
    """Return which parts of the daemon that matter have sent no heartbeat for 90 seconds, or none after ``since``.

    Raises :class:`ShopError` or ``psycopg.Error`` when Dagster's database cannot be asked.
    """
    with connect(settings, Role.ORCHESTRATOR, database=settings.dagster_database) as connection:
        rows = connection.execute(
            "select daemon_type from daemon_heartbeats"
            " where timestamp > (now() at time zone 'utc') - make_interval(secs => %s)"
            " and timestamp > coalesce(%s at time zone 'utc', '-infinity')",
            [_WITHIN_SECONDS, since],
        ).fetchall()
    heard = {str(row[0]) for row in rows}
    return [part for part in DAEMONS if part not in heard]
