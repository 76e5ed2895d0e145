"""Whoever is on call hears of each incident once, with what failed, why and what to do, and once when it is over."""

from __future__ import annotations

import datetime as dt
import socket
import time

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from shop_platform.errors import ShopError
from shop_platform.orchestration import alert_store, webhook
from shop_platform.orchestration.defs.operations import alert
from shop_platform.orchestration.defs.operations.alert import build_alert_sensor
from shop_platform.orchestration.defs.operations.run_status import record_run_status
from shop_platform.orchestration.incidents import overdue
from shop_platform.orchestration.launch import location_errors
from shop_platform.settings import PROJECT_ROOT, Role, load
from shop_platform.warehouse.connect import connect
from tests.support.webhook import webhook as serve_webhook

FIXED = {"is": False}


@dg.asset(key_prefix="marts", check_specs=[dg.AssetCheckSpec("adds_up", asset=["marts", "orders"])])
def orders():
    if not FIXED["is"]:
        raise dg.Failure(
            "model orders: no such column\nand more", metadata={"failed": ["model orders: no such column"]}
        )
    yield dg.Output(None, metadata={"dagster/row_count": 7})
    yield dg.AssetCheckResult(check_name="adds_up", passed=True)


@dg.asset(key_prefix="marts", deps=[orders])
def behind_it():
    return None


@dg.asset_check(asset=["raw", "web"])
def few_dead_letters():
    return dg.AssetCheckResult(passed=FIXED["is"], description="600 of 1000 messages in 24 h")


DEFINITIONS = dg.Definitions(
    assets=[orders, behind_it],
    asset_checks=[few_dead_letters],
    jobs=[
        dg.define_asset_job("transform", [orders, behind_it]),
        dg.define_asset_job("look", dg.AssetSelection.checks(few_dead_letters)),
    ],
)


class OnCall:
    """The two sensors on an instance of the test's own, the webhook they tell, and the warehouse they write to."""

    def __init__(self, settings, instance, hook):
        self.settings, self.instance, self.hook = settings, instance, hook
        self.away = {}
        self.sensor = build_alert_sensor({"marts": "Marts follow the events."})

    def run(self, job="transform"):
        return DEFINITIONS.resolve_job_def(job).execute_in_process(instance=self.instance, raise_on_error=False).run_id

    def tick(self, cursor=None):
        """Record, then alert, as after a restart: without a cursor."""
        record_run_status(dg.build_sensor_context(instance=self.instance), settings=self.settings)
        context = dg.build_sensor_context(instance=self.instance, cursor=cursor)
        result = self.sensor(context, settings=self.settings)
        self.cursor = result.cursor
        return result.skip_reason.skip_message

    def rows(self, query):
        with connect(self.settings, Role.ORCHESTRATOR) as connection:
            return connection.execute(query).fetchall()

    def time_passes(self):
        """Let the next attempt be due."""
        with connect(self.settings, Role.ADMIN) as admin:
            admin.execute("update ops.alerts set next_attempt_at = clock_timestamp()")


@pytest.fixture
def on_call(fresh_warehouse, monkeypatch):
    FIXED["is"] = False
    with serve_webhook() as hook, dg.DagsterInstance.ephemeral() as instance:
        update = {"dagster_public_url": "https://dagster.shop", "runbook_url": "https://docs.shop/runbooks/"}
        settings = load(**fresh_warehouse.settings.model_dump() | update | {"alert_webhook_url": hook.url})
        made = OnCall(settings, instance, hook)
        monkeypatch.setattr(alert, "location_errors", lambda url, timeout_seconds: dict(made.away))
        yield made


def test_a_failed_run_is_told_with_link_failing_asset_first_line_and_runbook(on_call):
    run_id = on_call.run()
    on_call.tick()
    (told,) = on_call.hook.received
    assert told["status"] == "firing" and told["severity"] == "critical"
    assert told["run_url"] == f"https://dagster.shop/runs/{run_id}"
    assert told["assets"] == ["marts/orders"], "what only waits behind it is not the culprit"
    assert told["reason"] == "model orders: no such column"
    assert told["runbook_url"] == "https://docs.shop/runbooks/run-failed.md"
    for part in ("[dev]", "transform failed", "marts/orders", told["reason"], told["run_url"], told["runbook_url"]):
        assert part in told["text"]
    assert "and more" not in told["text"]


