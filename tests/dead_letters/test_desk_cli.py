"""The commands: what they print and never print, their exit codes, a mistake explained."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.dead_letters.wire import Wire, assert_books_balance, broken, letters
from tests.support.events import page_view


@pytest.fixture
def wire(fresh_warehouse):
    return Wire(fresh_warehouse.settings)


def desk(wire, *arguments, stdin=b"", expect=0, **variables):
    done = subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", "dead-letters", *map(str, arguments)],
        env=os.environ | wire.settings.process_environment() | variables,
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == expect, (done.stdout, done.stderr)
    assert b"Traceback" not in done.stderr
    return done


def printed(wire, *arguments, **options):
    return json.loads(desk(wire, *arguments, "--json", **options).stdout)


def test_what_a_filter_selects_is_seen_before_it_is_given_up(wire):
    wire.send(b'{"torn', "0190a0b0-0000-7000-8000-000000000001")
    for _ in range(9):
        wire.send(b"garbage", header=False)
    wire.deliver()
    give_up = ("discard", "--class", "not_json", "--because", "a client's bug")
    refused = desk(wire, *give_up, expect=2).stderr.decode()
    assert "Some of these letters differ from most" in refused and "--dry-run" in refused
    assert b"10 would be discarded" in desk(wire, *give_up, "--dry-run").stdout
    assert sum(group["open"] for group in printed(wire, "list")["groups"]) == 10
    assert printed(wire, *give_up, "--yes")["discarded"] == 10


def test_a_letter_is_found_read_mended_and_replayed(wire, tmp_path):
    bad, good = broken()
    bad["data"]["visitor_id"] = "vis_secret"
    wire.send(bad, bad["id"])
    wire.deliver()

    text = desk(wire, "list").stdout.decode()
    assert "data_invalid  shop.web  shop.web.page_viewed.v1  $.data" in text
    assert "for example 1" in text and "secret" not in text
    assert "secret" not in desk(wire, "list", "--each").stdout.decode()
    (group,) = printed(wire, "list")["groups"]
    assert (group["letters"], group["example"]) == (1, 1)
    (entry,) = printed(wire, "list", "--each")["letters"]
    assert (entry["id"], entry["offset"], entry["event_id"]) == (1, 0, bad["id"])

    shown = desk(wire, "show", 1).stdout.decode()
    for part in ("shop.web, partition 0, offset 0", f"ce_id: {bad['id']}", "vis_secret", '>>   "data": {'):
        assert part in shown
    assert desk(wire, "show", 1, "--raw").stdout == letters(wire.settings, "message_value")[0][0]
    assert json.loads(printed(wire, "show", 1)["value"]["text"]) == bad

    refused = desk(wire, "fix", 1, "--value", "-", stdin=json.dumps(bad).encode(), expect=1)
    assert b"`page` is missing" in refused.stderr
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(good))
    assert printed(wire, "fix", 1, "--value", mended)["fixed"] == 1
    assert desk(wire, "show", 1, "--raw", "--fixed").stdout == mended.read_bytes()
    assert printed(wire, "list")["groups"][0]["fixed"] == 1

    assert b"1 would be landed" in desk(wire, "replay", "--dry-run").stdout
    assert printed(wire, "replay", "--by", "night shift")["landed"] == 1
    history = printed(wire, "show", 1)["history"]
    assert [(step["action"], step["outcome"]) for step in history] == [("fix", "fixed"), ("replay", "landed")]
    assert "@" in history[0]["by"] and history[1]["by"] == "night shift"
    assert b"No such dead letters" in desk(wire, "list").stdout
    assert b"replayed (landed)" in desk(wire, "list", "--each", "--status", "all").stdout
    assert_books_balance(wire.settings)


def test_a_replay_that_leaves_letters_invalid_exits_1_and_says_which(wire):
    wire.send(b"{")
    wire.deliver()
    report = printed(wire, "replay", expect=1)
    assert report["still_invalid"] == 1 and report["reasons"][0]["example"] == 1
    assert b"see `shop dead-letters show 1`" in desk(wire, "replay", 1, expect=1).stdout


def test_a_long_letter_is_cut_on_the_terminal_and_whole_elsewhere(wire):
    value = b'{"note": "' + b"x" * 100_000
    wire.send(value, header=False)
    wire.waiting[-1].heads.append(("note", b"y" * 100_000))
    wire.deliver()
    shown = desk(wire, "show", 1).stdout.decode()
    assert len(shown) < 5_000
    assert "(100,010 characters; --raw shows all)" in shown and "(100,000 characters; --json shows all)" in shown
    assert desk(wire, "show", 1, "--raw").stdout == value
    assert printed(wire, "show", 1)["value"]["text"] == value.decode()


def test_a_bulk_fix_shows_the_difference_first(wire):
    for number in range(5):
        bad, _ = broken(number)
        wire.send(bad, bad["id"])
    wire.deliver()
    bulk = ("fix", "--class", "data_invalid", "--set", '$.data.page="/mended"')
    text = desk(wire, *bulk, "--dry-run").stdout.decode()
    assert '+    "page": "/mended"' in text and "5 would be fixed" in text
    assert printed(wire, *bulk)["fixed"] == 5
    assert printed(wire, "replay", "--class", "data_invalid")["landed"] == 5


def test_letters_are_given_up_and_taken_back(wire):
    wire.send(b"{")
    wire.deliver()
    desk(wire, "discard", 1, expect=2)  # no reason
    assert printed(wire, "discard", "--class", "not_json", "--because", "a probe")["discarded"] == 1
    assert b"because: a probe" in desk(wire, "show", 1).stdout
    assert printed(wire, "reopen", 1)["reopened"] == 1


def test_a_hostile_message_cannot_write_to_the_terminal(wire):
    evil = "\x1b[2J\x9b31m\u202e"
    wire.send(page_view(1) | {"type": f"evil{evil}"})
    wire.send(f"{{{evil}".encode())
    wire.send(b"\x1b[2J\xff")
    wire.deliver()
    for arguments in (["list"], ["list", "--each"], ["show", 1], ["show", 2], ["show", 3]):
        text = desk(wire, *arguments).stdout.decode()
        assert not set(text) & set(evil) - set("[2J31m"), arguments
    # A terminal without UTF-8 gets escapes, not a stack trace.
    desk(wire, "show", 1, PYTHONIOENCODING="ascii")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", 9], b"no dead letter 9"),
        (["replay", 9], b"no dead letter 9"),
        (["list", "--class", "bad"], b"is not a known error class"),
        (["list", "--since", "noon"], b"is not a time"),
        (["fix", 1], b"either --value or an edit"),
        (["fix", "--set", "$.id=1"], b"which letters to fix"),
        (["fix", "--value", "x"], b"for one letter"),
        (["fix", 1, "--value", "/nowhere"], b"cannot be read"),
        (["discard", "--because", "x"], b"which letters"),
        (["show", 1, "--raw", "--fixed"], b"no corrected value"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained(wire, arguments, said):
    wire.send(b"{")
    wire.deliver()
    assert said in desk(wire, *arguments, expect=2).stderr
