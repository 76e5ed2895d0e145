"""Whoever is on call hears of each incident once, with what it is, why and what to do, and once when it is over."""

from __future__ import annotations

import datetime as dt

import pytest

from shop_platform.monitoring.service import Monitor
from shop_platform.orchestration.text import INTERRUPTED
from shop_platform.settings import load
from tests.support.waiting import eventually

MINUTE = dt.timedelta(minutes=1)


def test_a_model_that_failed_is_told_with_asset_reason_run_and_what_to_do(on_call):
    on_call.run("r1", failures={"marts/orders": 'column "nope" does not exist'}, error="model orders: and more")
    on_call.look(2)
    (body,) = on_call.hook.received
    assert (body["status"], body["severity"], body["incident"]) == ("firing", "critical", "asset:marts/orders")
    assert body["title"] == "marts/orders could not be built" and body["reason"] == 'column "nope" does not exist'
    assert body["run_url"] == "https://dagster.shop/runs/r1"
    assert body["runbook_url"] == "https://docs.shop/runbooks/run-failed.md"
    for part in ("[dev]", body["title"], body["reason"], body["run_url"], body["runbook_url"], "do: Correct what"):
        assert part in body["text"]


def test_an_incident_ends_when_its_asset_was_built_whoever_built_it_and_for_no_other_reason(on_call):
    on_call.run("r1", failures={"marts/orders": "no"})
    on_call.look()
    on_call.run("r2", job="daily", status="success")
    on_call.run("r3", failures={"marts/customers": "no"})
    on_call.look()
    assert on_call.told() == [("firing", "asset:marts/orders"), ("firing", "asset:marts/customers")]
    on_call.admin(
        "insert into ops.asset_materializations (asset, source, seconds) values ('marts/orders', 'refresher', 1)"
    )
    on_call.look()
    assert on_call.told() == [("resolved", "asset:marts/orders")]


def test_a_check_stays_an_incident_until_it_passed_whatever_runs_fail_meanwhile(on_call):
    on_call.run("r1")
    on_call.check("marts/orders", "adds_up", False, run="r1")
    on_call.look()
    for number in range(3):
        on_call.run(f"later{number}", error=f"killed by {number}")
        on_call.look()
    assert on_call.told()[0] == ("firing", "check:marts/orders:adds_up")
    assert on_call.rows("select resolved_at from ops.alerts where incident like 'check:%'") == [(None,)]
    on_call.check("marts/orders", "adds_up", True, run="r9")
    on_call.look()
    assert ("resolved", "check:marts/orders:adds_up") in on_call.told()


def test_a_result_that_is_recorded_late_does_not_overrule_a_newer_one(on_call):
    on_call.check("marts/orders", "adds_up", False)
    on_call.admin(
        "insert into ops.check_results (run_id, asset, check_name, passed, severity, checked_at)"
        " values ('old', 'marts/orders', 'adds_up', true, 'error', clock_timestamp() - interval '5 minutes')"
    )
    on_call.look()
    assert on_call.told() == [("firing", "check:marts/orders:adds_up")]


def test_time_and_link_are_those_of_the_finding_and_a_later_failure_tells_nothing_anew(on_call):
    on_call.run("r1")
    on_call.check("marts/orders", "adds_up", False, run="r1", description="1 row")
    on_call.look()
    opened = on_call.rows("select opened_at from ops.alerts")
    on_call.run("r2")
    on_call.check("marts/orders", "adds_up", False, run="r2", description="2 rows")
    on_call.look()
    assert on_call.told() == [("firing", "check:marts/orders:adds_up")]
    assert on_call.rows("select opened_at from ops.alerts") == opened
    assert on_call.rows("select run_id, detail from ops.alerts") == [("r1", "2 rows")]


def test_another_reason_of_the_same_job_is_told_and_the_same_with_other_numbers_is_not(on_call):
    on_call.run("r1", error="out of memory at 12:01")
    on_call.look()
    on_call.run("r2", error="out of memory at 12:31")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing"]
    on_call.run("r3", error="disk full")
    on_call.look()
    assert sorted(status for status, _ in on_call.told()) == ["firing", "resolved"]
    on_call.run("r4", status="success")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["resolved"]


