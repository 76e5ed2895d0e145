"""The ingestion on real Apache Kafka: what the embedded broker has not, and what must be the same on both."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.cimpl import NewPartitions

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.lag import end_offsets, measure_lag, services_alive
from shop_platform.ingest.topics import ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import START, LedgerProducer, page_view

pytestmark = pytest.mark.kafka

WEB = "shop.web"


class Transaction:
    """One transaction of a producer of its own, whose messages are in the ledger once it is committed."""

    def __init__(self, settings):
        self._settings = settings
        self._sent = []
        self._producer = Producer(settings.kafka_client(transactional_id=f"t-{uuid.uuid4()}", log_level=0))
        self._producer.init_transactions(60)
        self._producer.begin_transaction()

    def send(self, number, partition=0):
        for each in (page_view(n) for n in range(number)):

            def sent(error, message, event_id=each["id"]):
                assert error is None, error
                self._sent.append(
                    f"{event_id}\t{WEB}\t{message.partition()}\t{message.offset()}\t{START.isoformat()}\n"
                )

            headers = [("ce_id", each["id"])]
            self._producer.produce(
                WEB,
                json.dumps(each).encode(),
                key=each["subject"],
                headers=headers,
                partition=partition,
                on_delivery=sent,
            )
        assert self._producer.flush(60) == 0
        return self

    def commit(self):
        self._producer.commit_transaction(60)
        path = self._settings.ledger_dir / "produced" / "transactions.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(self._sent)

    def abort(self):
        self._producer.abort_transaction(60)


def query(settings, statement, *parameters):
    with connect(settings, Role.ADMIN) as connection:
        return connection.execute(statement, parameters).fetchall()


def landed(settings):
    return query(settings, "select count(*) from raw.web")[0][0]


def lag(settings):
    return sum(partition.lag for partition in measure_lag(settings)[WEB].values())


def eventually(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition not reached"
        time.sleep(0.1)


@contextlib.contextmanager
def service(settings):
    process = subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest"],
        env=os.environ | settings.process_environment(),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def command(settings, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "shop_platform.cli", *arguments],
        env=os.environ | settings.process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_everything_lands_once_with_repetitions_and_dead_letters(real_shop):
    settings = real_shop.settings
    producer = LedgerProducer(settings)
    events = [page_view(n) for n in range(500)]
    producer.send(events + events[100:150])
    for _ in range(7):
        producer.send_raw(WEB, b"{", str(uuid.uuid4()))
    producer.flush()

    report = ingest_until_end(settings).by_subject["web"]
    producer.send(events[:50])
    later = ingest_until_end(settings).by_subject["web"]

    assert (report.landed, report.duplicates, report.dead, report.lag) == (500, 50, 7, 0)
    assert (later.landed, later.duplicates, later.dead, later.lag) == (0, 50, 0, 0)
    outcome = reconcile(settings)
    assert outcome.holds and (outcome.produced, outcome.landed, outcome.dead_lettered) == (507, 500, 7)


def test_topics_that_were_made_a_moment_ago_are_read_at_once(real_kafka, real_shop):
    """A partition has no leader for an instant; asking for its end fails then."""
    for _ in range(12):
        real_kafka.remove_topics()
        ensure_topics(real_shop.settings)
        assert len(end_offsets(real_shop.settings)) == sum(topic.partitions for topic in TOPICS)


ENDINGS = {
    "an event": lambda settings: LedgerProducer(settings).send([page_view(1)]),
    "a commit": lambda settings: Transaction(settings).send(3).commit(),
    "an abort": lambda settings: Transaction(settings).send(3).abort(),
    "several aborts": lambda settings: [Transaction(settings).send(2).abort() for _ in range(3)],
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_log_with_transactions_is_read_to_its_end_and_what_was_aborted_never_lands(real_shop, ending):
    """Markers of commits and aborts take offsets and carry no message: a log may end with one."""
    settings = real_shop.settings
    Transaction(settings).send(10).commit()
    Transaction(settings).send(20).abort()
    Transaction(settings).send(30).commit()
    ending(settings)

    report = ingest_until_end(settings, timeout_seconds=60).by_subject["web"]

    outcome = reconcile(settings)
    assert outcome.holds and outcome.in_flight == 0
    assert report.landed == landed(settings) == outcome.produced
    assert report.lag == lag(settings) == 0
    assert ingest_until_end(settings, timeout_seconds=60).messages == 0
    LedgerProducer(settings, "later").send(page_view(n) for n in range(20))
    assert ingest_until_end(settings, timeout_seconds=60).by_subject["web"].landed == 20
    assert reconcile(settings).holds


def test_a_log_of_nothing_but_aborted_transactions_is_read_to_its_end(real_shop):
    settings = real_shop.settings
    Transaction(settings).send(5).abort()

    report = ingest_until_end(settings, timeout_seconds=60)

    assert (report.messages, lag(settings), landed(settings)) == (0, 0, 0)
    assert reconcile(settings).offset_mismatches == 0


def test_an_open_transaction_lands_when_it_is_committed_and_not_before(real_shop):
    settings = real_shop.settings
    LedgerProducer(settings).send([page_view(1)])
    transaction = Transaction(settings).send(10)
    # Behind it: Kafka gives them out once the transaction has ended.
    producer = LedgerProducer(settings, "behind")
    for _ in range(5):
        each = page_view(2)
        producer.send_raw(WEB, json.dumps(each).encode(), each["id"], partition=0)
    producer.flush()

    ingest_until_end(settings, timeout_seconds=60)
    assert landed(settings) == 1

    transaction.commit()
    report = ingest_until_end(settings, timeout_seconds=60).by_subject["web"]
    assert (report.landed, report.lag) == (15, 0)
    assert reconcile(settings).holds


def test_a_service_reaches_the_end_of_a_log_that_ends_with_a_marker_and_until_end_waits_for_it(real_shop):
    settings = real_shop.settings
    with service(settings):
        eventually(lambda: services_alive(settings))
        Transaction(settings).send(10).commit()
        Transaction(settings).send(10).abort()
        report = ingest_until_end(settings, timeout_seconds=60)

        def caught_up():
            rows = query(settings, "select sum(lag) from ops.kafka_lag where topic = %s and end_offset > 0", WEB)
            return rows == [(0,)]

        eventually(caught_up)
    assert report.waited_for_service and report.by_subject["web"].lag == 0
    assert landed(settings) == 10
    assert reconcile(settings).holds


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_compressed_topic_lands(real_shop, codec):
    settings = real_shop.settings
    producer = Producer(settings.kafka_client(compression_type=codec, linger_ms=50, log_level=0))
    for each in (page_view(n) for n in range(300)):
        producer.produce(WEB, json.dumps(each).encode(), key=each["subject"])
    assert producer.flush(60) == 0

    assert ingest_until_end(settings).by_subject["web"].landed == 300


def test_a_recreated_topic_halts_with_exit_code_3(real_shop):
    settings = real_shop.settings
    LedgerProducer(settings).send(page_view(n) for n in range(50))
    ingest_until_end(settings)
    real_shop.admin.delete_topics([WEB], operation_timeout=30)[WEB].result(30)
    eventually(lambda: WEB not in real_shop.admin.list_topics(timeout=10).topics)
    ensure_topics(settings)
    LedgerProducer(settings, "second").send(page_view(n) for n in range(50))

    done = command(settings, "ingest", "--until-end")

    assert done.returncode == 3, done.stderr
    assert "shop.web was recreated" in done.stderr and "Traceback" not in done.stderr
    assert landed(settings) == 50


def test_records_deleted_before_they_were_read_halt_with_the_exact_gap(real_shop):
    settings = real_shop.settings
    LedgerProducer(settings).send(page_view(n) for n in range(120))
    end = ingest_until_end(settings).by_subject["web"].next_offsets[0]
    LedgerProducer(settings).send(page_view(n) for n in range(120))
    real_shop.admin.delete_records([TopicPartition(WEB, 0, end + 4)])[TopicPartition(WEB, 0)].result(30)

    done = command(settings, "ingest", "--until-end")

    assert done.returncode == 3, done.stderr
    assert f"offsets {end} to {end + 3} (4 messages)" in done.stderr and "Traceback" not in done.stderr


def test_partitions_added_while_a_service_runs_are_read_without_a_restart(real_shop):
    settings = real_shop.settings

    def send(partitions):
        producer = LedgerProducer(settings, f"from-{partitions.start}")  # an older one would not know new partitions
        for partition in partitions:
            each = page_view(partition)
            producer.send_raw(WEB, json.dumps(each).encode(), each["id"], partition=partition)
        producer.flush()

    before = len(measure_lag(settings)[WEB])
    with service(settings) as process:
        # All is dealt out and read: what comes now is found by looking again, not by a rebalance that is under way.
        send(range(before))
        eventually(lambda: landed(settings) == before)
        real_shop.admin.create_partitions([NewPartitions(WEB, before + 2)])[WEB].result(30)
        eventually(lambda: len(measure_lag(settings)[WEB]) == before + 2)
        send(range(before, before + 2))
        eventually(lambda: landed(settings) == before + 2)
        assert process.poll() is None
    assert reconcile(settings).holds


def test_a_killed_service_is_replaced_by_the_other_of_its_group(real_shop):
    settings = real_shop.settings.model_copy(update={"ingest_batch_messages": 100})
    producer = LedgerProducer(settings)
    with service(settings) as first, service(settings):

        def shared():
            rows = query(settings, "select jsonb_array_length(partitions) from ops.ingest_services")
            return len(rows) == 2 and all(count > 0 for (count,) in rows)

        eventually(shared)
        producer.send(page_view(n) for n in range(3000))
        first.send_signal(signal.SIGKILL)
        producer.send(page_view(n) for n in range(1000))
        eventually(lambda: landed(settings) == 4000, 120)
    assert reconcile(settings).holds
