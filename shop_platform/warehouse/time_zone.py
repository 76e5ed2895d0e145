"""The shop's time zone as the warehouse keeps it: stored by the first build, and refused when it is another."""

from __future__ import annotations

from typing import Any

import psycopg

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]


def require_shop_tz(connection: Connection, wanted: str) -> None:
    """Raise :class:`ShopError` when nothing may be built in the zone ``wanted``: the marts were cut by another one.

    A warehouse in which nothing was built, or that older code migrated, takes any.
    """
    if _knows(connection):
        found = connection.execute("select message, advice from ops.shop_tz_refusal(%s, false)", [wanted]).fetchone()
        if found is not None and found[0] is not None:
            raise ShopError(str(found[0]), str(found[1]))


def refuse_another_zone(settings: Settings, role: Role) -> None:
    """Do as :func:`require_shop_tz` does before a service starts; of a server that is away nothing is known."""
    try:
        connection = connect(settings, role)
    except ShopError:
        return
    with connection:
        require_shop_tz(connection, settings.shop_tz)


def stored_shop_tz(connection: Connection) -> str | None:
    """Return the zone in which the marts were built; ``None`` before the first build."""
    found = connection.execute("select shop_tz from ops.warehouse_identity").fetchone()
    return str(found[0]) if found else None


def begin_change(connection: Connection, zone: str) -> None:
    """Note that everything is being rebuilt in ``zone``: until it is done nobody else builds."""
    connection.execute(
        "insert into ops.warehouse_identity (shop_tz, changing_to) values (%(zone)s, %(zone)s)"
        " on conflict (only_row) do update set changing_to = excluded.changing_to, changed_at = clock_timestamp()",
        {"zone": zone},
    )


def end_change(connection: Connection, zone: str) -> None:
    """Note that everything was rebuilt in ``zone``."""
    connection.execute(
        "update ops.warehouse_identity set shop_tz = %s, changing_to = null, changed_at = clock_timestamp()", [zone]
    )


def _knows(connection: Connection) -> bool:
    return connection.execute("select to_regclass('ops.warehouse_identity')").fetchone() != (None,)
