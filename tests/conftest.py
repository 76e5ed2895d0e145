"""Fixtures that every room's tests may use: a real PostgreSQL, migrated, and one database per test."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import BrokerProcess
from shop_platform.local.ports import RANGE_VARIABLE, any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Settings
from tests.support import durations
from tests.support.account import Account
from tests.support.broker import start_broker_that_keeps
from tests.support.databases import Warehouse
from tests.support.databases import drop as _drop
from tests.support.databases import new_warehouse as _new_warehouse
from tests.support.lanes import FAST, SLOW, SLOW_MARK, lane_of, left_out_by, no_servers
from tests.support.ports import claim
from tests.support.real_kafka import remove_topics
from tests.support.samples import producer_in_go, producer_in_javascript  # noqa: F401
from tests.support.suites import SUITES, SuiteSummary, required

# Fixtures of a whole stack, and the group of tests that have it.
_STACKS = {"demo": "demo", "standing": "stack", "airflow": "stack", "tiny": "stack"}

# A developer's own stack or shell must not leak into the tests.
for _name in [name for name in os.environ if name.startswith("SHOP_") and not name.startswith("SHOP_TEST_")]:
    del os.environ[_name]
os.environ["SHOP_DATA_DIR"] = tempfile.gettempdir() + f"/shop-tests-{os.getpid()}-absent"
# Every port of this process and of what it starts: the stacks of two processes then never meet.
os.environ[RANGE_VARIABLE] = claim()


@dataclass(frozen=True)
class Shop:
    """Warehouse and broker together."""

    settings: Settings
    server: EmbeddedPostgres
    broker: BrokerProcess


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """One embedded PostgreSQL for the session; it need not outlive the machine, so it does not wait for the disk."""
    folder = Path(tempfile.mkdtemp(prefix="shop-tests-pg-"))
    folder.chmod(0o755)
    # Every connection proves that it knows the password: 4,096 rounds of hashing are most of what connecting costs.
    unsafe = {"fsync": "off", "full_page_writes": "off", "scram_iterations": "1"}
    server = EmbeddedPostgres(folder / "pgdata", any_free(), "dev-only-admin", folder / "postgres.log", unsafe)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def warehouse(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A migrated warehouse shared by the session: for tests that only read, or clean up behind themselves."""
    made = _new_warehouse(postgres_server, tmp_path_factory.mktemp("data"), dagster=True)
    yield made
    _drop(made)


@pytest.fixture
def fresh_warehouse(postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Warehouse]:
    """A migrated warehouse of the test's own."""
    made = _new_warehouse(postgres_server, tmp_path)
    yield made
    _drop(made)


@pytest.fixture(scope="session")
def session_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One embedded broker for the session, for tests that neither end nor stop it; its topics live for one test."""
    with start_broker_that_keeps(tmp_path_factory.mktemp("broker"), any_free()) as broker:
        yield broker


@pytest.fixture
def shop(fresh_warehouse: Warehouse, session_broker: BrokerProcess) -> Iterator[Shop]:
    """A warehouse, a broker with the contract's topics, both empty, and a producer: the whole road of an event."""
    settings = fresh_warehouse.settings.model_copy(
        update={"kafka_bootstrap": session_broker.bootstrap, "ingest_linger_ms": 50}
    )
    ensure_topics(settings)
    yield Shop(settings, fresh_warehouse.server, session_broker)
    remove_topics(session_broker.bootstrap)


@pytest.hookimpl(tryfirst=True)  # before pytest-randomly takes its seed
def pytest_configure(config: pytest.Config) -> None:
    """Add the account of the suites that need more than the package index.

    A shell's background job ignores SIGINT. Dagster makes SIGTERM do what SIGINT does, for this process and all that it
    starts: children would then outlive their parents.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # the one process that hears of every test
        _refuse_mistakes(config)
        config.pluginmanager.register(SuiteSummary(), "shop-suites")
        config.pluginmanager.register(Account(), "shop-account")
    # No example has a limit of time: the first one of a process also loads what the others find loaded.
    # Who names a seed wants to see the same again, of the property tests as well.
    seed = os.environ.get("SHOP_TEST_CHAOS_SEED")
    repeatable = bool(seed)
    if seed and config.getoption("randomly_seed", None) == "default":
        config.option.randomly_seed = int(seed)  # the same order as well
    hypothesis_settings.register_profile("shop", deadline=None, derandomize=repeatable)
    hypothesis_settings.load_profile("shop")


def _refuse_mistakes(config: pytest.Config) -> None:
    """Raise what a wrong shard or suite is told by, before minutes have gone by."""
    if told := config.getoption("shard"):
        try:
            durations.part(told)
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
    if left_out := required().intersection(left_out_by(config.option.markexpr)):
        raise pytest.UsageError(
            f"SHOP_TEST_REQUIRE names suites that this run leaves out: {', '.join(sorted(left_out))}."
            " Run `make test ALL=1` or `make test-slow`."
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several machines share the tests."""
    parser.addoption("--shard", metavar="1/4", help="Run one part of the files, cut by how long each takes.")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before xdist, which reads the groups in a hook of the same name
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Mark each test with its lane, tell its report, and keep the tests that share a stack in one process.

    Where several processes share the tests, the longest files come first (xdist would begin with those of most tests):
    the last file to begin should not be the one that takes ten minutes.
    """
    seconds = durations.known()
    for item in items:
        lane = lane_of(item)
        item.add_marker(lane)
        if lane in SLOW:
            item.add_marker(SLOW_MARK)
        item.user_properties.append(("lane", lane))
        names = [name for name in SUITES if item.get_closest_marker(name)]
        if names:
            item.user_properties.append(("suites", names))
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    if told := config.getoption("shard"):
        mine = durations.shard({_file(item) for item in items}, *durations.part(told), seconds)
        config.hook.pytest_deselected(items=[item for item in items if _file(item) not in mine])
        items[:] = [item for item in items if _file(item) in mine]
    yield
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_group: Counter[str] = Counter()
        for group, file in {(_group(item), _file(item)) for item in items}:
            of_group[group] += seconds.get(file, durations.UNKNOWN)
        # By folder within a group: a stack that several files share ends with its folder.
        items.sort(key=lambda item: (-of_group[_group(item)], _group(item), str(item.path.parent)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _group(item: pytest.Item) -> str:
    """Return what has to run in one process: a file, and all that starts a stack beside others.

    A stack that stands takes a quarter of a core whether anybody uses it or not: one after the other, each stands for a
    shorter time. The demo is apart, because all of them in one process would last longer than everything else together.
    """
    fixtures = getattr(item, "fixturenames", ())
    return next((group for name, group in _STACKS.items() if name in fixtures), _file(item))


@pytest.fixture(autouse=True)
def _no_server_in_the_fast_lane(request: pytest.FixtureRequest) -> Iterator[None]:
    """See to it that the lane is what it says."""
    with no_servers() if lane_of(request.node) == FAST else nullcontext():
        yield


@pytest.fixture
def own_servers() -> None:
    """Says of a test that it starts servers itself."""


@pytest.fixture
def dbt() -> None:
    """Says of a test that it runs dbt itself."""
