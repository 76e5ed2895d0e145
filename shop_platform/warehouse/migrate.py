"""Apply the numbered SQL migrations once each, safely twice at a time."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import MIGRATION_LOCK
from shop_platform.warehouse.partitions import ensure_partitions
from shop_platform.warehouse.roles import ensure_database, ensure_roles
from shop_platform.warehouse.time_zone import require_shop_tz

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """Return the migrations of ``folder`` in order; refuse a bad name, a gap or a number that stands twice."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if match is None:
            raise ShopError(f"'{path.name}' is not a migration's name", "Name it like 0007_what_it_does.sql.")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ShopError(
            f"The migrations in {folder} are not numbered 0001, 0002, ... without gaps or repetition",
            "Give the newest one the next free number.",
        )
    return found


def migrate(settings: Settings, folder: Path = MIGRATIONS_DIR, *, changes_zone: bool = False) -> list[Migration]:
    """Create databases, roles and schemas as needed and apply what is new; return what was applied.

    A second call at the same time waits for the first and then finds nothing to do. Raises :class:`ShopError` when an
    applied migration was edited afterwards or the database is newer than this code, and, unless ``changes_zone``, when
    the marts were built in another time zone: whatever starts begins here, so nothing starts.
    """
    migrations = read_migrations(folder)
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        admin.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        if not changes_zone:
            _require_zone(admin, settings)
        ensure_roles(admin, settings)
        services = [settings.user(role) for role in Role if role is not Role.ADMIN]
        ensure_database(admin, settings.pg_database, owner=settings.pg_admin_user, may_connect=services)
        orchestrator = settings.user(Role.ORCHESTRATOR)
        ensure_database(admin, settings.dagster_database, owner=orchestrator, may_connect=[orchestrator])
        with connect(settings, Role.ADMIN, autocommit=True) as warehouse:
            done = _apply(warehouse, migrations)
            # A folder of migrations may end before there were partitions.
            if warehouse.execute("select to_regprocedure('ops.ensure_partitions()')").fetchone() != (None,):
                ensure_partitions(warehouse)
            return done


def _require_zone(admin: psycopg.Connection[tuple[object, ...]], settings: Settings) -> None:
    known = admin.execute("select 1 from pg_database where datname = %s", [settings.pg_database]).fetchone()
    if known is not None:
        with connect(settings, Role.ADMIN) as warehouse:
            require_shop_tz(warehouse, settings.shop_tz)


def _apply(warehouse: psycopg.Connection[tuple[object, ...]], migrations: list[Migration]) -> list[Migration]:
    warehouse.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
    # `if not exists` would print a notice at every call, and checks rights before existence.
    if warehouse.execute("select to_regclass('ops.schema_migrations')").fetchone() == (None,):
        warehouse.execute("create schema if not exists ops")
        warehouse.execute(
            "create table ops.schema_migrations (version integer primary key, name text not null,"
            " checksum text not null, applied_at timestamptz not null default now(), duration_ms integer not null)"
        )
    applied = {
        int(str(version)): str(checksum)
        for version, checksum in warehouse.execute("select version, checksum from ops.schema_migrations")
    }
    unknown = sorted(set(applied) - {migration.version for migration in migrations})
    if unknown:
        raise ShopError(
            f"The warehouse has migration {unknown[-1]:04d}, which this version of the code does not know",
            "Run the newer version of Shop Platform, or restore a backup from before the upgrade.",
        )
    done = []
    for migration in migrations:
        known = applied.get(migration.version)
        if known is None:
            _apply_one(warehouse, migration)
            done.append(migration)
        elif known != migration.checksum:
            raise ShopError(
                f"Migration {migration.version:04d}_{migration.name} was changed after it had been applied",
                "Put its text back and write the change as a new migration.",
            )
    return done


def _apply_one(warehouse: psycopg.Connection[tuple[object, ...]], migration: Migration) -> None:
    started = time.monotonic()
    try:
        with warehouse.transaction():
            warehouse.execute(migration.sql.encode())
            warehouse.execute(
                "insert into ops.schema_migrations (version, name, checksum, duration_ms) values (%s, %s, %s, %s)",
                [
                    migration.version,
                    migration.name,
                    migration.checksum,
                    round((time.monotonic() - started) * 1000),
                ],
            )
    except psycopg.Error as error:
        raise ShopError(
            f"Migration {migration.version:04d}_{migration.name} failed and was rolled back: {error}",
            "Nothing of it was applied; mend the cause and run `shop migrate` again.",
        ) from error
