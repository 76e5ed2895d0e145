"""The checks of the raw tables tell a quiet shop from a broken producer, and both from a lost event."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import dagster as dg
import pytest

from shop_platform.dead_letters.discard import discard
from shop_platform.dead_letters.selection import select
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.orchestration import names
from shop_platform.orchestration.batches import SubjectState, subject_states
from shop_platform.orchestration.dead_shares import ProducerShare, Waiting, too_many, waiting
from shop_platform.orchestration.defs.ingestion.checks import (
    judge_dead_letters,
    judge_event_age,
    ledger_checks,
    reconciliation_check,
)
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view

APP = "/shop/app", "shop.web.page_viewed.v1"
LEDGER = names.LEDGER_KEY[-1]


@pytest.mark.parametrize(
    ("age", "passed"),
    [(dt.timedelta(minutes=1), True), (dt.timedelta(minutes=16), False), (None, False)],
)
def test_old_data_is_a_warning_because_what_is_there_is_right(age, passed):
    result = judge_event_age("web", SubjectState(event_age=age))
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity.WARN)


@pytest.mark.parametrize(
    ("dead", "passed", "severity"),
    [
        (0, True, dg.AssetCheckSeverity.WARN),
        (9, True, dg.AssetCheckSeverity.WARN),
        (10, False, dg.AssetCheckSeverity.WARN),
        (51, False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_some_dead_letters_warn_and_many_are_an_error(dead, passed, severity):
    result = judge_dead_letters("web", SubjectState(messages=1000, waiting=Waiting(1000, dead)))
    assert (result.passed, result.severity) == (passed, severity)


@pytest.mark.parametrize(
    ("rows", "passed", "severity", "named"),
    [
        ([(*APP, 10, 0)], False, dg.AssetCheckSeverity.ERROR, "10 of 10 shop.web.page_viewed.v1 from /shop/app."),
        ([(*APP, 9, 0)], True, dg.AssetCheckSeverity.WARN, None),
        ([(*APP, 10, 0), (*APP, 0, 191)], True, dg.AssetCheckSeverity.WARN, None),
        ([(*APP, 10, 0), (*APP, 0, 190)], False, dg.AssetCheckSeverity.WARN, "10 of 200 shop.web.page_viewed.v1"),
        ([(*APP, 10, 0), (*APP, 0, 10)], False, dg.AssetCheckSeverity.ERROR, "10 of 20 shop.web.page_viewed.v1"),
        ([("/shop/app", "shop.web.page_viewed.v99", 50, 0)], False, dg.AssetCheckSeverity.WARN, "50 of 50 shop.web"),
        ([(*APP, 10, 0), ("/shop/web", APP[1], 0, 9_000)], False, dg.AssetCheckSeverity.ERROR, "from /shop/app"),
        ([(None, APP[1], 10, 0), (*APP, 0, 9_000)], True, dg.AssetCheckSeverity.WARN, None),
        ([(None, APP[1], 10, 0), (*APP, 0, 90)], False, dg.AssetCheckSeverity.WARN, "from an unreadable source"),
    ],
)
def test_a_type_that_fails_is_told_with_its_source_however_small_a_part_of_its_topic(rows, passed, severity, named):
    waits = Waiting(1_000_000, 10, tuple(too_many(rows)))
    result = judge_dead_letters("web", SubjectState(messages=1_000_000, waiting=waits))
    assert (result.passed, result.severity) == (passed, severity)
    assert (named or "dead letters;") in result.description and bool(waits.producers) == (named is not None)


def test_producers_are_told_apart_in_the_warehouse_and_only_what_waits_counts(shop):
    good, now = LedgerProducer(shop.settings), dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    for number in range(30):
        good.send([page_view(number, id=str(uuid.uuid4()), source="/shop/web") | {"time": now}])
        broken = page_view(number, id=str(uuid.uuid4()), source="/shop/app") | {"time": now}
        if number < 10:
            del broken["data"]["page"]
        if number < 12:
            good.send_raw("shop.web", json.dumps(broken).encode(), broken["id"])
    good.flush()
    ingest_until_end(shop.settings)
    with connect(shop.settings, Role.ORCHESTRATOR) as connection:
        waits = waiting(connection)["web"]
    assert waits == Waiting(42, 10, (ProducerShare("/shop/app", "shop.web.page_viewed.v1", 12, 10),)) and waits.calls
    discard(shop.settings, select(source="/shop/app", ids=[1]), actor="ada", because="a client's bug")
    with connect(shop.settings, Role.ORCHESTRATOR) as connection:
        assert waiting(connection)["web"] == Waiting(42, 9), "nine are too few to be judged"


def test_the_state_is_read_from_the_ledger(shop):
    producer = LedgerProducer(shop.settings)
    now = dt.datetime.now(dt.UTC)
    producer.send([page_view(1, id=str(uuid.uuid4())) | {"time": now.isoformat().replace("+00:00", "Z")}])
    producer.send_raw("shop.web", b"{", str(uuid.uuid4()))
    producer.flush()
    ingest_until_end(shop.settings)
    state = subject_states(shop.settings)["web"]
    assert (state.messages, state.waiting) == (2, Waiting(2, 1)) and state.waiting.share == 0.5
    assert state.event_age is not None and dt.timedelta() <= state.event_age < dt.timedelta(minutes=5)
    results = by_check(evaluate(ledger_checks, shop))
    assert results["web", names.CHECK_EVENT_AGE].passed and not results["web", names.CHECK_DEAD_LETTERS].passed
    assert not results["orders", names.CHECK_EVENT_AGE].passed, "nothing ever landed"
    discard(shop.settings, select(topic="web"), actor="ada", because="a client's bug")
    assert by_check(evaluate(ledger_checks, shop))["web", names.CHECK_DEAD_LETTERS].passed, "somebody has dealt with it"


def test_a_lost_event_is_an_error_on_the_ledger_and_its_hour_is_named(shop):
    LedgerProducer(shop.settings).send(page_view(n) for n in range(5))
    ingest_until_end(shop.settings)
    results = by_check(evaluate(reconciliation_check, shop))
    assert set(results) == {(LEDGER, names.CHECK_RECONCILED), (LEDGER, names.CHECK_HOURS)}
    assert all(result.passed for result in results.values())
    with connect(shop.settings, Role.ADMIN) as connection:
        ((partition,),) = connection.execute(
            "delete from raw.web where subject = 'ses_000003' returning kafka_partition"
        ).fetchall()
    broken = {
        key: result for key, result in by_check(evaluate(reconciliation_check, shop)).items() if not result.passed
    }
    assert set(broken) == {(LEDGER, names.CHECK_RECONCILED), (LEDGER, names.CHECK_HOURS)}
    assert all(result.severity is dg.AssetCheckSeverity.ERROR for result in broken.values())
    assert broken[LEDGER, names.CHECK_RECONCILED].metadata["counts"].value["missing"] == 1
    (worst,) = broken[LEDGER, names.CHECK_HOURS].metadata["worst"].value
    assert (worst["topic"], worst["partition"], worst["event_hour"], worst["difference"]) == (
        *("shop.web", partition, "2026-03-01T09:00:00+00:00", 1),
    )
    assert f"shop.web/{partition}, 2026-03-01 09:00 UTC: 1 missing" in broken[LEDGER, names.CHECK_HOURS].description
    assert broken[LEDGER, names.CHECK_HOURS].metadata["off_by_topic"].value == {"shop.web": 1}


def test_the_ledger_is_reported_in_the_run_that_checks_it_so_that_dagster_shows_its_checks(shop):
    result = execute(reconciliation_check, shop)
    (reported,) = (event for event in result.all_events if event.is_step_materialization)
    assert reported.asset_key == dg.AssetKey(names.LEDGER_KEY)


def by_check(results):
    return {(result.asset_key.path[-1], result.check_name): result for result in results}


def evaluate(checks, shop):
    return execute(checks, shop).get_asset_check_evaluations()


def execute(checks, shop):
    definitions = dg.Definitions(
        asset_checks=[checks],
        jobs=[dg.define_asset_job("only_checks", dg.AssetSelection.checks(checks))],
        resources={"settings": shop.settings},
    )
    return definitions.resolve_job_def("only_checks").execute_in_process()
