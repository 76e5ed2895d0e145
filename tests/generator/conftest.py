"""A small shop without faults, and a broker with the contract's topics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_platform.generator.message import Message
from shop_platform.generator.parameters import NO_FAULTS
from shop_platform.generator.stream import history_chunks
from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import BrokerProcess
from shop_platform.settings import Settings, load
from tests.support.real_kafka import remove_topics

UNTIL = dt.datetime(2026, 11, 22, 15, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
def history() -> list[Message]:
    """Every message of 40 days of a shop whose wire is perfect."""
    chunks = history_chunks(days=40, orders_per_day=30, seed=5, until=UNTIL, faults=NO_FAULTS)
    return [message for chunk in chunks for message in chunk]


@pytest.fixture
def broker(session_broker: BrokerProcess) -> Iterator[BrokerProcess]:
    """An empty broker, for a test that does not end it."""
    yield session_broker
    remove_topics(session_broker.bootstrap)


@pytest.fixture
def settings(broker: BrokerProcess, tmp_path: Path) -> Settings:
    """Settings that point at the broker, with the contract's topics."""
    made = load(data_dir=tmp_path / "data", kafka_bootstrap=broker.bootstrap)
    ensure_topics(made, retention_ms=-1)
    return made