def test_a_run_whose_process_is_gone_is_told_only_if_its_second_try_does_not_make_up_for_it(on_call):
    def minutes_pass():
        on_call.admin(
            "update ops.pipeline_runs set started_at = started_at - %s, ended_at = ended_at - %s", [MINUTE] * 2
        )

    on_call.run("r1", error="Its process is gone", step=None)
    on_call.look()
    minutes_pass()
    on_call.admin(
        "insert into ops.pipeline_runs (run_id, job, status, started_at) values ('r2', 'transform', 'started', now())"
    )
    on_call.look()
    assert on_call.told() == [], "the second try is under way"
    on_call.admin("delete from ops.pipeline_runs where run_id = 'r2'")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing"]
    on_call.admin(
        "insert into ops.pipeline_runs (run_id, job, status, started_at) values ('r3', 'transform', 'started', now())"
    )
    on_call.look()
    assert on_call.told() == [], "what was told is not over because something is tried"
    on_call.run("r4", status="success")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["resolved"]


def test_a_cancelled_or_interrupted_run_says_nothing_either_way(on_call):
    on_call.run("r1", error="no")
    on_call.look()
    on_call.run("r2", status="canceled")
    on_call.run("r3", job="transform", error=INTERRUPTED)
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing"]


def test_what_the_run_of_a_person_finds_is_told_to_nobody_until_a_run_of_the_platform_finds_it_too(on_call):
    on_call.run("r1", trigger="manual", failures={"marts/orders": "no"})
    on_call.check("marts/kpi", "adds_up", False, run="r1")
    on_call.run("r2", trigger="manual", job="verify", error="no")
    on_call.look()
    assert on_call.told() == []
    on_call.check("marts/kpi", "adds_up", False)
    on_call.look()
    assert on_call.told() == [("firing", "check:marts/kpi:adds_up")]
    on_call.run("r3", trigger="manual")
    on_call.check("marts/kpi", "adds_up", True, run="r3")
    on_call.look()
    assert on_call.told() == [("resolved", "check:marts/kpi:adds_up")], "a pass is a pass"


def test_one_fault_of_many_checks_is_one_message_with_the_rest_beneath(on_call):
    on_call.run("r1")
    for number in range(7):
        on_call.check(f"marts/m{number}", "adds_up", False, run="r1")
    on_call.look(2)
    (body,) = on_call.hook.received
    assert len(body["beneath"]) == 6 and "with it, 6 more:" in body["text"]
    assert "adds_up does not hold for marts/m6" in body["text"]
    for number in range(7):
        on_call.check(f"marts/m{number}", "adds_up", True)
        on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing", "resolved"]


def test_a_halt_is_told_with_the_command_and_the_check_that_says_the_same_is_not(on_call):
    on_call.admin(
        "insert into ops.ingest_halts (reason, topic, detail, message, resolution) values ('dead_letter_burst',"
        " 'shop.web', '{}', '500 of 500 messages are dead letters', 'Call `shop offsets accept shop.web`.')"
    )
    on_call.check("raw/web", "topic_is_read", False)
    on_call.look()
    (body,) = on_call.hook.received
    assert body["incident"] == "halt:shop.web:dead_letter_burst" and "`shop offsets accept shop.web`" in body["text"]
    on_call.admin("update ops.ingest_halts set resolved_at = now(), resolved_by = 'ada'")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing", "resolved"]


def test_dead_letters_that_a_person_dealt_with_do_not_page(on_call):
    on_call.admin(
        "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages, landed,"
        " duplicates, dead, writer, started_at) values ('t', 'shop.web', 0, 0, 100, 100, 90, 0, 10, 'w', now())"
    )
    on_call.admin(
        'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error)'
        " select 't', 'shop.web', 0, n, 'x', 'x' from generate_series(1, 10) as n"
    )
    on_call.check("raw/web", "few_dead_letters", False, description="10 of 100 messages of 24 h wait as dead letters")
    on_call.look()
    assert on_call.told() == [("firing", "check:raw/web:few_dead_letters")]
    on_call.admin("update ops.dead_letters set status = 'discarded'")
    on_call.look()
    assert on_call.told() == [("resolved", "check:raw/web:few_dead_letters")], "before the check runs again"


