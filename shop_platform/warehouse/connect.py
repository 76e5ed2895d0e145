"""Open a connection to the warehouse as one of its roles."""

from __future__ import annotations

import psycopg

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings


def connect(
    settings: Settings, role: Role, *, database: str | None = None, autocommit: bool = False, application: str = ""
) -> psycopg.Connection[tuple[object, ...]]:
    """Return a psycopg connection; raise :class:`ShopError` that says which server and role could not be reached."""
    try:
        return psycopg.connect(
            settings.dsn(role, database),
            autocommit=autocommit,
            connect_timeout=10,
            application_name=application or f"shop-{role.value}",
            # A peer that vanished without a word (a dropped route, a frozen host) is noticed within half a minute.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=30_000,
        )
    except psycopg.OperationalError as error:
        # libpq puts the reason first and its own advice on the lines below.
        reason = str(error).strip().splitlines()[0].rpartition("failed: ")[2]
        where = f"{settings.pg_host}:{settings.pg_port}/{database or settings.pg_database}"
        raise ShopError(
            f"PostgreSQL at {where} did not let '{settings.user(role)}' in: {reason}",
            "Is the stack up (`shop up` or `make demo`), and do SHOP_PG_* point at it?",
        ) from error
