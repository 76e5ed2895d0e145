"""The continuous service survives being killed, and a second one shares the work."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx

from shop_platform.ingest.behind import BehindWatch
from shop_platform.ingest.decisions import accept
from shop_platform.ingest.lag import services_alive
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.ports import any_free
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view, refund
from tests.support.waiting import eventually


@contextmanager
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


def landed(settings):
    with connect(settings, Role.ADMIN) as admin:
        return admin.execute("select count(*) from raw.web").fetchone()[0]


def test_killed_services_lose_and_double_nothing(shop):
    settings = shop.settings.model_copy(update={"ingest_batch_messages": 100})
    producer = LedgerProducer(settings)
    producer.send(page_view(n) for n in range(4000))
    for kill_after in (1, 1500):
        with service(settings) as process:
            eventually(lambda after=kill_after: landed(settings) >= after)
            process.send_signal(signal.SIGKILL)
    ingested = 0
    with connect(settings, Role.ADMIN) as admin:  # the killed one's sign of life would make the next call wait for it
        admin.execute("delete from ops.ingest_services")
    ingest_until_end(settings)
    ingested = landed(settings)
    assert ingested == 4000
    assert reconcile(settings).holds


def test_a_stopped_service_takes_its_sign_of_life_away(shop):
    with service(shop.settings) as process:
        eventually(lambda: services_alive(shop.settings))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not services_alive(shop.settings)


def test_until_end_waits_for_a_living_service(shop):
    with service(shop.settings):
        eventually(lambda: services_alive(shop.settings))
        LedgerProducer(shop.settings).send(page_view(n) for n in range(500))
        report = ingest_until_end(shop.settings)
    assert report.waited_for_service and report.by_subject["web"].lag == 0
    assert landed(shop.settings) == 500


def test_two_services_share_the_partitions_and_each_event_lands_once(shop):
    with service(shop.settings), service(shop.settings):

        def shared():
            with connect(shop.settings, Role.ADMIN) as admin:
                rows = admin.execute("select jsonb_array_length(partitions) from ops.ingest_services").fetchall()
            return len(rows) == 2 and all(row[0] > 0 for row in rows)

        eventually(shared)
        LedgerProducer(shop.settings).send(page_view(n) for n in range(2000))
        eventually(lambda: landed(shop.settings) == 2000)
    assert reconcile(shop.settings).holds


def test_postgres_going_away_is_waited_out(shop):
    with service(shop.settings):
        eventually(lambda: services_alive(shop.settings))
        with connect(shop.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'shop_ingest'")
        LedgerProducer(shop.settings).send(page_view(n) for n in range(100))
        eventually(lambda: landed(shop.settings) == 100)
    assert reconcile(shop.settings).holds


def query(settings, statement):
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        cursor = admin.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_a_topic_that_halts_waits_alone_and_goes_on_by_itself_once_a_person_has_decided(shop):
    port = any_free()
    settings = shop.settings.model_copy(update={"ingest_health_port": port})
    LedgerProducer(settings).send(page_view(n) for n in range(20))
    with service(settings) as process:
        eventually(lambda: landed(settings) == 20)

        def health():
            return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60)

        eventually(lambda: health().json()["healthy"])
        admin = admin_client(settings)
        admin.delete_topics(["shop.web"])["shop.web"].result(10)
        ensure_topics(settings)
        halt = "select message from ops.ingest_halts where reason = 'topic_recreated' and resolved_at is null"
        eventually(lambda: query(settings, halt))
        ((message,),) = query(settings, halt)
        assert "shop.web was recreated" in message
        eventually(lambda: health().json()["halted"] == [message])
        assert health().status_code == 200

        LedgerProducer(settings, "later").send([*(page_view(n) for n in range(30)), *(refund(1) for _ in range(7))])
        eventually(lambda: query(settings, "select 1 from raw.returns having count(*) = 7"))
        assert landed(settings) == 20
        waiting = "select sum(end_offset - next_offset) from ops.kafka_lag where topic = 'shop.web'"
        eventually(lambda: query(settings, waiting) == [(30,)])

        accept(settings, "shop.web", None, by="ada", because="it was me")
        eventually(lambda: landed(settings) == 50)
        eventually(lambda: health().json()["halted"] == [])
        assert process.poll() is None
    assert reconcile(settings).holds


def test_a_topic_that_is_not_there_waits_alone_and_is_read_once_it_is_made(shop):
    admin = admin_client(shop.settings)
    admin.delete_topics(["shop.web"])["shop.web"].result(10)
    with service(shop.settings) as process:
        LedgerProducer(shop.settings).send(refund(1) for _ in range(7))
        eventually(lambda: query(shop.settings, "select 1 from raw.returns having count(*) = 7"))
        told = "select topic, reason, resolution like '%shop topics%', resolved_at is null from ops.ingest_halts"
        eventually(lambda: query(shop.settings, told) == [("shop.web", "topic_missing", True, True)])
        ensure_topics(shop.settings)
        LedgerProducer(shop.settings, "later").send(page_view(n) for n in range(20))
        eventually(lambda: landed(shop.settings) == 20)
        assert query(shop.settings, told) == [("shop.web", "topic_missing", True, False)]
        assert process.poll() is None
    assert reconcile(shop.settings).holds


def test_a_service_that_is_stuck_ends_itself_with_4(shop):
    """A lock that is never released, with a lock timeout that is switched off, is the cheapest way to be stuck."""
    settings = shop.settings.model_copy(update={"ingest_stall_seconds": 5})
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("alter role shop_ingest set lock_timeout = 0")
    try:
        with service(settings) as process:
            eventually(lambda: services_alive(settings))
            with connect(settings, Role.ADMIN) as blocker:
                blocker.execute("lock table ops.ingest_offsets in access exclusive mode")
                LedgerProducer(settings).send(page_view(n) for n in range(20))
                assert process.wait(60) == 4
                blocker.rollback()
    finally:
        with connect(settings, Role.ADMIN, autocommit=True) as admin:
            admin.execute("alter role shop_ingest set lock_timeout = '30s'")
    ingest_until_end(settings.model_copy(update={"ingest_group": "another"}))
    assert landed(settings) == 20 and reconcile(settings).holds


def test_what_waits_is_known_since_when_and_what_was_read_is_not_waiting(shop):
    before = dt.datetime.now(dt.UTC)
    LedgerProducer(shop.settings).send(page_view(n) for n in range(60))
    watch = BehindWatch(shop.settings)
    waiting = {("shop.web", n): 0 for n in range(6)}
    assert watch.since(waiting) == {}  # nobody waits for the answer
    eventually(lambda: watch.since(waiting))
    found = watch.since(waiting)
    assert found.keys() == waiting.keys()
    assert all(before - dt.timedelta(seconds=1) <= time <= dt.datetime.now(dt.UTC) for time in found.values())
    assert watch.since({("shop.web", 3): 0}).keys() == {("shop.web", 3)}
    assert watch.since({}) == {}
