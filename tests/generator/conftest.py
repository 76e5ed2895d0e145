"""A small shop without faults, and a broker of this room's own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_platform.generator.message import Message
from shop_platform.generator.parameters import NO_FAULTS
from shop_platform.generator.stream import history_chunks
from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import BrokerProcess, start_broker_process
from shop_platform.settings import Settings, load

UNTIL = dt.datetime(2026, 11, 22, 15, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
def history() -> list[Message]:
    """Every message of 40 days of a shop whose wire is perfect."""
    chunks = history_chunks(days=40, orders_per_day=30, seed=5, until=UNTIL, faults=NO_FAULTS)
    return [message for chunk in chunks for message in chunk]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """An empty broker, for one test."""
    with start_broker_process(tmp_path / "broker") as process:
        yield process


@pytest.fixture
def settings(broker: BrokerProcess, tmp_path: Path) -> Settings:
    """Settings that point at the broker, with the contract's topics."""
    made = load(data_dir=tmp_path / "data", kafka_bootstrap=broker.bootstrap)
    ensure_topics(made, retention_ms=-1)
    return made