def test_an_incident_is_told_once_however_often_it_fails_and_whatever_is_forgotten(on_call):
    for _ in range(3):
        on_call.run()
        on_call.tick()
        on_call.tick()
    assert len(on_call.hook.received) == 1
    assert on_call.rows("select count(*), count(told_at) from ops.alerts") == [(1, 1)]


def test_its_end_is_told_once_and_a_new_one_is_a_new_one(on_call):
    on_call.run()
    on_call.tick()
    FIXED["is"] = True
    on_call.run()
    on_call.tick()
    on_call.tick()
    FIXED["is"] = False
    on_call.run()
    on_call.tick()
    assert [status for status, _ in on_call.hook.titles()] == ["firing", "resolved", "firing"]
    first, ended, second = (body["alert_id"] for body in on_call.hook.received)
    assert first == ended != second


def test_a_webhook_that_refuses_is_asked_again_later_and_its_address_is_written_nowhere(on_call):
    on_call.hook.status = 503
    on_call.run()
    assert "the webhook answered with status 503" in on_call.tick()
    assert on_call.tick().endswith("0 messages were sent."), "not before its time"
    on_call.hook.status = 200
    on_call.time_passes()
    on_call.tick()
    assert [status for status, _ in on_call.hook.titles()] == ["firing"]
    on_call.hook.status = 503
    on_call.time_passes()
    on_call.tick()
    assert on_call.rows("select count(*) from ops.alerts where last_error like '%secret-path%'") == [(0,)]


def test_an_incident_that_ended_before_anybody_could_be_told_is_told_as_ended(on_call):
    on_call.hook.status = 500
    on_call.run()
    on_call.tick()
    FIXED["is"] = True
    on_call.run()
    on_call.hook.status = 200
    on_call.tick()
    on_call.tick()
    assert on_call.hook.titles() == [("resolved", "transform failed in marts__orders")]


def test_a_webhook_that_hangs_holds_up_one_tick_for_its_time_out_and_nobody_else(on_call, monkeypatch):
    monkeypatch.setattr(webhook, "TIMEOUT_SECONDS", 0.3)
    on_call.hook.hangs.set()
    on_call.run()
    assert "cannot be reached (ReadTimeout)" in on_call.tick()
    with connect(on_call.settings, Role.ADMIN) as admin:
        # A transaction left open would hold up every watermark.
        assert admin.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
        ).fetchone() == (0,)


def test_a_claim_whose_process_died_is_made_again(on_call):
    on_call.run()
    with connect(on_call.settings, Role.ADMIN) as admin:
        admin.execute("insert into ops.alerts (incident, severity, title, runbook) values ('x', 'critical', 'x', 'x')")
    assert [alert.incident for alert in alert_store.claim(on_call.settings, 5)] == ["x"]
    assert alert_store.claim(on_call.settings, 5) == [], "it is somebody's"
    on_call.time_passes()
    assert [alert.incident for alert in alert_store.claim(on_call.settings, 5)] == ["x"]


def test_a_blocking_check_is_an_incident_of_its_own_with_the_runbook_of_that_check(on_call):
    on_call.run("look")
    on_call.tick()
    (told,) = on_call.hook.received
    assert told["title"] == "few_dead_letters does not hold for raw/web"
    assert told["reason"] == "600 of 1000 messages in 24 h"
    assert told["runbook_url"].endswith("/dead-letters.md")
    FIXED["is"] = True
    on_call.run("look")
    on_call.tick()
    assert [status for status, _ in on_call.hook.titles()] == ["firing", "resolved"]


def test_a_check_that_made_a_run_fail_is_told_with_the_run_alone(on_call):
    run_id = on_call.run()
    with connect(on_call.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into ops.check_results (run_id, asset, check_name, passed, severity)"
            " values (%s, 'marts/orders', 'adds_up', false, 'error'),"
            " ('refresher', 'marts/kpi', 'unique', false, 'error')",
            [run_id],
        )
    on_call.tick()
    assert {title for _, title in on_call.hook.titles()} == {
        "transform failed in marts__orders",
        "unique does not hold for marts/kpi",
    }
    by_title = {body["title"]: body["run_url"] for body in on_call.hook.received}
    assert by_title["unique does not hold for marts/kpi"] is None, "what the refresher found has no run"


