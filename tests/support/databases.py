"""Databases made as copies: a warehouse is migrated once for each server, every further one is a copy of that.

A copy takes 0.03 s, a migration 0.7 s. What a copy lacks, the owner and the rights on the database itself, is read from
its template and given.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import migrate
from tests.support import parsed

# By server and not by name: a server of a test's own has templates of its own.
_TEMPLATES: WeakKeyDictionary[EmbeddedPostgres, dict[str, str]] = WeakKeyDictionary()
_MIGRATED = "migrated"
_RIGHTS = """
select case grantee when 0 then 'public' else quote_ident(rolname) end, privilege_type
from pg_database cross join aclexplode(datacl) left join pg_roles on pg_roles.oid = grantee
where datname = %s
"""


@dataclass(frozen=True)
class Warehouse:
    """A migrated warehouse: how to reach it and the server it lives in."""

    settings: Settings
    server: EmbeddedPostgres


def new_warehouse(
    server: EmbeddedPostgres, data_dir: Path, *, template: str = _MIGRATED, dagster: bool = False
) -> Warehouse:
    """Return a warehouse of its own in ``server``: a copy of a template, by default of a migrated, empty one.

    ``dagster`` makes the empty database of Dagster too, as a migration does.
    """
    # Partitions are made ahead, by UTC's year: in another one a migration makes others.
    migrated = f"{_MIGRATED}_{dt.datetime.now(dt.UTC).year}"
    if template == _MIGRATED:
        template = migrated
        make_template(server, migrated, data_dir, lambda _: None)
    settings = _named(server, data_dir, _free_name(server, data_dir))
    source = _TEMPLATES[server][template]
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        _copy(admin, source, settings.pg_database)
        if dagster:
            _copy(admin, _dagster_of(_TEMPLATES[server][migrated]), settings.dagster_database)
    parsed.give(settings)
    return Warehouse(settings, server)


def make_template(
    server: EmbeddedPostgres, name: str, data_dir: Path, fill: Callable[[Warehouse], None], *, template: str = _MIGRATED
) -> None:
    """Make the template ``name`` once for each server: a copy of ``template`` after ``fill`` did its work in it."""
    known = _TEMPLATES.setdefault(server, {})
    if name in known:
        return
    if name.startswith(_MIGRATED):
        made = Warehouse(_named(server, data_dir, f"template_{name}"), server)
        migrate(made.settings)
    else:
        made = new_warehouse(server, data_dir, template=template)
    fill(made)
    with connect(made.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        # PostgreSQL copies no database that somebody is connected to: from now on nobody can be.
        admin.execute(
            sql.SQL("alter database {} with allow_connections false").format(sql.Identifier(made.settings.pg_database))
        )
        admin.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s",
            [made.settings.pg_database],
        )
    known[name] = made.settings.pg_database


def drop(warehouse: Warehouse) -> None:
    """Drop a warehouse and its Dagster's database, whoever is connected."""
    parsed.keep(warehouse.settings)
    with connect(warehouse.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        for database in (warehouse.settings.pg_database, warehouse.settings.dagster_database):
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


@contextmanager
def empty_database(server: EmbeddedPostgres, name: str) -> Iterator[str]:
    """Make a database that is nobody's warehouse; give its SQLAlchemy URL, and drop it afterwards."""
    settings = load(pg_port=server.port)
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    try:
        yield settings.dsn(Role.ADMIN, name).replace("postgresql://", "postgresql+psycopg2://")
    finally:
        with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _free_name(server: EmbeddedPostgres, data_dir: Path) -> str:
    """Return the first of `shop_1`, `shop_2`, ... that is not there.

    A dropped database leaves its name to the next one: what dbt parsed for that name can be used again.
    """
    with connect(load(pg_port=server.port, data_dir=data_dir), Role.ADMIN, database="postgres") as admin:
        taken = {row[0] for row in admin.execute("select datname from pg_database")}
    return next(name for number in itertools.count(1) if (name := f"shop_{number}") not in taken)


def _named(server: EmbeddedPostgres, data_dir: Path, name: str) -> Settings:
    return load(pg_port=server.port, pg_database=name, dagster_database=_dagster_of(name), data_dir=data_dir)


def _dagster_of(name: str) -> str:
    return f"dagster_{name}"


def _copy(admin: psycopg.Connection[Any], source: str, name: str) -> None:
    """Copy database ``source`` with its owner and the rights on it, which PostgreSQL leaves out."""
    owner = admin.execute("select pg_get_userbyid(datdba) from pg_database where datname = %s", [source]).fetchone()
    assert owner is not None, f"there is no template {source}"
    # As files: writing the copy to the log first would take five times as long.
    admin.execute(
        sql.SQL("create database {} template {} strategy file_copy owner {}").format(
            sql.Identifier(name), sql.Identifier(source), sql.Identifier(str(owner[0]))
        )
    )
    admin.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
    for grantee, right in admin.execute(_RIGHTS, [source]).fetchall():
        admin.execute(
            sql.SQL("grant {} on database {} to {}").format(
                sql.SQL(str(right)), sql.Identifier(name), sql.SQL(str(grantee))
            )
        )