def test_a_type_of_which_everything_fails_pages_until_somebody_deals_with_it(on_call):
    on_call.admin(
        "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages, landed,"
        " duplicates, dead, writer, started_at) values ('t', 'shop.web', 0, 0, 9000, 9000, 8990, 0, 10, 'w', now())"
    )
    on_call.admin(
        'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error, source, event_type)'
        " select 't', 'shop.web', 0, n, 'x', 'x', '/shop/app', 'shop.web.searched.v1' from generate_series(1, 10) as n"
    )
    on_call.check("raw/web", "few_dead_letters", False, description="10 of 10 shop.web.searched.v1 from /shop/app")
    on_call.look()
    assert on_call.told() == [("firing", "check:raw/web:few_dead_letters")]
    on_call.admin("update ops.dead_letters set status = 'discarded' where \"offset\" = 1")
    on_call.look()
    assert on_call.told() == [("resolved", "check:raw/web:few_dead_letters")]


def test_late_assets_are_one_incident_per_layer(on_call):
    on_call.admin("insert into ops.late_assets values ('marts/a', 'They follow.'), ('marts/b', 'They follow.')")
    on_call.look(2)
    (body,) = on_call.hook.received
    assert body["title"] == "marts: 2 assets are older than promised" and body["severity"] == "warning"
    assert body["reason"] == "They follow." and body["assets"] == ["marts/a", "marts/b"]
    on_call.admin("delete from ops.late_assets")
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing", "resolved"]


@pytest.mark.parametrize("service", ["kafka", "ingest", "refresher", "dagster-web", "dagster-warehouse", "dashboard"])
def test_a_service_that_is_away_at_two_looks_is_told_and_one_that_restarts_is_not(on_call, service):
    on_call.away = {service: "it does not answer"}
    on_call.look()
    on_call.away = {}
    on_call.look()
    assert on_call.told() == []
    on_call.away = {service: "it does not answer"}
    on_call.look(3)
    (body,) = on_call.hook.received
    assert body["incident"] == f"service:{service}" and body["reason"].startswith("it does not answer. ")
    on_call.away = {}
    on_call.look()
    assert [status for status, _ in on_call.told()] == ["firing", "resolved"]


def test_an_ingestion_that_stands_because_kafka_is_away_is_beneath_it(on_call):
    on_call.away = {"kafka": "no broker", "ingest": "no heartbeat for 25 s"}
    on_call.look(3)
    (body,) = on_call.hook.received
    assert body["incident"] == "service:kafka"
    assert [each["incident"] for each in body["beneath"]] == ["service:ingest"]


def test_a_service_that_was_never_up_has_time_to_start(on_call):
    on_call.away = {"refresher": "no process is running"}
    on_call.start()
    on_call.look(8)
    assert on_call.told() == []
    on_call.look(3)
    assert on_call.told() == [("firing", "service:refresher")]


def test_a_code_server_is_not_well_again_because_nobody_can_say(on_call):
    on_call.away = {"dagster-warehouse": "SyntaxError"}
    on_call.look(2)
    on_call.away, on_call.unasked = {"dagster-web": "refused"}, {"dagster-warehouse"}
    on_call.look(3)
    assert on_call.told() == [("firing", "service:dagster-warehouse"), ("firing", "service:dagster-web")]


def test_a_warehouse_that_is_away_is_told_once_and_over_once_and_suppresses_what_comes_of_it(on_call):
    on_call.away = {"postgres": "connection refused"}
    on_call.unasked = {"ingest", "refresher", "dagster-daemon"}
    on_call.look(4)
    assert on_call.told() == [("firing", "service:postgres")]
    on_call.away, on_call.unasked = {"ingest": "no heartbeat for 70 s"}, set()
    on_call.look(2)
    assert on_call.told() == [("resolved", "service:postgres")], "the ingestion comes back by itself"
    (row,) = on_call.rows("select incident, told_at < resolved_at, end_told_at is null from ops.alerts")
    assert row == ("service:postgres", True, False)
    on_call.look(6)
    assert on_call.told() == [("firing", "service:ingest")], "and if it does not, it is told"


