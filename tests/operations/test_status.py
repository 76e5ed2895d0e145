"""`shop status` tells how far each partition is behind, in records and seconds, and what waits for a person."""

from __future__ import annotations

import datetime as dt
import io
import json
import time

import pytest
from confluent_kafka import Producer
from rich.console import Console

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.lag import measure_behind_since
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.ports import any_free
from shop_platform.local.screen import live_screen, status_table
from shop_platform.operations.checks import names_of
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.status import Status, collect, look_around
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view


def produce(shop, partition: int, *ages_seconds: int) -> None:
    """Send messages to a partition of the web topic that Kafka takes for so many seconds old."""
    producer = Producer(shop.settings.kafka_client(log_level=0))
    for age in ages_seconds:
        stamp = int((time.time() - age) * 1000)
        producer.produce("shop.web", json.dumps(page_view(1)).encode(), partition=partition, timestamp=stamp)
    assert producer.flush(30) == 0


def shown(renderable) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(renderable)
    return out.getvalue()


def admin(shop, statement: str, parameters=None) -> None:
    with connect(shop.settings, Role.ADMIN) as connection:
        connection.execute(statement.encode(), parameters)


def test_the_lag_of_a_partition_is_the_age_of_its_oldest_unread_message(shop):
    produce(shop, 0, 5000, 5000)
    ingest_until_end(shop.settings)
    caught_up = collect(shop.settings)
    assert (caught_up.lag, caught_up.lag_seconds, len(caught_up.lag_by_partition)) == (0, 0.0, 27)
    assert {row["lag_seconds"] for row in caught_up.lag_by_partition} == {0.0}

    produce(shop, 0, 300, 20, 10)
    produce(shop, 1, 90)
    behind = collect(shop.settings)
    rows = {(row["topic"], row["partition"]): row for row in behind.lag_by_partition if row["lag"]}
    assert set(rows) == {("shop.web", 0), ("shop.web", 1)}
    assert (rows["shop.web", 0]["lag"], rows["shop.web", 0]["next_offset"], rows["shop.web", 0]["end_offset"]) == (
        3,
        2,
        5,
    )
    assert 300 <= rows["shop.web", 0]["lag_seconds"] < 400 and 90 <= rows["shop.web", 1]["lag_seconds"] < 190
    assert (behind.lag, behind.lag_seconds) == (4, rows["shop.web", 0]["lag_seconds"])
    assert behind.lag_by_topic["shop.web"] == 4


def test_the_age_is_measured_for_the_places_that_were_asked_for_only(shop):
    produce(shop, 0, 300, 200, 100)
    produce(shop, 1, 50)
    since = measure_behind_since(shop.settings, {("shop.web", 0): 1, ("shop.orders", 0): 0}, timeout_seconds=5)
    assert set(since) == {("shop.web", 0)}, "nothing waits in the orders"
    assert 200 <= (dt.datetime.now(dt.UTC) - since["shop.web", 0]).total_seconds() < 300
    assert measure_behind_since(shop.settings, {}) == {}


def test_the_backlogs_of_many_partitions_do_not_hide_their_heads(shop):
    """Each head is found in time, and is the first message, also when hundreds come with it in one fetch."""
    places = [(topic.name, number) for topic in TOPICS for number in range(topic.partitions)]
    stamp = int((time.time() - 500) * 1000)
    producer = Producer(shop.settings.kafka_client(log_level=0))
    for topic, partition in places:
        producer.produce(topic, b"x", partition=partition, timestamp=stamp)
        for _ in range(300):
            producer.produce(topic, b"x" * 500, partition=partition)
    assert producer.flush(30) == 0
    since = measure_behind_since(shop.settings, dict.fromkeys(places, 0))
    assert set(since) == set(places)
    assert {round(moment.timestamp() * 1000) for moment in since.values()} == {stamp}


def test_the_table_names_the_longest_waiting_partitions_and_not_dozens(shop):
    for partition in range(6):
        produce(shop, partition, 100 * (partition + 1))
    status = collect(shop.settings)
    text = shown(status_table(status, partitions=3))
    assert [f"shop.web/{n}" in text for n in range(6)] == [False] * 3 + [True] * 3
    assert text.index("shop.web/5") < text.index("shop.web/3")
    assert "6 of 27 partitions behind" in text and "6 messages, the oldest waits 10 min" in text
    assert "shop.returns/0" in shown(status_table(status, partitions=None))
    assert "shop.web/5" not in shown(live_screen(status, {}, {}, []))


