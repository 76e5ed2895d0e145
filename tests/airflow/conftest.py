"""One real Airflow (four processes, PostgreSQL) for the tests of this folder, and a small real Dagster for it.

They end with the folder: both are busy even when nothing happens, and other tests want the machine.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from shop_platform.local.airflow import DAGS, AirflowHome
from shop_platform.local.airflow_run import running
from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import load
from tests.airflow.client import AirflowClient
from tests.airflow.gate import Gate
from tests.support.airflow_env import airflow_environment
from tests.support.dagster_server import DagsterServer, running_dagster
from tests.support.suites import require

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Tiny:
    """The small Dagster, the door in front of it, and the folder that makes its assets break or wait."""

    server: DagsterServer
    gate: Gate
    control: Path


@contextlib.contextmanager
def held(tiny: Tiny, name: str) -> Iterator[Path]:
    """Hold the runs of that name until the block ends, or the file is removed."""
    path = tiny.control / f"{name}.hold"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@pytest.fixture(scope="package")
def _airflow_can_be_had() -> None:
    require("airflow", airflow_environment())


@pytest.fixture(scope="package")
def tiny(
    postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory, _airflow_can_be_had: None
) -> Iterator[Tiny]:
    """A real Dagster on `tiny_definitions.py`, code location `tiny`."""
    folder = tmp_path_factory.mktemp("tiny")
    control = folder / "control"
    control.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_CONTROL", str(control))
        with running_dagster(postgres_server, HERE / "tiny_definitions.py", "tiny", folder / "home") as server:
            gate = Gate(server.port)
            gate.open()
            yield Tiny(server, gate, control)
            gate.shut()
    assert _processes_of(folder) == []


@pytest.fixture(scope="package")
def shop_dagster_port() -> int:
    """Where the shop's own Dagster will listen, for those tests that start it."""
    return any_free()


@pytest.fixture(scope="package")
def airflow(
    postgres_server: EmbeddedPostgres,
    tiny: Tiny,
    shop_dagster_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowClient]:
    """A running Airflow, started as `make airflow` starts it, with the shop's DAGs and the tests' own."""
    folder = tmp_path_factory.mktemp("airflow")
    home = AirflowHome(
        folder=folder,
        settings=load(pg_port=postgres_server.port),
        dags={"tests": HERE / "dags", "shop": DAGS},
        connections={
            "dagster_tiny": {"conn_type": "dagster", "host": "127.0.0.1", "port": tiny.gate.port},
            "dagster_default": {"conn_type": "dagster", "host": "127.0.0.1", "port": shop_dagster_port},
        },
        database=f"airflow_{uuid.uuid4().hex[:8]}",
        variables={"SHOP_AIRFLOW_SCHEDULE": "none"}
        # No DAG file changes meanwhile; each look is a process.
        | {"AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600"},
    )
    home.prepare()
    with running(home) as made:
        client = AirflowClient(made.url, home)
        yield client
        client.close()
    assert _processes_of(folder) == []


def _processes_of(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline())
            if str(folder) in words or process.environ().get("AIRFLOW_HOME") == str(folder):
                found.append(words)
        except psutil.Error:
            continue
    return found