def test_a_run_that_failed_because_the_warehouse_was_away_is_told_only_if_it_stays(on_call):
    on_call.away, on_call.unasked = {"postgres": "refused"}, {"ingest", "refresher", "dagster-daemon"}
    on_call.look(2)
    on_call.away, on_call.unasked = {}, set()
    on_call.run("r1", job="daily", error="the server closed the connection")
    on_call.look(2)
    assert on_call.told() == [("firing", "service:postgres"), ("resolved", "service:postgres")]
    on_call.time_passes(minutes=4)
    on_call.look(2)
    (told,) = on_call.told()
    assert told[0] == "firing" and told[1].startswith("job:daily:")


def test_a_service_that_keeps_ending_is_told_and_over_when_it_stays(on_call):
    def happened(kind, seconds_ago, process=""):
        on_call.admin(
            "insert into ops.service_events (service, happened, process, at)"
            " values ('dashboard', %s, %s, clock_timestamp() - make_interval(secs => %s))",
            [kind, process, seconds_ago],
        )

    for seconds in (90, 80):
        happened("ended", seconds)
        happened("started", seconds - 1)
    on_call.look()
    assert on_call.told() == []
    happened("ended", 20)
    on_call.look()
    assert on_call.told() == [("firing", "restarting:dashboard")]
    happened("started", 19)
    on_call.look()
    assert on_call.told() == []
    on_call.admin("update ops.service_events set at = at - interval '40 seconds'")
    on_call.look()
    assert on_call.told() == [("resolved", "restarting:dashboard")]
    for process in "abcd":  # four of them start at once
        happened("started", 1, process)
    on_call.look()
    assert on_call.told() == []


def test_a_process_that_was_found_frozen_is_told_and_over_within_a_minute(on_call):
    on_call.admin(
        "insert into ops.service_events (service, happened, detail) values ('refresher', 'frozen', 'stopped for 30 s')"
    )
    on_call.look(2)
    assert on_call.told() == [("firing", "frozen:refresher")]
    on_call.away = {"refresher": "it starts"}
    on_call.look(2)
    on_call.admin("update ops.service_events set at = clock_timestamp() - interval '60 seconds'")
    on_call.admin("update ops.service_states set since = clock_timestamp() - interval '50 seconds' where not up")
    on_call.look(3)
    assert on_call.told() == [], "it is not over while what came in its place is not up"
    on_call.away = {}
    on_call.look()
    assert on_call.told() == [("resolved", "frozen:refresher")]
    on_call.admin("update ops.service_events set at = at - interval '4 minutes'")
    on_call.away = {"refresher": "the stack has been started again, and this comes later"}
    on_call.look()
    assert on_call.told() == [], "another silence is not the old freeze"


def test_of_two_monitors_one_tells_and_the_other_takes_over_when_it_is_gone(on_call):
    on_call.check("marts/a", "x", False)
    with Monitor(on_call.settings, probe=lambda _: on_call.states()) as other:
        other.look()
        assert on_call.told() == []
        on_call.monitor.__exit__()
        on_call.away, on_call.unasked = {"postgres": "refused"}, {"ingest", "refresher", "dagster-daemon"}
        for _ in range(3):
            other.look()
        assert on_call.told() == [], "the one that leads tells that"
        on_call.away, on_call.unasked = {}, set()
        eventually(lambda: other.look() or on_call.hook.received)
        assert on_call.told() == [("firing", "check:marts/a:x")]


def test_a_restarted_monitor_tells_nothing_anew(on_call):
    on_call.check("marts/a", "x", False)
    on_call.look()
    on_call.monitor.__exit__()
    on_call.start()
    on_call.look(3)
    assert on_call.told() == [("firing", "check:marts/a:x")]


@pytest.mark.parametrize("nobody", ["", "http://alerts.invalid/"])
def test_without_a_webhook_incidents_are_kept_and_told_to_nobody(on_call, nobody):
    on_call.monitor.__exit__()
    on_call.settings = load(**on_call.settings.model_dump() | {"alert_webhook_url": nobody})
    on_call.start()
    on_call.check("marts/a", "x", False)
    on_call.look(2)
    assert on_call.rows("select incident, told_at from ops.alerts") == [("check:marts/a:x", None)]
    assert on_call.told() == []


def test_the_monitor_leaves_how_it_saw_each_service_and_that_it_looks(on_call):
    on_call.away = {"kafka": "no broker"}
    on_call.look()
    seen = dict(on_call.rows("select service, up from ops.service_states"))
    assert seen.pop("kafka") is False and seen["monitor"] is True and all(seen.values())
