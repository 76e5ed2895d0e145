"""Root starts PostgreSQL as somebody else with few rights of its own, or says which right it lacks."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shop_platform.errors import ShopError
from shop_platform.local import privileges
from shop_platform.local.privileges import User, give_to, unprivileged_user, with_parents
from tests.support.small_disk import small_disk
from tests.support.suites import require

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user starts PostgreSQL as itself")

_DAC_OVERRIDE, _DAC_READ_SEARCH, _KILL, _SETGID, _SETUID, _SYS_ADMIN = 1, 2, 5, 6, 7, 21
_PR_CAPBSET_DROP = 24

START = (
    "import sys; from pathlib import Path; from shop_platform.errors import ShopError;"
    " from shop_platform.local.ports import any_free; from shop_platform.local.postgres import EmbeddedPostgres;"
    " folder = Path(sys.argv[1]);"
    " server = EmbeddedPostgres(folder / 'pgdata', any_free(), 'secret', folder / 'log')\n"
    "try: server.start(); server.stop(); print('started')\n"
    "except ShopError as error: print(error)\n"
)


def start_without(folder, *capabilities):
    """Start a server as a root that lacks ``capabilities``, as in a container, and return what was printed."""
    libc = ctypes.CDLL(None, use_errno=True)

    def give_up():
        for capability in capabilities:
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)

    return subprocess.run(
        [sys.executable, "-c", START, str(folder)],
        preexec_fn=give_up,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout


def test_root_with_the_rights_of_a_container_is_enough(tmp_path):
    """Docker's root may not search every folder."""
    assert start_without(tmp_path, _DAC_READ_SEARCH, _SYS_ADMIN) == "started\n"
    assert (tmp_path / "pgdata").stat().st_uid == 65534


def test_a_root_that_may_become_nobody_else_says_what_it_lacks(tmp_path):
    said = start_without(tmp_path, _SETUID, _SETGID, _KILL, _DAC_OVERRIDE)
    assert "this root may not start it as another user: it lacks CAP_DAC_OVERRIDE, CAP_KILL, CAP_SETGID" in said
    assert "ordinary user" in said and list(tmp_path.iterdir()) == []


@pytest.mark.mount
def test_a_root_of_a_namespace_without_another_user_says_so(tmp_path):
    command = ["unshare", "--map-root-user", sys.executable, "-c", START, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    require("mount", (not done.stderr.startswith("unshare:"), done.stderr))
    assert "the user namespace has no user 65534" in done.stdout


def test_the_first_folder_that_the_user_may_not_enter_is_found():
    top = Path(tempfile.mkdtemp(prefix="shop-tests-reach-", dir="/var/tmp"))
    try:
        top.chmod(0o755)
        closed = top / "a b" / "c'ö"
        (closed / "d").mkdir(parents=True)
        (closed / "d" / "file").write_text("")
        closed.chmod(0o700)
        (top / "unreadable").write_text("")
        (top / "unreadable").chmod(0o600)
        (top / "readable").write_text("")
        nobody = User(65534, 65534)
        assert nobody.first_out_of_reach(enter=with_parents(closed / "d")) == closed
        assert nobody.first_out_of_reach(enter=with_parents(closed.parent), read=[top / "readable"]) is None
        assert nobody.first_out_of_reach(read=[top, top / "readable", top / "unreadable"]) == top / "unreadable"
    finally:
        shutil.rmtree(top)


def test_the_server_runs_as_the_owner_of_its_data_else_of_the_sources_else_as_nobody(tmp_path, monkeypatch):
    data = tmp_path / "pgdata"
    data.mkdir()
    assert unprivileged_user(data) == unprivileged_user() == unprivileged_user(tmp_path / "none")
    os.chown(data, 4321, 4322)
    assert unprivileged_user(data) == User(4321, 4322)

    sources = tmp_path / "privileges.py"
    sources.write_text("")
    monkeypatch.setattr(privileges, "__file__", str(sources))
    os.chown(sources, 1, 1)  # daemon
    assert unprivileged_user() == User(1, 1)
    os.chown(sources, 4321, 4321)  # no name: initdb would refuse
    assert unprivileged_user() == User(65534, 65534)


@pytest.mark.mount
def test_a_folder_that_cannot_be_given_away_is_named(tmp_path):
    with small_disk(tmp_path, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(ShopError, match=f"{tmp_path} cannot be given to 'nobody', .*: Read-only file system"):
            give_to(User(65534, 65534), tmp_path)
