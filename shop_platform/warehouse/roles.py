"""Make the databases and the service roles with least rights."""

from __future__ import annotations

import psycopg
from psycopg import sql

from shop_platform.settings import Role, Settings


def _reader(statement_timeout: str) -> dict[str, str]:
    """Return the limits of a role that reads marts: replacing one waits for every open transaction on it."""
    return {
        "default_transaction_read_only": "on",
        "statement_timeout": statement_timeout,
        "idle_in_transaction_session_timeout": "60s",
    }


# Limits are per role: a runaway dashboard query must not starve the ingestion, and an ingest process that hangs
# inside its transaction must lose its locks instead of blocking its successor.
_ROLE_LIMITS: dict[Role, tuple[int, dict[str, str]]] = {
    Role.INGEST: (20, {"idle_in_transaction_session_timeout": "60s", "lock_timeout": "30s"}),
    Role.TRANSFORM: (
        20,
        {
            "idle_in_transaction_session_timeout": "10min",
            "jit": "off",
            # A dbt that was ended in the middle of a long statement must not go on in the server, with its locks.
            "client_connection_check_interval": "10s",
        },
    ),
    Role.ORCHESTRATOR: (80, {"idle_in_transaction_session_timeout": "5min"}),
    Role.DASHBOARD: (20, _reader("15s")),
    Role.GRAFANA: (20, _reader("30s")),
    Role.BI: (20, _reader("5min")),
    Role.PRODUCER: (10, _reader("15s")),
}


def ensure_roles(admin: psycopg.Connection[tuple[object, ...]], settings: Settings) -> None:
    """Create each service role or bring its password and limits up to date (idempotent)."""
    for role, (connection_limit, limits) in _ROLE_LIMITS.items():
        name = settings.user(role)
        # Grafana's boards cut "today" and their range into business days in the session's time zone.
        parameters = limits | ({"timezone": settings.shop_tz} if role is Role.GRAFANA else {})
        known = admin.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone()
        if known is None:
            admin.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
        if not settings.may_log_in(role):
            admin.execute(sql.SQL("alter role {} with nologin password null").format(sql.Identifier(name)))
            continue
        # Hashed here, so that the password in clear never reaches a server log.
        hashed = admin.pgconn.encrypt_password(
            settings.password(role).encode(), name.encode(), b"scram-sha-256"
        ).decode()
        admin.execute(
            sql.SQL("alter role {} with login password {} connection limit {}").format(
                sql.Identifier(name), sql.Literal(hashed), sql.Literal(connection_limit)
            )
        )
        for parameter, value in parameters.items():
            admin.execute(
                sql.SQL("alter role {} set {} = {}").format(
                    sql.Identifier(name), sql.Identifier(parameter), sql.Literal(value)
                )
            )


def ensure_database(
    admin: psycopg.Connection[tuple[object, ...]], name: str, *, owner: str, may_connect: list[str]
) -> None:
    """Create database ``name`` if it is missing and let only ``may_connect`` in; ``admin`` must be in autocommit."""
    if admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    admin.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(owner)))
    admin.execute(sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(name)))
    for user in may_connect:
        admin.execute(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(name), sql.Identifier(user)))