def test_a_halt_stands_first_with_the_way_out(shop):
    admin(
        shop,
        "insert into ops.ingest_halts (reason, topic, partition, detail, message, resolution) values"
        " ('offsets_removed', 'shop.web', 3, '{}', 'four messages were removed', 'give them up'),"
        " ('topic_recreated', 'shop.orders', null, '{}', 'made anew', 'accept')",
    )
    admin(
        shop,
        "update ops.ingest_halts set resolved_at = now(), resolved_by = 'ada' where topic = 'shop.orders'",
    )
    status = collect(shop.settings)
    (halt,) = status.halts
    assert (halt["reason"], halt["topic"], halt["partition"]) == ("offsets_removed", "shop.web", 3)
    assert dt.datetime.fromisoformat(halt["first_seen_at"]).tzinfo is not None
    lines = shown(status_table(status)).splitlines()
    assert lines[0].startswith("HALTED since ") and "four messages were removed" in " ".join(lines[:2])
    assert "give them up" in lines[:4]
    assert json.loads(json.dumps(status.as_dict()))["halts"][0]["resolution"] == "give them up"


def test_services_are_shown_with_their_state_and_a_dead_one_is_silent(shop):
    for writer, state, age in (("one", "running", 1), ("two", "starting", 1), ("three", "running", 60)):
        admin(
            shop,
            "insert into ops.ingest_services (writer, started_at, heartbeat_at, lag, rows_per_second, partitions,"
            " state) values (%s, now(), now() - make_interval(secs => %s), 0, 10, '[\"shop.web/0\"]', %s)",
            [writer, age, state],
        )
    status = collect(shop.settings)
    assert (status.ingest_services, status.ingest_rows_per_second) == (2, 20.0)
    assert {row["writer"]: (row["state"], row["alive"]) for row in status.services} == {
        "one": ("running", True),
        "two": ("starting", True),
        "three": ("running", False),
    }
    assert "1 running, 1 silent, 1 starting services, 20 rows/s" in shown(status_table(status))


def test_counts_and_the_last_reconciliation_are_shown(shop):
    LedgerProducer(shop.settings).send(page_view(n) for n in range(6))
    ingest_until_end(shop.settings)
    reconcile(shop.settings)
    status = collect(shop.settings)
    assert (status.produced, status.landed, status.dead_lettered, status.duplicates) == (6, 6, 0, 0)
    assert status.reconciled and status.hours_off == 0 and "holds" in shown(status_table(status))
    admin(shop, "delete from raw.web where subject = 'ses_000002'")
    reconcile(shop.settings)
    assert "IS BROKEN, hours that do not add up: 1" in shown(status_table(collect(shop.settings)))


def test_a_kafka_that_is_away_leaves_the_rest_and_says_so(fresh_warehouse):
    settings = fresh_warehouse.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    status = collect(settings)
    assert status.landed == 0 and status.lag is None and status.lag_seconds is None
    assert any("127.0.0.1:1" in problem for problem in status.problems)
    assert measure_behind_since(settings, {("shop.web", 0): 0}, timeout_seconds=0.3) == {}
    shown(status_table(status))


WELL = {"components": [{"service": "kafka", "up": True, "detail": ""}], "reconciled": True, "hours_off": 0}
HALT = {"incident": "halt:shop.web:dead_letter_burst", "severity": "critical"}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({}, 0),
        ({"warning_checks": 3}, 0),
        ({"incidents": [{"incident": "late:marts", "severity": "warning"}]}, 0),
        ({"halts": [{"topic": "shop.web"}], "incidents": [HALT]}, 3),
        ({"halts": [{"topic": "shop.web"}], "incidents": [HALT], "failed_checks": 1}, 3),
        ({"incidents": [{"incident": "asset:marts/orders", "severity": "critical"}]}, 1),
        ({"failed_checks": 1}, 1),
        ({"components": [{"service": "dagster-daemon", "up": False, "detail": "no heartbeat"}]}, 1),
        ({"reconciled": False}, 1),
        ({"hours_off": 2}, 1),
        ({"blockers": ["shop_bi has held"]}, 1),
        ({"problems": ["Kafka does not answer"]}, 1),
    ],
)
def test_the_exit_code_says_whether_all_that_was_looked_at_is_well(found, code):
    assert Status(**WELL | found).exit_code == code


