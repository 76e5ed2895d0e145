"""Brokers for the tests: the embedded one and, where Java and Maven are at hand, real Apache Kafka."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from broker_clients import Client

from shop_platform.local.broker.process import start_broker_process
from tests.support.real_kafka import real_kafka_available, start_real_kafka
from tests.support.suites import require

_LOGS: list[Path] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the embedded broker's log with every failure."""
    report = yield
    if report.failed and _LOGS and "embedded" in item.nodeid:
        report.sections.append(("broker log", _LOGS[-1].read_text()[-3000:]))
    return report


@pytest.fixture(scope="session")
def embedded_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker that the whole session shares."""
    with start_broker_process(
        tmp_path_factory.mktemp("broker") / "data", arguments=["--retention-check-seconds", "1"]
    ) as broker:
        _LOGS.append(broker.log_path)
        yield broker.bootstrap
        assert broker.popen.poll() is None, broker.log_path.read_text()
        assert "Traceback" not in broker.log_path.read_text()


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Apache Kafka that the whole session shares; skips when it cannot run, unless it is required."""
    require("kafka", real_kafka_available())
    folder: Path = tmp_path_factory.mktemp("kafka")
    with start_real_kafka(folder) as kafka:
        yield kafka.bootstrap


# Not a parametrised session fixture: the tests run in random order, and that would restart Kafka at every change.
@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """`host:port` of each broker that has to keep the contract."""
    return request.getfixturevalue(f"{request.param}_bootstrap")


@pytest.fixture
def client(bootstrap: str) -> Iterator[Client]:
    """Shorthands for the clients that a test needs, closed when it ends."""
    with Client(bootstrap) as made:
        yield made


@pytest.fixture
def embedded(embedded_bootstrap: str) -> Iterator[Client]:
    """The same for tests of the embedded broker alone."""
    with Client(embedded_bootstrap) as made:
        yield made
