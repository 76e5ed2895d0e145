"""Migrations apply once, refuse to be rewritten, and survive two callers."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import MIGRATIONS_DIR, migrate, read_migrations


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MIGRATIONS_DIR, tmp_path / "migrations"))


def test_a_second_run_applies_nothing(fresh_warehouse):
    assert migrate(fresh_warehouse.settings) == []


def test_two_at_once_apply_each_migration_once(fresh_warehouse, folder):
    number = len(read_migrations(folder)) + 1
    (folder / f"{number:04d}_slow.sql").write_text("select pg_sleep(0.5); create table ops.probe (id int);")
    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: migrate(fresh_warehouse.settings, folder), range(3)))
    assert sorted(len(done) for done in applied) == [0, 0, 1]


def test_an_applied_migration_that_was_edited_is_refused(fresh_warehouse, folder):
    path = next(folder.glob("0002_*.sql"))
    path.write_text(path.read_text() + "\n-- a harmless comment")
    with pytest.raises(ShopError, match=r"0002.*was changed after"):
        migrate(fresh_warehouse.settings, folder)


def test_a_database_newer_than_the_code_is_refused(fresh_warehouse, folder):
    newest = max(folder.glob("*.sql"))
    newest.unlink()
    with pytest.raises(ShopError, match="does not know"):
        migrate(fresh_warehouse.settings, folder)


def test_a_failing_migration_leaves_nothing_and_says_which(fresh_warehouse, folder):
    number = len(read_migrations(folder)) + 1
    (folder / f"{number:04d}_broken.sql").write_text("create table ops.half (id int); select 1/0;")
    with pytest.raises(ShopError, match=rf"{number:04d}_broken failed.*division by zero"):
        migrate(fresh_warehouse.settings, folder)
    with connect(fresh_warehouse.settings, Role.ADMIN) as admin:
        assert admin.execute("select to_regclass('ops.half')").fetchone() == (None,)


@pytest.mark.parametrize("name", ["no_number.sql", "0099_gap.sql", "0001_again.sql"])
def test_a_badly_numbered_file_is_refused(folder, name):
    (folder / name).write_text("select 1")
    with pytest.raises(ShopError):
        read_migrations(folder)
