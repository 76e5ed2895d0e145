"""The code locations, built once, and one whole platform with a real Dagster for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.ports import any_free
from shop_platform.local.processes import Supervisor
from shop_platform.orchestration import names
from shop_platform.orchestration.instance import dagster_services, free_code_ports, prepare_home
from shop_platform.orchestration.intervals import SENSOR_VARIABLE
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.orchestration.manifest import ensure_manifest, target_dir
from shop_platform.settings import PROJECT_ROOT, Settings, load
from tests.conftest import _drop, _new_warehouse
from tests.orchestration.dagster_ui import at_rest, orders
from tests.orchestration.graph import build_all, whole
from tests.orchestration.shop_day import shop_day
from tests.support.broken import pytest_runtest_makereport, pytest_runtest_setup, why_broken  # noqa: F401
from tests.support.events import LedgerProducer
from tests.support.waiting import eventually, without_limits


@dataclass(frozen=True)
class CodeLocations:
    """What Dagster would serve, apart and as one repository, the manifest it was made of, and the settings."""

    by_name: dict[str, dg.Definitions]
    repository: dg.RepositoryDefinition
    manifest_path: Path
    settings: Settings

    @property
    def graph(self) -> Any:
        """The asset graph of all."""
        return self.repository.asset_graph


@pytest.fixture(scope="session")
def code_locations(tmp_path_factory: pytest.TempPathFactory) -> CodeLocations:
    """The code locations without a database: nothing may be needed to load them.

    Of all the processes that share the tests, one parses the project.
    """
    settings = load(data_dir=tmp_path_factory.mktemp("code-locations"))
    parsed = ensure_manifest(load(data_dir=PROJECT_ROOT / "build" / "code-locations"))
    shutil.copytree(parsed.parent, target_dir(settings))
    made = build_all(settings)
    return CodeLocations(made, whole(made), ensure_manifest(settings), settings)


@dataclass(frozen=True)
class Platform:
    """A whole platform: how to reach it, and who started its Dagster."""

    settings: Settings
    supervisor: Supervisor


@contextmanager
def whole_platform(postgres_server: Any, folder: Path) -> Iterator[Platform]:
    """Warehouse, broker, code servers, web server and daemon, all real."""
    warehouse = _new_warehouse(postgres_server, folder, dagster=True)
    supervisor = Supervisor(folder / "logs")
    code_ports, web_port = free_code_ports(), any_free()
    try:
        with start_broker_process(folder / "broker") as broker:
            settings = warehouse.settings.model_copy(
                update={
                    "kafka_bootstrap": f"127.0.0.1:{broker.port}",
                    "dagster_url": f"http://127.0.0.1:{web_port}",
                    "ingest_linger_ms": 50,
                }
            )
            ensure_topics(settings)
            prepare_home(settings, code_ports=code_ports)
            try:
                services = without_limits(dagster_services(settings, code_ports=code_ports, web_port=web_port))
                for service in services:
                    supervisor.start(service)
                for service in services:
                    supervisor.wait_ready(service.name)
                yield Platform(settings, supervisor)
            finally:
                supervisor.stop_all()
    finally:
        _drop(warehouse)


@pytest.fixture(scope="package")
def standing(
    request: pytest.FixtureRequest, postgres_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The scenario `standing`: a platform that nobody told anything, and that one day of a shop has gone through.

    The events of `shop_day(1)` are produced; Dagster's sensors see them, ingest them and build every mart; then
    nothing is left to do. Tests add days of other numbers, kill what they like, start it again (`supervisor.tend`),
    and leave nothing running: at its end, which is that of the folder, everything that was done to it must have left
    both invariants whole.
    """
    with pytest.MonkeyPatch.context() as patch:
        # The subject is what sensors do, not how long they wait before they look; looking keeps a core busy.
        patch.setenv(SENSOR_VARIABLE, "15")
        with whole_platform(postgres_server, tmp_path_factory.mktemp("platform")) as made:
            LedgerProducer(made.settings, "standing").send(shop_day(1))
            eventually(lambda: "ord_1" in orders(made.settings))
            eventually(lambda: at_rest(made.settings))
            yield made
            if why_broken(request.session):
                return
            eventually(lambda: at_rest(made.settings))
            verified = wait_for_run(made.settings, launch_job(made.settings, names.JOB_VERIFY))
            assert verified.succeeded, verified


@pytest.fixture
def platform(standing: Platform) -> Settings:
    """The settings of the standing platform, once nothing runs and there is nothing to do."""
    eventually(lambda: at_rest(standing.settings))
    return standing.settings
