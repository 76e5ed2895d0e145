"""A burst of dead letters stops the ingestion before the topic is drained; a few never do."""

from __future__ import annotations

import uuid

import pytest

from shop_platform.ingest.breaker import DeadLetterBurstError
from shop_platform.ingest.decisions import accept
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view


@pytest.fixture
def settings(shop):
    return shop.settings.model_copy(
        update={"ingest_dead_letter_burst": 50, "ingest_dead_letter_share": 0.2, "ingest_batch_messages": 20}
    )


def poison(settings, count, run="poison"):
    producer = LedgerProducer(settings, run)
    for _ in range(count):
        producer.send_raw("shop.web", b'{"broken":', str(uuid.uuid4()), partition=0)
    producer.flush()


def dead(settings):
    with connect(settings, Role.ADMIN) as admin:
        return admin.execute("select count(*) from ops.dead_letters").fetchone()[0]


def test_a_burst_stops_before_the_limit_is_passed_and_is_told_with_an_example(settings):
    LedgerProducer(settings).send(page_view(n) for n in range(30))
    ingest_until_end(settings)
    poison(settings, 200)
    with pytest.raises(DeadLetterBurstError, match=r"of the \d+ messages .* most of them not_json: .* \(partition 0,"):
        ingest_until_end(settings)
    assert 0 < dead(settings) < 50
    assert reconcile(settings).holds  # what was not committed is still in Kafka


def test_another_process_goes_on_counting_where_the_first_one_stopped(settings):
    poison(settings, 200)
    for _ in range(3):
        with pytest.raises(DeadLetterBurstError):
            ingest_until_end(settings)
        assert dead(settings) < 50


def test_an_accepted_burst_goes_through_and_is_kept_with_its_reason(settings):
    poison(settings, 200)
    with pytest.raises(DeadLetterBurstError, match=r"shop offsets accept shop\.web"):
        ingest_until_end(settings)
    (decision,) = accept(settings, "shop.web", None, by="ada", because="a client's bug, mended at noon")
    assert decision.reason == "dead_letter_burst"
    ingest_until_end(settings)
    assert dead(settings) == 200 and reconcile(settings).holds


def test_many_dead_letters_among_many_more_good_ones_do_not_stop(settings):
    LedgerProducer(settings).send(page_view(n) for n in range(900))
    ingest_until_end(settings)
    poison(settings, 100)
    ingest_until_end(settings)
    assert dead(settings) == 100


def test_zero_switches_it_off(settings):
    poison(settings, 120)
    ingest_until_end(settings.model_copy(update={"ingest_dead_letter_burst": 0}))
    assert dead(settings) == 120
