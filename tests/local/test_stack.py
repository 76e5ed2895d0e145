"""The data folder has one owner, keeps its secrets, and moves away from taken ports."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys

import pytest

from shop_platform.errors import ShopError
from shop_platform.local.demo import uninterrupted
from shop_platform.local.ports import RANGE_VARIABLE, Claims, any_free, first_free, is_free, port_range, preferred
from shop_platform.local.stack import StackFolder, reset
from shop_platform.settings import load
from tests.support.small_disk import small_disk


def test_a_second_owner_is_told_who_has_it(tmp_path):
    with StackFolder(tmp_path), pytest.raises(ShopError, match=r"Another `shop` holds .* \(process \d+\)"):
        StackFolder(tmp_path).__enter__()


def test_the_lock_of_a_killed_owner_is_not_stale(tmp_path):
    code = (
        "import sys, os, signal; from pathlib import Path; from shop_platform.local.stack import StackFolder;"
        " StackFolder(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    with StackFolder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ShopError, match="cannot be used"):
        StackFolder(tmp_path / "file" / "data").__enter__()


def test_a_full_disk_is_said_before_anything_starts(tmp_path):
    with StackFolder(tmp_path) as folder, pytest.raises(ShopError, match="GB are free below"):
        folder.require_space(needed_bytes=1 << 60)


def test_a_taken_port_is_moved_and_said(tmp_path):
    with StackFolder(tmp_path) as folder:
        first, _ = folder.choose_ports()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", first.dashboard))
            taken.listen()
            second, notes = folder.choose_ports()
    assert second.dashboard != first.dashboard
    assert notes == [f"port {first.dashboard} is taken: dashboard listens on {second.dashboard}"]
    assert len(set(vars(second).values())) == len(vars(second)) == 6


def test_a_stack_that_starts_meanwhile_passes_over_ports_on_which_nobody_listens_yet(tmp_path):
    with StackFolder(tmp_path / "one") as one, StackFolder(tmp_path / "other") as other:
        mine, _ = one.choose_ports()
        theirs, _ = other.choose_ports()
        assert not set(vars(mine).values()) & set(vars(theirs).values())
        assert one.choose_ports() == (mine, [])
    with StackFolder(tmp_path / "third") as third:
        assert third.choose_ports()[0] == mine, "they are given back"


def test_a_measurement_that_starts_meanwhile_is_given_another_port(monkeypatch):
    monkeypatch.delenv(RANGE_VARIABLE)
    asked = "from shop_platform.local import ports; import sys; print(ports.Claims().take(int(sys.argv[1])))"
    claims = Claims()
    port = any_free(claims.take)
    for mine, granted in ((True, "False\n"), (False, "True\n")):
        told = subprocess.run([sys.executable, "-c", asked, str(port)], capture_output=True, text=True, check=True)
        assert told.stdout == granted, f"nobody listens there, and it is {'' if mine else 'no longer '}claimed"
        claims.close()
    with pytest.raises(ShopError, match="No port is free"):
        any_free(lambda _port: False)


def test_two_stacks_with_ranges_of_their_own_do_not_meet(tmp_path, monkeypatch):
    ranges = {"one": range(20_000, 20_100), "other": range(20_100, 20_200)}
    for name, ports in ranges.items():
        monkeypatch.setenv(RANGE_VARIABLE, f"{ports.start}-{ports.stop - 1}")
        with StackFolder(tmp_path / name) as folder:
            stack, _ = folder.choose_ports()
        airflow = preferred({"api": 8080}, place=10).values()
        free = [any_free() for _ in range(5)]
        every = [*vars(stack).values(), *airflow, *free]
        assert set(every) <= set(ports) and len(set(every)) == len(every)


def test_without_a_range_services_have_their_well_known_ports(monkeypatch):
    monkeypatch.delenv(RANGE_VARIABLE)
    assert preferred({"dagster": 3000, "dashboard": 8050}) == {"dagster": 3000, "dashboard": 8050}
    assert is_free(any_free())


def test_a_free_port_of_a_range_is_not_given_twice_in_a_row_nor_while_it_is_taken(monkeypatch):
    monkeypatch.setenv(RANGE_VARIABLE, "20200-20299")
    given = [any_free() for _ in range(60)]
    assert len(set(given)) == 60
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", given[-1]))
        taken.listen()
        assert given[-1] not in {any_free() for _ in range(100)}


@pytest.mark.parametrize("text", ["many", "20000", "20000-20010", "80-2000", "70000-80000"])
def test_what_is_no_range_of_ports_is_refused(monkeypatch, text):
    monkeypatch.setenv(RANGE_VARIABLE, text)
    with pytest.raises(ShopError, match=f"SHOP_LOCAL_PORTS='{text}' is not a range"):
        port_range()


def test_ports_are_remembered(tmp_path):
    with StackFolder(tmp_path) as folder:
        first, _ = folder.choose_ports()
    with StackFolder(tmp_path) as folder:
        assert folder.choose_ports() == (first, [])


def test_a_port_held_by_a_listener_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert first_free(port) > port
    port = any_free()
    assert first_free(port, taken={port}) > port


def test_secrets_are_random_kept_and_private(tmp_path):
    with StackFolder(tmp_path / "a") as folder:
        passwords = folder.passwords()
        assert folder.passwords() == passwords and len(set(passwords.values())) == len(passwords)
    with StackFolder(tmp_path / "b") as other:
        assert not set(other.passwords().values()) & set(passwords.values())
    assert stat.S_IMODE((tmp_path / "a" / "secrets.json").stat().st_mode) == 0o600


def test_another_terminal_reads_the_running_stack_and_no_longer_afterwards(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DATA_DIR", str(tmp_path))
    with StackFolder(tmp_path) as folder:
        ports, _ = folder.choose_ports()
        settings = folder.settings(ports)
        folder.publish(settings)
        assert stat.S_IMODE((tmp_path / "stack.env").stat().st_mode) == 0o600
        assert load() == settings
    assert not (tmp_path / "stack.env").exists()
    assert load().pg_port == 5432


def test_reset_removes_everything_but_refuses_a_stranger_s_folder_and_a_running_stack(tmp_path):
    mine, strange = tmp_path / "mine", tmp_path / "strange"
    with StackFolder(mine) as folder:
        folder.passwords()
        with pytest.raises(ShopError, match="Another `shop` holds"):
            reset(mine)
    assert reset(mine) > 0 and not mine.exists()
    reset(mine)
    strange.mkdir()
    (strange / "thesis.txt").write_text("years of work")
    with pytest.raises(ShopError, match="nothing was removed"):
        reset(strange)
    assert (strange / "thesis.txt").exists()


@pytest.mark.mount
def test_a_folder_that_cannot_be_removed_is_said(tmp_path):
    mine = tmp_path / "mine"
    with StackFolder(mine) as folder:
        folder.passwords()
    (mine / "busy").mkdir()
    with (
        small_disk(mine / "busy", "1m"),
        pytest.raises(ShopError, match=r"could not be removed: Device .* busy \(.*busy"),
    ):
        reset(mine)


def test_what_is_begun_is_finished_whoever_asks_to_end_meanwhile():
    def interrupt(*_):
        raise KeyboardInterrupt

    previous = {each: signal.signal(each, interrupt) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
