"""A probe sees how the process does; a process that is stuck ends itself, one that waits for a server does not."""

from __future__ import annotations

import socket
import time

import httpx
import pytest

from shop_platform.errors import ShopError
from shop_platform.ingest.health import EXIT_STALLED, RUNNING, WAITING, Health, HealthServer, Watchdog
from shop_platform.local.ports import any_free


def test_the_endpoint_answers_200_only_while_it_runs():
    health, port = Health(writer="w"), any_free()
    with HealthServer(health, "127.0.0.1", port):
        url = f"http://127.0.0.1:{port}/healthz"
        assert httpx.get(url).status_code == 503
        health.state, health.lag = RUNNING, 7
        answer = httpx.get(url)
        assert answer.status_code == 200 and answer.json()["lag"] == 7 and answer.json()["writer"] == "w"
        health.state, health.reason = WAITING, "PostgreSQL is away"
        answer = httpx.get(url)
        assert answer.status_code == 503 and answer.json()["reason"] == "PostgreSQL is away"
        assert httpx.get(f"http://127.0.0.1:{port}/other").status_code == 404
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_taken_port_is_a_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ShopError, match="SHOP_INGEST_HEALTH_PORT"):
            HealthServer(Health(), "127.0.0.1", taken.getsockname()[1])


def ended(health, keep_going=lambda: None, for_seconds=3.0):
    """Return the exit code the watchdog ended the process with, or None."""
    codes = []
    with Watchdog(health, 0.5, end=codes.append):
        deadline = time.monotonic() + for_seconds
        while not codes and time.monotonic() < deadline:
            keep_going()
            time.sleep(0.02)
    return codes[0] if codes else None


def test_a_loop_that_does_not_come_round_ends_the_process():
    assert ended(Health(state=RUNNING), for_seconds=30) == EXIT_STALLED


def test_messages_that_wait_while_nothing_is_committed_end_the_process():
    health = Health(state=RUNNING, lag=5)
    assert ended(health, health.tick, for_seconds=30) == EXIT_STALLED


def test_a_quiet_topic_and_an_outage_do_not():
    for health in (Health(state=RUNNING, lag=0), Health(state=WAITING, lag=5)):
        assert ended(health, health.tick, for_seconds=1.5) is None
