"""The embedded PostgreSQL never runs as root, survives being killed, and explains why it does not start."""

from __future__ import annotations

import os

import psutil
import psycopg
import pytest

from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres

pytestmark = pytest.mark.usefixtures("own_servers")


@pytest.fixture
def server(tmp_path):
    made = EmbeddedPostgres(tmp_path / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
    made.start()
    yield made
    made.stop()


def connect(server):
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user="shop_admin", password="secret", dbname="postgres", autocommit=True
    )


def test_no_process_of_it_is_root(server):
    tree = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    assert all(process.uids().effective != 0 for process in tree)


def test_a_committed_row_survives_sigkill(server):
    with connect(server) as connection:
        connection.execute("create table kept (id int)")
        connection.execute("insert into kept values (1)")
    server.kill()
    server.start()
    with connect(server) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1,)


def test_a_server_left_behind_by_an_earlier_start_is_ended(server):
    orphan = server.process
    server.process = None  # as a supervisor that was killed would leave it
    server.port = any_free()
    server.start()
    assert orphan.wait(20) == 0
    with connect(server) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_half_made_database_is_made_afresh(tmp_path):
    (tmp_path / "pgdata.new").mkdir()
    (tmp_path / "pgdata").mkdir()
    (tmp_path / "pgdata" / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(tmp_path / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
    server.start()
    try:
        connect(server).close()
    finally:
        server.stop()


def test_a_lost_password_is_explained(server):
    server.stop()
    with pytest.raises(ShopError, match="made with another password"):
        EmbeddedPostgres(server.data_dir, server.port, "other", server.data_dir.parent / "log").start()


def test_a_broken_configuration_shows_the_server_s_words(server):
    server.stop()
    with (server.data_dir / "postgresql.conf").open("a") as file:
        file.write("\nshared_buffers = 'plenty'\n")
    with pytest.raises(ShopError, match=r"(?s)ended at once.*shared_buffers"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that the database's user may not enter")
def test_a_repository_below_a_folder_only_root_may_enter_works(tmp_path):
    locked = tmp_path / "root-only"
    locked.mkdir(mode=0o700)
    server = EmbeddedPostgres(locked / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
    server.start()
    try:
        connect(server).close()
    finally:
        server.stop()
