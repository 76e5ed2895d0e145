"""What is unusual is a warning: an hour unlike the same hour of other weeks, repetitions, fields nobody knows."""

from __future__ import annotations

import datetime as dt
import uuid
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.orchestration.batches import SubjectState
from shop_platform.orchestration.defs.ingestion.drift_checks import (
    DUPLICATES,
    FIELDS,
    VOLUME,
    drift_checks,
    judge_duplicates,
    judge_volume,
)
from shop_platform.orchestration.drift import Volume, hours_to_compare, volumes
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.orchestration.shop_day import shop_day
from tests.orchestration.test_checks import by_check, evaluate
from tests.support.events import LedgerProducer, page_view

HOUR = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("events", "earlier", "passed"),
    [
        (1000, (1000, 1100, 900, 1000), True),
        (480, (1000, 1100, 900, 1000), False),
        (2100, (1000, 1100, 900, 1000), False),
        (0, (1000, 1100, 900, 1000), False),
        # One holiday among the weeks moves no median.
        (1000, (0, 1000, 1100, 900), True),
        # Few events: chance.
        (3, (15, 18, 22, 12), True),
        (0, (30, 28, 33, 31), False),
        (0, (0, 0, 0, 0), True),
        (400, (0, 0, 0, 0), False),
        # Too little to compare with.
        (0, (1000,), True),
        (0, (), True),
    ],
)
def test_an_hour_is_held_against_the_same_hour_of_other_weeks(events, earlier, passed):
    result = judge_volume("web", Volume(HOUR, events, earlier))
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity.WARN)


def test_the_last_hour_that_has_settled_is_compared():
    assert hours_to_compare(HOUR.replace(minute=30), BERLIN)[0] == HOUR - dt.timedelta(hours=1)
    assert hours_to_compare(HOUR.replace(minute=5), BERLIN)[0] == HOUR - dt.timedelta(hours=2)
    assert hours_to_compare(HOUR.replace(minute=30), BERLIN)[1] == HOUR - dt.timedelta(weeks=1, hours=1)


def test_the_same_hour_is_the_same_on_the_shops_clock_when_the_clocks_change():
    """On 2026-10-25 Berlin goes from UTC+2 to UTC+1."""
    now = dt.datetime(2026, 10, 27, 9, 30, tzinfo=dt.UTC)
    this, week_before, *_ = hours_to_compare(now, BERLIN)
    assert (this.hour, week_before.hour) == (8, 7)
    assert this.astimezone(BERLIN).hour == week_before.astimezone(BERLIN).hour == 9
    assert len(hours_to_compare(now, BERLIN)) == 5


@pytest.mark.parametrize(("duplicates", "passed"), [(0, True), (49, True), (50, False)])
def test_many_repetitions_warn(duplicates, passed):
    result = judge_duplicates("web", SubjectState(messages=1000, duplicates=duplicates))
    assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity.WARN)


def test_what_landed_is_counted_by_hour_of_event_time(shop):
    now = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)
    producer = LedgerProducer(shop.settings)
    last = hours_to_compare(now, BERLIN)
    producer.send(page_view(n, time=last[0] + dt.timedelta(minutes=n)) for n in range(4))
    producer.send(page_view(n, time=last[1] + dt.timedelta(minutes=n)) for n in range(3))
    producer.send([page_view(1, time=last[2] + dt.timedelta(minutes=1))])
    ingest_until_end(shop.settings)
    with connect(shop.settings, Role.ORCHESTRATOR) as connection:
        found = volumes(connection, now, BERLIN)
    assert found == {"web": Volume(last[0], 4, (3, 1))}, "weeks before the first event do not count"


def test_an_ordinary_day_is_in_the_contract_and_a_new_field_is_named(shop):
    producer = LedgerProducer(shop.settings)
    producer.send(shop_day(1))
    ingest_until_end(shop.settings)
    results = by_check(evaluate(drift_checks, shop))
    assert set(results) == {(topic.subject, name) for topic in TOPICS for name in (VOLUME, DUPLICATES, FIELDS)}
    assert [key for key, result in results.items() if not result.passed] == []

    event = page_view(7, id=str(uuid.uuid4()))
    event["data"]["scroll_depth"] = 0.4
    producer.send([event])
    producer.send([event, event])
    ingest_until_end(shop.settings)
    broken = {key: result for key, result in by_check(evaluate(drift_checks, shop)).items() if not result.passed}
    assert broken["web", FIELDS].description == (
        f"Events of web carry fields that the contract does not name: {event['type']}: scroll_depth."
    )
    assert broken["web", FIELDS].severity is dg.AssetCheckSeverity.WARN
    assert set(broken) == {("web", FIELDS), ("web", DUPLICATES)}, "the same event came three times"
