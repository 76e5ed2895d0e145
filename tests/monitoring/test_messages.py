"""What is told says what it is, why, what to do and since when; a webhook that is away misses nothing."""

from __future__ import annotations

import datetime as dt

import pytest

from shop_platform.errors import ShopError
from shop_platform.monitoring import webhook
from shop_platform.monitoring.advice import ADVICE
from shop_platform.settings import PROJECT_ROOT, Role, load
from shop_platform.warehouse.connect import connect

MINUTE = dt.timedelta(minutes=1)


def test_a_webhook_that_refuses_is_asked_again_later_and_its_address_is_written_nowhere(on_call):
    on_call.hook.status = 503
    on_call.check("marts/a", "x", False)
    on_call.look(2)
    assert on_call.rows("select attempts, last_error from ops.alerts") == [(1, "the webhook answered with status 503")]
    on_call.hook.status = 200
    on_call.look()
    assert on_call.told() == [], "not before its time"
    on_call.time_passes(seconds=0)
    on_call.look()
    assert on_call.told() == [("firing", "check:marts/a:x")]
    assert on_call.rows("select count(*) from ops.alerts where last_error is not null") == [(0,)]


def test_an_incident_that_ended_while_the_webhook_was_away_is_told_as_ended(on_call):
    on_call.hook.status = 500
    on_call.check("marts/a", "x", False)
    on_call.look()
    on_call.check("marts/a", "x", True)
    on_call.hook.status = 200
    on_call.look(3)
    assert on_call.told() == [("resolved", "check:marts/a:x")]


def test_a_webhook_that_hangs_holds_up_one_look_and_nobody_else(on_call, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.3)
    on_call.hook.hangs.set()
    on_call.check("marts/a", "x", False)
    on_call.look()
    assert on_call.rows("select last_error from ops.alerts") == [("the webhook cannot be reached (ReadTimeout)",)]
    with connect(on_call.settings, Role.ADMIN) as admin:
        # A transaction left open would hold up every watermark.
        assert admin.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
        ).fetchone() == (0,)


def test_more_messages_than_a_look_sends_are_sent_by_the_next(on_call):
    for number in range(8):
        on_call.run(f"r{number}", job=f"job{number}", error="no")
    on_call.look()
    assert len(on_call.told()) == 6
    on_call.look()
    assert len(on_call.told()) == 2


def test_a_path_for_runbooks_stands_beside_what_to_do(on_call):
    settings = load(**on_call.settings.model_dump() | {"runbook_url": "docs/runbooks"})
    on_call.check("raw/web", "few_dead_letters", False)
    on_call.look()
    with connect(on_call.settings, Role.ORCHESTRATOR) as connection:
        (alert,) = webhook_alerts(connection)
    text = webhook.body(webhook.Message(alert), settings)["text"]
    assert "runbook: docs/runbooks/dead-letters.md" in text and "dead-letters list` groups them" in text
    assert "`shop dead" not in text, "the command can be pasted where the stack runs"


def webhook_alerts(connection):
    from shop_platform.monitoring.store import alerts

    return alerts(connection)


def test_a_wrong_address_is_refused_without_being_shown():
    with pytest.raises(ShopError, match=r"SHOP_ALERT_WEBHOOK_URL: .*must begin with http") as refused:
        load(alert_webhook_url="hooks.example/T000/secret")
    assert "secret" not in str(refused.value)


def test_every_runbook_an_incident_may_name_is_there_with_advice():
    folder = PROJECT_ROOT / "docs" / "runbooks"
    for page, (means, do) in ADVICE.items():
        assert (folder / f"{page}.md").is_file() and means and do
    sources = [
        (PROJECT_ROOT / "shop_platform" / "monitoring" / f"{name}.py").read_text(encoding="utf-8")
        for name in ("findings", "findings_runs", "services")
    ]
    named = {page.stem for page in folder.glob("*.md") if any(f'"{page.stem}"' in source for source in sources)}
    assert named == ADVICE.keys()


def test_an_end_says_when(on_call):
    on_call.check("marts/a", "x", False)
    on_call.look()
    on_call.check("marts/a", "x", True)
    on_call.look()
    ended = on_call.hook.received[-1]
    began, over = (dt.datetime.fromisoformat(ended[name]) for name in ("opened_at", "resolved_at"))
    assert began < over and "[resolved]" in ended["text"] and "do:" not in ended["text"]
