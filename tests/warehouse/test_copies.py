"""A warehouse that the tests copy from a template is what a migration makes, to the last right."""

from __future__ import annotations

import os
import subprocess

import pytest

from shop_platform.local.postgres import BIN
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import migrate
from tests.support.databases import Warehouse, drop, make_template, new_warehouse


@pytest.fixture
def migrated(postgres_server, tmp_path):
    """A warehouse that was migrated itself."""
    settings = load(
        pg_port=postgres_server.port, pg_database="by_hand", dagster_database="dagster_by_hand", data_dir=tmp_path
    )
    migrate(settings)
    made = Warehouse(settings, postgres_server)
    yield made
    drop(made)


@pytest.fixture
def copied(postgres_server, tmp_path):
    """A copy with Dagster's database."""
    made = new_warehouse(postgres_server, tmp_path, dagster=True)
    yield made
    drop(made)


def dump(warehouse, database, *options):
    """What pg_dump writes of a database, with its name replaced."""
    done = subprocess.run(
        [str(BIN / "pg_dump"), "--create", *options, warehouse.settings.dsn(Role.ADMIN, database)],
        env=os.environ | {"PGCLIENTENCODING": "UTF8"},
        capture_output=True,
        text=True,
        check=True,
    )
    return [line for line in done.stdout.replace(database, "the_database").splitlines() if "restrict" not in line]


def test_a_copy_is_what_a_migration_makes(migrated, copied):
    assert dump(copied, copied.settings.pg_database, "--schema-only") == dump(
        migrated, migrated.settings.pg_database, "--schema-only"
    )
    assert dump(copied, copied.settings.dagster_database) == dump(migrated, migrated.settings.dagster_database)
    query = "select version, name, checksum from ops.schema_migrations order by version"
    with connect(copied.settings, Role.ADMIN) as one, connect(migrated.settings, Role.ADMIN) as other:
        assert one.execute(query).fetchall() == other.execute(query).fetchall()
    assert migrate(copied.settings) == []


def test_a_further_template_is_filled_once_and_its_copies_do_not_touch_each_other(postgres_server, tmp_path):
    filled = []

    def fill(warehouse):
        filled.append(warehouse)
        with connect(warehouse.settings, Role.ADMIN) as admin:
            admin.execute("create table ops.of_the_template as select 1 as one")

    copies = []
    try:
        for _ in range(2):
            make_template(postgres_server, "filled", tmp_path, fill)
            copies.append(new_warehouse(postgres_server, tmp_path, template="filled"))
        with connect(copies[0].settings, Role.ADMIN) as admin:
            admin.execute("delete from ops.of_the_template")
        with connect(copies[1].settings, Role.ADMIN) as admin:
            assert admin.execute("select one from ops.of_the_template").fetchall() == [(1,)]
    finally:
        for copy in copies:
            drop(copy)
    assert len(filled) == 1
