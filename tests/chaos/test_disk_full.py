"""PostgreSQL's disk is full and freed again: the service waits, nothing is lost, nothing is half-written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.local.privileges import give_to, unprivileged_user
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT, dose
from tests.chaos.processes import committed, eventually, has_read_everything, service
from tests.chaos.proof import prove
from tests.chaos.stream import history, producing, send
from tests.conftest import Shop, _drop, _new_warehouse
from tests.support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.mount

_MEGABYTE = 1 << 20


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    with small_disk(tmp_path_factory.mktemp("disk"), "220m") as disk:
        yield disk


@pytest.fixture
def disk_for_tables(shop: Shop) -> Iterator[SmallDisk]:
    """A small disk in the server's own folder: whom PostgreSQL runs as may be able to enter no other one."""
    folder = shop.server.data_dir / "small_disk"
    folder.mkdir()
    with small_disk(folder, "220m") as disk:
        yield disk
    folder.rmdir()


def test_no_room_for_rows(disk_for_tables, shop, rng, tmp_path):
    """The log still has room, the tables have not: every transaction fails, PostgreSQL stays up."""
    disk = disk_for_tables
    settings = shop.settings.model_copy(update={"ingest_batch_messages": dose(200, 1_000)})
    space = disk.folder / "tables"
    space.mkdir()
    give_to(unprivileged_user(shop.server.data_dir), space)
    name = sql.Identifier(f"small_{settings.pg_database}")
    database = sql.Identifier(settings.pg_database)
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        (data_dir,) = admin.execute("show data_directory").fetchone()
        location = f"{data_dir}/small_disk/tables"  # as PostgreSQL calls it
        admin.execute(sql.SQL("create tablespace {} location {}").format(name, sql.Literal(location)))
        admin.execute(sql.SQL("alter database {} set tablespace {}").format(database, name))
    try:
        with (
            service(settings, tmp_path / "service.log") as process,
            # A full disk may let nobody in (a new connection writes a cache file), so this one is made before.
            connect(settings, Role.INGEST, autocommit=True) as witness,
        ):
            send(settings, history(rng, dose(500, 3_000)))
            eventually(lambda: committed(settings) > 0, "it gets on")
            disk.fill()
            send(settings, history(rng, dose(5_000, 30_000)), "chaos-000002")
            eventually(lambda: "No space left" in process.tail(), "PostgreSQL has no room")
            assert not has_read_everything(settings, witness), REPEAT
            disk.free()
            eventually(lambda: has_read_everything(settings), "everything is read")
            assert process.popen.poll() is None, process.tail()
        prove(settings)
    finally:
        with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            admin.execute(sql.SQL("alter database {} set tablespace pg_default").format(database))
            admin.execute(sql.SQL("drop tablespace {}").format(name))


def test_no_room_for_the_log(disk, shop, rng, tmp_path):
    """PostgreSQL ends itself when it cannot write its log; a person makes room and starts it again."""
    server = EmbeddedPostgres(disk.folder / "pgdata", any_free(), "dev-only-admin", tmp_path / "postgres.log")
    server.start()
    try:
        warehouse = _new_warehouse(server, tmp_path)
        update = {"kafka_bootstrap": shop.settings.kafka_bootstrap, "ingest_batch_messages": dose(200, 1_000)}
        settings = warehouse.settings.model_copy(update=update)
        with service(settings, tmp_path / "service.log") as process:
            with producing(settings, history(rng, dose(3_000, 30_000)), seconds=dose(3, 30)):
                eventually(lambda: committed(settings) > 0, "it gets on")
                disk.fill()

                def ended() -> bool:
                    if server.process is None or server.process.poll() is not None:
                        return True
                    with connect(settings, Role.ADMIN, autocommit=True) as admin:
                        admin.execute("select pg_switch_wal()")  # a new file of the log, as after 16 MB
                    return False

                eventually(ended, "PostgreSQL ends itself")
                disk.free()
                server.start()
            eventually(lambda: has_read_everything(settings), "everything is read", 300)
            assert process.popen.poll() is None, process.tail()
        assert "No space left" in (tmp_path / "postgres.log").read_text()
        prove(settings)
        _drop(warehouse)
    finally:
        server.stop()
