"""The commands from a terminal: what they print, their exit codes, who is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.support.events import page_view


def events(settings, *arguments, expect=0):
    done = subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", "events", *arguments],
        env=os.environ | settings.process_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done


def test_an_event_is_found_taken_back_seen_and_landed_again(settings, wire):
    sent = [page_view(number) for number in range(3)]
    for each in sent:
        wire.send(each, each["id"])
    wire.deliver()
    chosen = ("--type", "web.page_viewed", "--since", "2026-03-01")

    assert "2 more; --limit shows more of them." in events(settings, "show", *chosen, "--limit", "1").stdout
    shown = json.loads(events(settings, "show", *chosen, "--limit", "2", "--json").stdout)
    assert (len(shown["events"]), shown["total"], shown["more"]) == (2, 3, 1)

    reason = ("--reason", "a test till")
    refused = events(settings, "retract", *chosen, *reason, expect=2).stderr
    assert "Nobody has confirmed that 3 events" in refused and "--dry-run" in refused
    seen = events(settings, "retract", *chosen, *reason, "--dry-run").stdout
    assert "3  shop.web.page_viewed.v1  from /shop/test, on 1 day" in seen and "3 would be retracted" in seen
    done = events(settings, "retract", *chosen, *reason, "--yes", "--by", "night shift").stdout
    assert "3 retracted" in done and "No mart has been built yet." in done

    told = events(settings, "show", sent[0]["id"]).stdout
    assert "by night shift, because: a test till (dead letter" in told and "shop.web, partition 0, offset 0" in told
    back = json.loads(events(settings, "restore", sent[0]["id"], "--reason", "it was real", "--json").stdout)
    assert (back["restored"], back["unchanged"], back["dry_run"]) == (1, 0, False)
    assert "RETRACTED" not in events(settings, "show", sent[0]["id"]).stdout
    refused = events(settings, "retract", sent[0]["id"], "--reason", " ", expect=2).stderr
    assert "only taken back for a reason" in refused

    # What a query took back a query brings back, and is asked about in the same way.
    refused = events(settings, "restore", *chosen, *reason, expect=2).stderr
    assert "Nobody has confirmed that 2 events are to be restored" in refused and "2  retracted events" in refused
    seen = events(settings, "restore", *chosen, *reason, "--dry-run").stdout
    assert "2  shop.web.page_viewed.v1  from /shop/test, on 1 day" in seen and "2 would be restored" in seen
    assert "2 restored" in events(settings, "restore", *chosen, *reason, "--yes").stdout
    assert "Nothing was restored." in events(settings, "restore", *chosen, *reason).stdout
    assert "No mart has been built yet." in events(settings, "marts").stdout
