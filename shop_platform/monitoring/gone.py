"""Incidents whose subject is no longer defined: a check that was removed or renamed never passes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import psycopg

from shop_platform.errors import ShopError
from shop_platform.monitoring.findings_runs import unbuilt_assets
from shop_platform.orchestration.launch import assets_defined
from shop_platform.settings import Settings

Connection = psycopg.Connection[Any]

# A definition that is just being loaded again is not gone, and a healthy platform asks nothing.
_SETTLED = dt.timedelta(minutes=10)


def forget_gone(settings: Settings, connection: Connection) -> list[str]:
    """Take away failing checks and failed assets that no code location defines; return what they were.

    Asks Dagster's web server, and only when something has been failing for a while. While it does not answer, or has
    not loaded every location, nothing is taken away.
    """
    checks = connection.execute(
        "select asset, check_name from ops.check_states"
        " where failing_since is not null and checked_at < clock_timestamp() - %s",
        [_SETTLED],
    ).fetchall()
    settled = dt.datetime.now(dt.UTC) - _SETTLED
    assets = sorted({each.asset for each in unbuilt_assets(connection) if each.failed_at < settled})
    if not checks and not assets:
        return []
    try:
        known = assets_defined(settings.dagster_url)
    except (ShopError, httpx.HTTPError):
        return []
    gone_checks = [(asset, check) for asset, check in checks if check not in known.get(asset, ())]
    gone_assets = [asset for asset in assets if asset not in known]
    for asset, check in gone_checks:
        connection.execute("delete from ops.check_states where asset = %s and check_name = %s", [asset, check])
    connection.execute("update ops.asset_failures set gone = true where asset = any(%s)", [gone_assets])
    return [f"{asset}: {check}" for asset, check in gone_checks] + gone_assets
