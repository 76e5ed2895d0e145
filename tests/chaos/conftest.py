"""Randomness with a logged seed, servers that a test may kill, and the line that says how to repeat a run."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from tests.chaos.dose import FULL, REPEAT, SEED, dose
from tests.chaos.mortal import MortalShop
from tests.chaos.world import World
from tests.conftest import Warehouse, _drop, _new_warehouse
from tests.support.broker import start_broker_that_keeps

_RAN: list[str] = []


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give full doses more time than the few minutes that a test may usually take."""
    if FULL and Path(__file__).parent in item.path.parents:
        item.add_marker(pytest.mark.timeout(7_200))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which chaos it was."""
    if _RAN:
        terminalreporter.write_line(f"chaos: {len(_RAN)} tests, {REPEAT}")


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Randomness of this test's own: the same seed and test give the same faults, in any order of tests."""
    _RAN.append(request.node.nodeid)
    sys.stdout.write(f"chaos: {request.node.name}: {REPEAT}\n")
    return random.Random(f"{SEED}/{request.node.nodeid}")


@pytest.fixture(scope="session")
def world(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A shop that can be emptied and whose marts are built in this process: for tests that prove I2."""
    folder = tmp_path_factory.mktemp("world")
    warehouse = _new_warehouse(postgres_server, folder)
    with start_broker_that_keeps(folder / "broker") as broker:
        settings = warehouse.settings.model_copy(
            update={"kafka_bootstrap": broker.bootstrap, "ingest_linger_ms": 50, "ingest_batch_messages": 100}
        )
        yield World(settings, folder)
    _drop(warehouse)


@pytest.fixture(scope="module")
def mortal_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the module's tests may kill; whoever kills it starts it again."""
    folder = Path(tempfile.mkdtemp(prefix="shop-chaos-pg-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pgdata", any_free(), "dev-only-admin", folder / "postgres.log")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def mortal_warehouse(mortal_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Warehouse]:
    """A migrated warehouse in a PostgreSQL that may be killed."""
    if mortal_server.process is None or mortal_server.process.poll() is not None:
        mortal_server.start()  # the test before ended in the middle
    made = _new_warehouse(mortal_server, tmp_path)
    yield made
    if mortal_server.process is None or mortal_server.process.poll() is not None:
        mortal_server.start()
    _drop(made)


@pytest.fixture
def mortal_shop(mortal_warehouse: Warehouse, tmp_path: Path) -> Iterator[MortalShop]:
    """A shop whose PostgreSQL and broker may be killed."""
    folder = tmp_path / "broker"
    broker = start_broker_that_keeps(folder, any_free())
    settings = mortal_warehouse.settings.model_copy(
        update={"kafka_bootstrap": broker.bootstrap, "ingest_linger_ms": 50, "ingest_batch_messages": dose(100, 500)}
    )
    ensure_topics(settings)
    made = MortalShop(settings, mortal_warehouse.server, broker, folder)
    yield made
    made.broker.stop()
