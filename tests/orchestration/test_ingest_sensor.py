"""Ingestion starts when there is lag and nobody reads it, once per standstill."""

from __future__ import annotations

import dagster as dg
import pytest

from shop_platform.ingest.lag import PartitionLag
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.orchestration.defs.ingestion.sensors import (
    TOPIC_REPORT_SECONDS,
    ingest_on_lag,
    run_key,
    topic_reports,
)
from shop_platform.orchestration.run_requests import RETRY_SECONDS
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view, refund


@pytest.fixture
def evaluate(shop):
    with dg.DagsterInstance.ephemeral() as instance:

        def call(cursor=None, instance=instance):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            return ingest_on_lag(context, settings=shop.settings)

        call.instance = instance
        yield call


def test_a_lag_starts_a_run_and_after_it_there_is_none(shop, evaluate):
    assert evaluate().skip_reason.skip_message == "The warehouse has read everything Kafka holds."
    LedgerProducer(shop.settings).send(page_view(n) for n in range(20))
    assert len(evaluate().run_requests) == 1
    ingest_until_end(shop.settings)
    assert not evaluate().run_requests


def test_a_lost_cursor_asks_for_the_same_run_key_so_nothing_starts_twice(shop, evaluate):
    producer = LedgerProducer(shop.settings)
    producer.send([page_view(1)])
    first = evaluate()
    producer.send([page_view(2)])
    again = evaluate(cursor=first.cursor)
    reset = evaluate(cursor=None)
    assert {result.run_requests[0].run_key for result in (first, again, reset)} == {first.run_requests[0].run_key}
    ingest_until_end(shop.settings)
    producer.send([page_view(3)])
    assert evaluate().run_requests[0].run_key != first.run_requests[0].run_key


def test_what_waits_for_a_person_starts_no_run(shop, evaluate):
    LedgerProducer(shop.settings).send([page_view(1)])
    with connect(shop.settings, Role.INGEST) as connection:
        connection.execute(
            "insert into ops.ingest_halts (reason, topic, detail, message, resolution)"
            " values ('dead_letter_burst', 'shop.web', '{}', 'a burst', 'accept it')"
        )
    result = evaluate()
    assert not result.run_requests and "1 messages wait for a person's decision" in result.skip_reason.skip_message
    LedgerProducer(shop.settings, "later").send([refund(1)])
    assert len(evaluate().run_requests) == 1


def test_a_living_service_is_left_to_do_it(shop, evaluate):
    LedgerProducer(shop.settings).send([page_view(1)])
    with connect(shop.settings, Role.INGEST) as connection:
        connection.execute("insert into ops.ingest_services values ('w', now(), now(), 1, 0)")
    result = evaluate()
    assert not result.run_requests and "continuous ingest service is alive" in result.skip_reason.skip_message
    with connect(shop.settings, Role.INGEST) as connection:
        connection.execute("update ops.ingest_services set heartbeat_at = now() - interval '1 hour'")
    assert evaluate().run_requests


def test_no_run_is_asked_for_while_one_waits(shop, evaluate):
    LedgerProducer(shop.settings).send([page_view(1)])
    run = evaluate.instance.create_run_for_job(noop, status=dg.DagsterRunStatus.STARTING)
    result = evaluate()
    assert not result.run_requests and "queued or running" in result.skip_reason.skip_message
    evaluate.instance.delete_run(run.run_id)
    assert evaluate().run_requests


def test_a_standstill_is_tried_again_in_the_next_window_only():
    lags = {"shop.web": {0: PartitionLag(10, 3)}}
    now = 1_800_000_000 - 1_800_000_000 % RETRY_SECONDS
    assert run_key(lags, now) == run_key(lags, now + RETRY_SECONDS - 1)
    assert run_key(lags, now) != run_key(lags, now + RETRY_SECONDS)
    assert run_key(lags, now) != run_key({"shop.web": {0: PartitionLag(10, 4)}}, now)


def test_a_topic_is_reported_when_it_grew_and_not_more_often_than_it_should():
    def at(end, cursor, now):
        return topic_reports({"shop.web": {0: PartitionLag(end, 0), 1: PartitionLag(1, 1)}}, cursor, now)

    events, cursor = at(5, None, 1000.0)
    assert [event.asset_key.to_user_string() for event in events] == ["kafka/web"]
    assert at(5, cursor, 1000.0 + TOPIC_REPORT_SECONDS)[0] == []
    assert at(6, cursor, 1001.0)[0] == []
    assert len(at(6, cursor, 1000.0 + TOPIC_REPORT_SECONDS)[0]) == 1


@dg.job(name="ingest")
def noop():
    pass
