"""Remove what is older than the rules say, and write down what was removed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import errors

from shop_platform.errors import ShopError
from shop_platform.operations.retention_ops import RULES, shorten_ops
from shop_platform.operations.retention_raw import shorten_raw
from shop_platform.operations.retention_record import Connection, Removal
from shop_platform.retention_policy import parse_retention
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import transform_lock

# Whoever waits for a table makes everybody behind it wait.
_LOCK_TIMEOUT = "10s"


@dataclass(frozen=True)
class RetentionReport:
    """What one call removed, or with ``dry_run`` would remove, per table."""

    dry_run: bool
    removals: list[Removal] = field(default_factory=list)

    @property
    def blocked(self) -> list[Removal]:
        """Tables of which something is due and cannot go yet."""
        return [removal for removal in self.removals if removal.blocked]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it; times in ISO 8601."""
        tables = [asdict(removal) | {"older_than": _iso(removal.older_than)} for removal in self.removals]
        return {"dry_run": self.dry_run, "rows": sum(removal.rows for removal in self.removals), "tables": tables}


def apply_retention(
    settings: Settings,
    *,
    actor: str,
    dry_run: bool = False,
    now: dt.datetime | None = None,
    wait_seconds: float = 600,
) -> RetentionReport:
    """Remove whole years of raw tables and old rows of ``ops``; each table is one transaction, recorded with it.

    ``now`` is the instant from which ages are counted, the present by default. No transformation runs meanwhile. Raises
    :class:`ShopError` when a table is busy for too long: what was removed before it stays removed.
    """
    now = now or dt.datetime.now(dt.UTC)
    removals = []
    with (
        transform_lock(settings, wait_seconds=wait_seconds),
        connect(settings, Role.ADMIN, autocommit=True) as connection,
    ):
        for table, months in sorted(parse_retention(settings.retention).items()):
            with _transaction(connection, f"raw.{table}", dry_run=dry_run):
                removals.append(shorten_raw(connection, table, months, now=now, actor=actor))
        for rule in RULES:
            with _transaction(connection, rule.relation, dry_run=dry_run):
                removals.append(shorten_ops(connection, rule, now=now, actor=actor))
    return RetentionReport(dry_run, removals)


@contextmanager
def _transaction(connection: Connection, relation: str, *, dry_run: bool) -> Iterator[None]:
    """One transaction; a dry run does everything and takes it back, so that its numbers are the real ones."""
    try:
        with connection.transaction(force_rollback=dry_run):
            connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'".encode())
            yield
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise ShopError(
            f"{relation} was busy for more than {_LOCK_TIMEOUT}",
            "Nothing of it was removed. See pg_stat_activity for who reads it, and try again.",
            exit_code=1,
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise ShopError(
            f"{relation} may not be shortened by this administrator: {error}", "See SHOP_PG_ADMIN_USER."
        ) from error


def _iso(instant: dt.datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(dt.UTC).isoformat()
