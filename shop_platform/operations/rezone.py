"""Rebuild every mart with business days of another time zone, and store that zone with the warehouse."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from shop_platform.errors import ShopError
from shop_platform.operations.dbt import run_dbt
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import lock_lost, transform_lock
from shop_platform.warehouse.migrate import migrate
from shop_platform.warehouse.time_zone import begin_change, end_change

Say = Callable[[str], None]


def rebuild_in_zone(
    settings: Settings,
    *,
    accept_lost_history: bool = False,
    wait_seconds: float = 600,
    say: Say = lambda _: None,
) -> None:
    """Build everything from nothing with the business days of ``settings``; the same call again ends what was begun.

    Until it is done nobody else may build. Raises :class:`ShopError` when raw rows are gone that the marts still count,
    unless ``accept_lost_history``, and when a model fails: the warehouse is then of neither zone.
    """
    zone = settings.shop_tz
    with (
        transform_lock(settings, wait_seconds=wait_seconds, changes_zone=True) as lock,
        connect(settings, Role.TRANSFORM, autocommit=True) as connection,
    ):
        if not accept_lost_history:
            _require_history(connection)
        begin_change(connection, zone)
        say(f"building every mart from nothing, business days of {zone}")
        variables = {"changes_shop_tz": "true", "accept_lost_history": str(accept_lost_history).lower()}
        try:
            run_dbt(settings, ["run", "--full-refresh"], variables=variables)
        except ShopError as error:
            raise ShopError(
                error.message,
                f"Call it again: until `shop rebuild --shop-tz {zone}` is through, nothing else is built. {error.hint}",
                exit_code=1,
            ) from error
        if lock.lost:
            raise lock_lost()
        end_change(connection, zone)


def _require_history(connection: psycopg.Connection[Any]) -> None:
    rows = connection.execute(
        "select relation, to_char(max(older_than) at time zone 'UTC', 'YYYY-MM-DD') from ops.retention_runs"
        " where relation like 'raw.%' group by relation order by relation"
    ).fetchall()
    if rows:
        raise ShopError(
            f"Retention has removed events from {rows[0][0]} before {rows[0][1]}: those days would be lost",
            "Add --accept-lost-history if they may be; otherwise the time zone stays what it is.",
        )


@contextlib.contextmanager
def reachable(zone: str, say: Say) -> Iterator[Settings]:
    """Give the settings of the warehouse in ``zone``, migrated; the embedded one is started when no stack runs it."""
    settings = load(shop_tz=zone)
    if settings.stack_env_path.exists() or "SHOP_PG_HOST" in os.environ or not (settings.data_dir / "pgdata").exists():
        yield settings
        return
    from shop_platform.local.postgres import EmbeddedPostgres
    from shop_platform.local.stack import StackFolder

    with StackFolder(settings.data_dir) as folder:
        ports, _ = folder.choose_ports()
        own = folder.settings(ports).model_copy(update={"shop_tz": zone})
        logs = own.data_dir / "logs"
        server = EmbeddedPostgres(
            own.data_dir / "pgdata", ports.postgres, own.password(Role.ADMIN), logs / "postgres.log"
        )
        say("starting PostgreSQL, for no stack is up")
        server.start()
        try:
            migrate(own, changes_zone=True)
            yield own
        finally:
            server.stop()
