"""Dagster's storage keeps few connections however many instances a process makes, and outlives their death."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from shop_platform.orchestration.instance import STORAGE_VARIABLE, prepare_home
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.support.databases import Warehouse


@pytest.fixture
def settings(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(STORAGE_VARIABLE, warehouse.settings.dagster_storage_url())
    return warehouse.settings.model_copy(update={"data_dir": tmp_path})


def instance(settings: Settings) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(prepare_home(settings, code_ports={})))


def told(instance: dg.DagsterInstance, rows: int) -> None:
    """Tell Dagster of an asset, as a run does."""
    instance.report_runless_asset_event(dg.AssetMaterialization("told", metadata={"rows": rows}))


def heard(instance: dg.DagsterInstance) -> object:
    """What Dagster was told last."""
    newest = instance.get_latest_materialization_event(dg.AssetKey("told"))
    assert newest is not None and newest.asset_materialization is not None
    return newest.asset_materialization.metadata["rows"].value


def sessions(settings: Settings) -> int:
    """How many connections Dagster's database has ever seen, as the server counts them."""
    with connect(settings, Role.ADMIN, database="postgres") as admin:
        query = "select sessions from pg_stat_database where datname = %s"
        row = admin.execute(query, [settings.dagster_database]).fetchone()
    assert row is not None
    return int(str(row[0]))


def open_now(settings: Settings, answer: str) -> list[object]:
    with connect(settings, Role.ADMIN, database="postgres") as admin:
        query = f"select {answer} from pg_stat_activity where datname = %s"
        return [row[0] for row in admin.execute(query, [settings.dagster_database]).fetchall()]


def test_many_instances_and_many_events_share_a_few_connections(settings: Settings) -> None:
    told(instance(settings), 0)
    before = sessions(settings)
    for number in range(1, 21):
        told(instance(settings), number)
    assert len(open_now(settings, "pid")) <= 2
    assert sessions(settings) - before <= 2, "one by one, no event needs a new connection"
    assert heard(instance(settings)) == 20


def test_connections_that_the_server_has_ended_are_replaced_without_an_error(settings: Settings) -> None:
    before = instance(settings)
    told(before, 1)
    assert open_now(settings, "pg_terminate_backend(pid)")
    told(before, 2)
    assert heard(before) == 2


def test_processes_that_start_at_once_on_an_empty_database_do_not_make_the_tables_twice(warehouse: Warehouse) -> None:
    """The demo's first start: two code servers and the web server, none of which may end over it."""
    settings = warehouse.settings.model_copy(update={"dagster_database": f"empty_{os.getpid()}"})
    program = (
        "import sys; from shop_platform.orchestration.storage import PooledPostgresStorage;"
        " sys.stdin.readline(); PooledPostgresStorage(sys.argv[1])"
    )
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        admin.execute(f"create database {settings.dagster_database} owner shop_orchestrator".encode())
        try:
            command = [sys.executable, "-c", program, settings.dagster_storage_url()]
            pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
            started = [subprocess.Popen(command, **pipes) for _ in range(4)]  # type: ignore[call-overload]
            for process in started:  # all are loaded by now, or nearly
                process.stdin.write(b"\n")
                process.stdin.flush()
            said = [process.communicate()[1] for process in started]
            assert [process.returncode for process in started] == [0] * 4, said
        finally:
            admin.execute(f"drop database {settings.dagster_database} with (force)".encode())
