"""Connections to PostgreSQL and Kafka that break, hang, crawl or fall silent: the service comes back by itself."""

from __future__ import annotations

import time

import pytest

from tests.chaos.dose import FULL, REPEAT, dose, full_only
from tests.chaos.processes import committed, eventually, get_on, has_read_everything, read_everything, service
from tests.chaos.proof import prove
from tests.chaos.proxy import Proxy
from tests.chaos.stream import history, producing, send


@pytest.fixture
def lines(shop):
    """The settings of a service whose two connections lead through proxies, and these."""
    broker_port = int(shop.settings.kafka_bootstrap.rpartition(":")[2])
    with Proxy(shop.settings.pg_port) as postgres, Proxy(broker_port, disguise=True) as kafka:
        through = {
            "pg_port": postgres.port,
            "kafka_bootstrap": f"127.0.0.1:{kafka.port}",
            "ingest_batch_messages": dose(100, 500),
        }
        yield shop.settings.model_copy(update=through), postgres, kafka


def test_connections_that_are_cut_again_and_again(shop, lines, rng, tmp_path):
    through, postgres, kafka = lines
    messages = history(rng, dose(3_000, 30_000))
    with service(through, tmp_path / "service.log") as process:
        with producing(shop.settings, messages, seconds=dose(4, 60)):
            for _ in range(dose(4, 12)):
                get_on(shop.settings, rng.randrange(1, len(messages) // dose(8, 20)), of=len(messages))
                rng.choice((postgres, postgres, kafka)).cut()
        eventually(lambda: has_read_everything(shop.settings), "everything is read", 300)
        assert process.popen.poll() is None, process.tail()
    assert postgres.cuts + kafka.cuts > 0
    prove(shop.settings)


def test_a_commit_whose_answer_never_comes(shop, lines, rng, tmp_path):
    """Nobody can tell the client whether it was committed; the offset in the warehouse does."""
    through, postgres, _ = lines
    cuts = [True, False] * dose(1, 3)  # after PostgreSQL got the commit, and before
    rng.shuffle(cuts)
    with service(through, tmp_path / "service.log") as process:
        with producing(shop.settings, history(rng, dose(1_000, 15_000)), seconds=dose(3, 60)):
            for deliver in cuts:
                postgres.cut_at(b"COMMIT", deliver=deliver)
                eventually(lambda: postgres.sprung, "a commit is cut")
        eventually(lambda: has_read_everything(shop.settings), "everything is read")
        assert process.popen.poll() is None, process.tail()
    prove(shop.settings)


def test_a_service_that_starts_while_nothing_answers(shop, lines, rng, tmp_path):
    through, postgres, kafka = lines
    send(shop.settings, history(rng, 500))
    postgres.refuse()
    with service(through, tmp_path / "service.log") as process:
        eventually(lambda: "connection_lost" in process.tail(), "it waits for PostgreSQL")
        kafka.refuse()
        postgres.refuse(False)
        time.sleep(dose(1, 20))  # how long an outage takes is part of the fault
        kafka.refuse(False)
        eventually(lambda: has_read_everything(shop.settings), "everything is read")
    prove(shop.settings)


def test_lines_that_crawl(shop, lines, rng, tmp_path):
    through, postgres, kafka = lines
    send(shop.settings, history(rng, dose(400, 4_000)))
    for line in (postgres, kafka):
        line.slow(dose(80_000, 20_000))
    with service(through, tmp_path / "service.log"):
        eventually(lambda: committed(shop.settings) > 0, "the first batch lands")
        for line in (postgres, kafka):
            line.slow(None)
        eventually(lambda: has_read_everything(shop.settings), "everything is read")
    prove(shop.settings)


@pytest.mark.parametrize("which", ["postgres", "kafka"])
def test_a_server_that_hangs_for_a_while(shop, lines, rng, tmp_path, which):
    through, postgres, kafka = lines
    messages = history(rng, dose(1_000, 10_000))
    line = {"postgres": postgres, "kafka": kafka}[which]
    with service(through, tmp_path / "service.log"), producing(shop.settings, messages, seconds=dose(4, 40)):
        eventually(lambda: committed(shop.settings) > 0, "it gets on")
        line.hold()
        time.sleep(dose(2, 25))  # how long it hangs is part of the fault
        line.hold(False)
        eventually(lambda: committed(shop.settings) >= len(messages), "everything is read")
    prove(shop.settings)


@full_only
@pytest.mark.parametrize("which", ["postgres", "kafka", "both"])
def test_a_route_that_is_gone(shop, lines, rng, tmp_path, which):
    """No answer, no reset: only the keepalives and timeouts of the connections themselves notice."""
    through, postgres, kafka = lines
    broken = {"postgres": [postgres], "kafka": [kafka], "both": [postgres, kafka]}[which]
    messages = history(rng, 10_000)
    with service(through, tmp_path / "service.log") as process:
        send(shop.settings, messages[:5_000])
        eventually(lambda: committed(shop.settings) > 0, "it gets on")
        for line in broken:
            line.silence()
        send(shop.settings, messages[5_000:], "chaos-000002")
        if which != "kafka":
            eventually(lambda: "connection_lost" in process.tail(), "the silence is noticed")
        else:
            time.sleep(20)  # longer than the session
        before = committed(shop.settings)
        assert before < len(messages), f"everything was read before; {REPEAT}"
        # The partitions are not held for the one that cannot be reached: another reader goes on.
        read_everything(shop.settings, seconds=300)
        for line in broken:
            line.silence(False)
        send(shop.settings, history(rng, 1_000), "chaos-000003")
        eventually(lambda: has_read_everything(shop.settings), "it came back", 300)
    prove(shop.settings, i2=FULL)