def test_everything_is_looked_at_and_each_that_is_away_stands_with_its_reason(shop):
    admin(
        shop,
        "insert into ops.check_results (run_id, asset, check_name, passed, severity, description) values"
        " ('refresher', 'marts/orders', 'adds_up', false, 'error', '2 rows'),"
        " ('by-hand', 'ops/reconciliation', 'hours_add_up', false, 'error', '3 hours'),"
        " ('refresher', 'raw/web', 'few_duplicates', false, 'warn', '1 %'),"
        " ('refresher', 'raw/web', 'mended', false, 'warn', 'was so'),"
        " ('refresher', 'raw/web', 'mended', true, 'warn', ''),"
        " ('refresher', 'raw/web', 'topic_is_read', false, 'error', 'halted')",
    )
    admin(
        shop,
        "insert into ops.alerts (incident, severity, title, detail, runbook)"
        " values ('check:marts/orders:adds_up', 'critical', 'adds_up does not hold for marts/orders', '2 rows', 'x')",
    )
    # Whoever else runs a Dagster on this machine is not asked.
    status = look_around(shop.settings.model_copy(update={"dagster_url": f"http://127.0.0.1:{any_free()}"}))
    away = {each["service"]: each["detail"] for each in status.components if not each["up"]}
    assert away["ingest"].startswith("no process reads") and away["monitor"].startswith("it never ran")
    assert "postgres" not in away and "kafka" not in away and away["dagster-web"]
    assert (status.failed_checks, status.warning_checks, status.exit_code) == (2, 1, 1), "a halt is told as one"
    text = shown(status_table(status))
    for part in (
        "ingest: no process reads",
        "2 failing (adds_up, hours_add_up), 1 with a warning",
        "adds_up does not hold",
        "2 rows",
    ):
        assert part in text
    assert "hours_add_up does not hold for ops/reconciliation" in text, "what only a person's own run has found"
    assert text.count("adds_up does not hold for marts/orders") == 1
    told = json.loads(json.dumps(status.as_dict(), default=str))
    assert told["failing_checks"][0]["check_name"] == "adds_up"
    assert [(each["check_name"], each["description"]) for each in told["warnings"]] == [("few_duplicates", "1 %")]
    assert "few_duplicates of raw/web" in text and "1 %" in text and "mended" not in text
    assert "few_duplicates" not in shown(live_screen(status, {}, {}, []))


def test_what_touches_money_is_told_first_and_a_day_that_no_calendar_has_once_and_last(shop):
    checks = [
        ("marts/dim_customers", "dim_customers_events_agree", "warn", "2026-11-01"),
        ("marts/dim_customers", "dim_customers_lifetime_values_are_known", "warn", "2026-11-02"),
        ("marts/fct_carts", "relationships_fct_carts_cart_date__date_day__ref_dim_date_", "warn", "2026-10-01"),
        ("marts/fct_orders", "relationships_fct_orders_order_date__date_day__ref_dim_date_", "warn", "2026-10-01"),
        ("marts/fct_orders", "fct_orders_events_agree", "warn", "2026-11-03"),
        ("marts/fct_events", "unique_fct_events_event_id", "error", "2026-11-01"),
        ("marts/kpi_daily", "kpi_daily_total_adds_up", "error", "2026-11-04"),
    ]
    for asset, check, severity, since in checks:
        admin(
            shop,
            "insert into ops.check_states"
            " (asset, check_name, passed, severity, description, run_id, checked_at, failing_since, pages)"
            f" values ('{asset}', '{check}', false, '{severity}', 'Found.', 'r', now(), '{since}', false)",
        )
    status = collect(shop.settings)
    assert names_of([each | {"check_name": "few"} for each in status.failing_checks]) == [
        "few of marts/kpi_daily",
        "few of marts/fct_events",
    ]
    assert [each["check_name"] for each in status.failing_checks] == [
        "kpi_daily_total_adds_up",
        "unique_fct_events_event_id",
    ]
    assert status.warning_checks == 5, "the folding is the screen's"
    text = " ".join(shown(status_table(status)).split())
    places = [
        "2 failing (kpi_daily_total_adds_up, unique_fct_events_event_id), 5 with a warning",
        *("dim_customers_lifetime_values_are_known", "fct_orders_events_agree", "dim_customers_events_agree"),
        "relationships with dim_date (2 checks)",
        "Days that dim_date does not have, in cart_date of fct_carts, order_date of fct_orders. Found.",
    ]
    assert [text.find(place) for place in places] == sorted(text.find(place) for place in places)
    assert -1 not in [text.find(place) for place in places]
    assert text.count("dim_date") == 3, "its heading and its sentence"


def test_at_most_ten_warnings_are_told_and_of_the_others_how_many():
    warnings = [
        {"asset": "marts/orders", "check_name": f"check_{n:02d}", "description": f"Orders. Found: order_id o{n}."}
        for n in range(12)
    ]
    status = Status(failed_checks=0, warning_checks=12, warnings=warnings)
    text = shown(status_table(status))
    assert "check_09 of marts/orders" in text and "Found: order_id o9." in text
    assert "check_10" not in text and "and 2 more that warn" in text
