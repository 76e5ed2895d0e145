"""Real Apache Kafka for the ingestion's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from confluent_kafka.admin import AdminClient

from shop_platform.ingest.topics import ensure_topics
from shop_platform.settings import Settings
from tests.conftest import Warehouse
from tests.support.real_kafka import RealKafka, real_kafka_available, start_real_kafka
from tests.support.suites import require


@dataclass(frozen=True)
class RealShop:
    """A warehouse and a real Kafka with the contract's topics, both empty."""

    settings: Settings
    admin: AdminClient


@pytest.fixture(scope="module")
def real_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKafka]:
    """One broker for all tests of a file: it would hold its memory to the end of the session otherwise."""
    require("kafka", real_kafka_available())
    with start_real_kafka(tmp_path_factory.mktemp("real-kafka")) as kafka:
        yield kafka


@pytest.fixture
def real_shop(real_kafka: RealKafka, fresh_warehouse: Warehouse) -> Iterator[RealShop]:
    """What `shop` is with the embedded broker, with Apache Kafka."""
    settings = fresh_warehouse.settings.model_copy(
        update={"kafka_bootstrap": real_kafka.bootstrap, "ingest_linger_ms": 50}
    )
    ensure_topics(settings)
    yield RealShop(settings, AdminClient(settings.kafka_client(log_level=0)))
    real_kafka.remove_topics()
