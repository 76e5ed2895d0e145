"""A burst of dead letters stops the reading of its topic before it is drained; a few never do."""

from __future__ import annotations

import uuid

import pytest

from shop_platform.events.faults import ErrorClass
from shop_platform.ingest.breaker import BurstBreaker, DeadLetterBurstError
from shop_platform.ingest.dead import DeadLetter
from shop_platform.ingest.decisions import accept
from shop_platform.ingest.halts import HaltError
from shop_platform.ingest.offsets import Position
from shop_platform.ingest.until_end import ingest_until_end, read_until_end
from shop_platform.ingest.write import Written
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view, refund


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
    with pytest.raises(HaltError, match=r"of the \d+ messages .* most of them not_json: .* \(partition 0,"):
        ingest_until_end(settings)
    assert 0 < dead(settings) < 50
    assert reconcile(settings).holds  # what was not committed is still in Kafka


def test_another_process_goes_on_counting_where_the_first_one_stopped(settings):
    poison(settings, 200)
    for _ in range(3):
        with pytest.raises(HaltError):
            ingest_until_end(settings)
        assert dead(settings) < 50


def test_an_open_halt_is_honoured_when_the_burst_is_older_than_what_is_counted(settings):
    poison(settings, 200)
    with pytest.raises(HaltError):
        ingest_until_end(settings)
    before = dead(settings)
    with connect(settings, Role.ADMIN) as admin:  # as if five minutes had passed
        admin.execute("update ops.ingest_batches set committed_at = committed_at - interval '1 hour'")
        admin.execute("update ops.ingest_halts set first_seen_at = first_seen_at - interval '1 hour'")
    with pytest.raises(HaltError, match="most of them not_json"):
        ingest_until_end(settings)
    assert dead(settings) == before


def test_only_the_topic_with_the_burst_waits(settings):
    poison(settings, 200)
    orders = [refund(1) for _ in range(80)]
    LedgerProducer(settings).send(orders)
    report = read_until_end(settings)
    assert [halt.topic for halt in report.halts] == ["shop.web"]
    assert report.by_subject["returns"].landed == 80 and report.by_subject["returns"].lag == 0
    assert report.by_subject["web"].lag > 0
    LedgerProducer(settings, "later").send(refund(1) for _ in range(20))
    assert read_until_end(settings).by_subject["returns"].landed == 20
    assert reconcile(settings).holds


def test_a_batch_that_was_refused_is_not_counted_when_it_comes_again(shop):
    web, orders, burst = written("shop.web", 0), written("shop.orders", 40), written("shop.orders", 100)
    with connect(shop.settings, Role.INGEST, autocommit=True) as connection:
        breaker = BurstBreaker(connection, least=100, share=0.5)
        for _ in range(5):
            with pytest.raises(DeadLetterBurstError, match="100 of the 100 messages"):
                breaker.admit([web, burst], [letter("shop.orders")])
        breaker.admit([web, orders], [letter("shop.orders")])
        with pytest.raises(DeadLetterBurstError, match="140 of the 200 messages"):
            breaker.admit([web, burst], [letter("shop.orders")])


def written(topic, dead):
    return Written(Position(topic, 0, "id", 100), 100, 100 - dead, 0, dead, None, None)


def letter(topic):
    return DeadLetter(topic, 0, 0, None, b"{", [], None, ErrorClass.NOT_JSON, "broken", None, None, None, None)


def test_an_accepted_burst_goes_through_and_is_kept_with_its_reason(settings):
    poison(settings, 200)
    with pytest.raises(HaltError, match=r"shop offsets accept shop\.web"):
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
