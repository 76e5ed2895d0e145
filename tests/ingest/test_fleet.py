"""Several processes share the partitions, replace each other, and end together."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager

import httpx
import psutil
from confluent_kafka.admin import NewPartitions

from shop_platform.ingest.decisions import accept
from shop_platform.ingest.topics import admin_client
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view, refund
from tests.support.waiting import eventually


@contextmanager
def fleet(settings, processes=2):
    process = subprocess.Popen(
        [sys.executable, "-m", "shop_platform.cli", "ingest", "--processes", str(processes)],
        env=os.environ | settings.process_environment(),
        stderr=subprocess.DEVNULL,
    )
    members = []
    try:
        eventually(lambda: len(shares(settings)) == processes and min(shares(settings)) > 0)
        members = psutil.Process(process.pid).children()
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        _, alive = psutil.wait_procs(members, timeout=10)
        for left in alive:
            left.kill()
        assert not alive, "a member outlived its fleet"


def shares(settings):
    """Return how many partitions each living member owns."""
    with connect(settings, Role.ADMIN) as admin:
        rows = admin.execute(
            "select jsonb_array_length(partitions) from ops.ingest_services"
            " where heartbeat_at > now() - interval '6 seconds'"
        ).fetchall()
    return [row[0] for row in rows]


def count(settings, table):
    with connect(settings, Role.ADMIN) as admin:
        return admin.execute(f"select count(*) from {table}").fetchone()[0]


def landed(settings):
    return count(settings, "raw.web")


def test_members_share_all_partitions_evenly_and_a_killed_one_is_replaced_without_loss(shop):
    with fleet(shop.settings) as process:
        assert sorted(shares(shop.settings)) in ([13, 14], [12, 15])
        LedgerProducer(shop.settings).send(page_view(n) for n in range(1500))
        victim = psutil.Process(process.pid).children()[0]
        victim.kill()
        LedgerProducer(shop.settings, "later").send(page_view(n) for n in range(1500))
        eventually(lambda: landed(shop.settings) == 3000)

        def replaced():
            pids = {child.pid for child in psutil.Process(process.pid).children() if child.status() != "zombie"}
            return len(pids) == 2 and victim.pid not in pids

        eventually(replaced)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert reconcile(shop.settings).holds


def test_a_halt_holds_its_topic_in_every_member_and_all_go_on_once_a_person_has_decided(shop):
    settings = shop.settings.model_copy(update={"ingest_dead_letter_burst": 50, "ingest_batch_messages": 20})
    with fleet(settings) as process:
        producer = LedgerProducer(settings)
        for _ in range(200):
            producer.send_raw("shop.web", b"{", str(uuid.uuid4()), partition=0)
        producer.flush()

        def held():
            with connect(settings, Role.ADMIN) as admin:
                owned = [row[0] for row in admin.execute("select partitions from ops.ingest_services").fetchall()]
            return len(owned) == 2 and not any(place.startswith("shop.web/") for places in owned for place in places)

        eventually(held)
        LedgerProducer(settings, "later").send([*(page_view(n) for n in range(60)), *(refund(1) for _ in range(7))])
        eventually(lambda: count(settings, "raw.returns") == 7)
        assert landed(settings) == 0 and count(settings, "ops.dead_letters") < 50

        accept(settings, "shop.web", None, by="ada", because="test")
        eventually(lambda: (landed(settings), count(settings, "ops.dead_letters")) == (60, 200))
        assert process.poll() is None
    assert reconcile(settings).holds


def test_each_member_has_a_health_endpoint_of_its_own(shop):
    # Below the ports that the system gives to anybody who asks: the second one is not asked for before it is used.
    port = next(
        port for port in random.sample(range(20_000, 30_000, 2), 50) if can_listen(port) and can_listen(port + 1)
    )
    urls = [f"http://127.0.0.1:{port + number}/healthz" for number in (0, 1)]
    with fleet(shop.settings.model_copy(update={"ingest_health_port": port})):
        eventually(lambda: [status(url) for url in urls] == [200, 200])
        # A rebalance may be under way.
        eventually(lambda: sum(httpx.get(url, timeout=60).json()["partitions"] for url in urls) == 27)


def status(url):
    try:
        return httpx.get(url, timeout=60).status_code
    except httpx.TransportError:
        return None


def can_listen(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_partitions_that_are_added_are_read_without_a_restart(shop):
    with fleet(shop.settings):
        admin = admin_client(shop.settings)  # its futures die with it
        admin.create_partitions([NewPartitions("shop.web", 8)])["shop.web"].result(10)
        producer = LedgerProducer(shop.settings)
        events = [page_view(n) for n in range(40)]
        for number, each in enumerate(events):
            producer.send_raw(
                "shop.web", json.dumps(each).encode(), each["id"], key=each["subject"], partition=6 + number % 2
            )
        producer.flush()
        eventually(lambda: landed(shop.settings) == 40)
    assert reconcile(shop.settings).holds