def test_assets_older_than_promised_are_one_incident_per_layer(on_call):
    FIXED["is"] = True
    on_call.run()
    for key in (orders.key, behind_it.key):
        late(on_call.instance, key, FreshnessState.FAIL)
    on_call.tick()
    on_call.tick()
    (told,) = on_call.hook.received
    assert told["title"] == "marts: 2 assets are older than promised" and told["severity"] == "warning"
    assert told["reason"] == "Marts follow the events." and told["runbook_url"].endswith("/stale.md")
    for key in (orders.key, behind_it.key):
        late(on_call.instance, key, FreshnessState.WARN)
    on_call.tick()
    assert [status for status, _ in on_call.hook.titles()] == ["firing", "resolved"]


def test_a_code_location_that_stays_away_is_told_and_one_that_reloads_is_not(on_call):
    on_call.away = {"warehouse": "DagsterUserCodeUnreachableError: Could not reach user code server"}
    on_call.tick()
    on_call.tick()
    assert on_call.hook.received == [], "a lost cursor only makes it wait"
    on_call.tick(on_call.cursor)
    (told,) = on_call.hook.received
    assert told["incident"] == "location:warehouse" and told["severity"] == "critical"
    assert told["title"].startswith("code location warehouse is not loaded")
    assert told["reason"] == on_call.away["warehouse"] and told["runbook_url"].endswith("/code-location.md")
    on_call.away = {}
    on_call.tick(on_call.cursor)
    assert [status for status, _ in on_call.hook.titles()] == ["firing", "resolved"]


def test_a_web_server_that_does_not_answer_is_told_and_holds_nothing_up(on_call, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        on_call.settings = load(
            **on_call.settings.model_dump() | {"dagster_url": f"http://127.0.0.1:{nobody.getsockname()[1]}"}
        )
        monkeypatch.setattr(alert, "location_errors", location_errors)
        on_call.tick()
        on_call.tick(on_call.cursor)
    ((status, title),) = on_call.hook.titles()
    assert (status, title) == ("firing", "Dagster's web server does not answer")


@pytest.mark.parametrize("nobody", ["", "http://alerts.invalid/"])
def test_without_a_webhook_incidents_are_kept_and_told_to_nobody(on_call, nobody):
    on_call.settings = load(**on_call.settings.model_dump() | {"alert_webhook_url": nobody})
    on_call.run()
    assert "SHOP_ALERT_WEBHOOK_URL is not set" in on_call.tick()
    assert on_call.rows("select incident, told_at from ops.alerts") == [("run:transform", None)]
    assert on_call.hook.received == []


def test_many_incidents_are_told_over_several_ticks(on_call):
    for number in range(6):
        with connect(on_call.settings, Role.ADMIN) as admin:
            admin.execute(
                "insert into ops.check_results (run_id, asset, check_name, passed, severity)"
                " values ('r', 'marts/a', %s, false, 'error')",
                [f"check_{number}"],
            )
    on_call.tick()
    assert len(on_call.hook.received) == 4
    on_call.tick()
    assert len({body["incident"] for body in on_call.hook.received}) == 6


def test_a_text_names_some_assets_and_counts_the_others():
    (incident,) = overdue([f"marts/m{number}" for number in range(9)], {})
    claimed = alert_store.Alert(
        *(1, incident.key, incident.severity, incident.title, incident.detail, list(incident.assets)),
        *(None, incident.runbook, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None),
    )
    assert (
        "assets: marts/m0, marts/m1, marts/m2, marts/m3, marts/m4 and 4 more"
        in webhook.message(claimed, load())["text"]
    )


def test_a_wrong_address_is_refused_without_being_shown():
    with pytest.raises(ShopError, match=r"SHOP_ALERT_WEBHOOK_URL: .*must begin with http") as refused:
        load(alert_webhook_url="hooks.example/T000/secret")
    assert "secret" not in str(refused.value)


def test_every_runbook_an_alert_may_name_is_there():
    source = (PROJECT_ROOT / "shop_platform" / "orchestration" / "incidents.py").read_text(encoding="utf-8")
    for name in (
        "run-failed",
        "invariant-broken",
        "check-failed",
        "dead-letters",
        "refresher",
        "stale",
        "code-location",
    ):
        assert f'"{name}"' in source
        assert (PROJECT_ROOT / "docs" / "runbooks" / f"{name}.md").is_file()


def late(instance, key, state):
    """Say what the freshness daemon says when an asset's state changes."""
    instance._report_runless_asset_event(
        FreshnessStateChange(
            key=key, new_state=state, previous_state=FreshnessState.UNKNOWN, state_change_timestamp=time.time()
        )
    )
