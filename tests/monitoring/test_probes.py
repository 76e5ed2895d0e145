"""Each service is asked whether it does its work; one that is away is found in seconds, with the reason."""

from __future__ import annotations

import socket
import time

import pytest

from shop_platform.errors import ShopError
from shop_platform.monitoring import probes
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect


@pytest.fixture
def deaf():
    """The address of a server that lets one connect and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{closed.getsockname()[1]}"


def test_everything_that_is_away_is_found_at_once_and_within_a_look(warehouse, nobody, deaf):
    settings = load(
        **warehouse.settings.model_dump()
        | {"kafka_bootstrap": nobody, "dagster_url": f"http://{nobody}", "dashboard_url": f"http://{deaf}"}
        | {"dagster_code_servers": f"ingestion={deaf},warehouse={nobody}"}
    )
    began = time.monotonic()
    states = {state.service: state for state in probes.look_at_services(settings)}
    assert time.monotonic() - began < 20
    assert states["postgres"].up
    away = {name for name, state in states.items() if not state.up}
    assert away >= {"kafka", "dagster-web", "dagster-ingestion", "dagster-warehouse", "dashboard"}
    assert all(states[name].detail for name in away)
    assert "deadline" in states["dagster-ingestion"].detail, "a frozen one accepts connections"


def test_a_warehouse_that_lets_nobody_in_leaves_out_what_only_it_knows(warehouse, nobody):
    settings = load(**warehouse.settings.model_dump() | {"pg_port": int(nobody.rpartition(":")[2])})
    states = {state.service: state for state in probes.look_at_services(settings)}
    assert not states["postgres"].up and "refused" in states["postgres"].detail
    assert not states.keys() & {"ingest", "refresher", "dagster-daemon"}


@pytest.fixture
def heartbeats(warehouse):
    """Write heartbeats of processes: (name, seconds since the start, seconds since the last)."""
    with connect(warehouse.settings, Role.ADMIN, autocommit=True) as admin:

        def write(*processes, table="ingest_services", column="writer", more="lag, rows_per_second", values="0, 0"):
            for name, started, beat in processes:
                admin.execute(
                    f"insert into ops.{table} ({column}, started_at, heartbeat_at, {more}) values (%s,"
                    f" now() - make_interval(secs => %s), now() - make_interval(secs => %s), {values})".encode(),
                    [name, started, beat],
                )
            return probes.ingest(admin) if table == "ingest_services" else probes.refresher(admin)

        yield write
        admin.execute("truncate ops.ingest_services, ops.refreshers")


def test_an_ingestion_is_judged_by_its_heartbeats(heartbeats):
    assert heartbeats().detail == "no process reads: none is running, or it waits for a server"
    assert heartbeats(("a", 100, 1)).up
    silent = heartbeats(("b", 100, 40))
    assert not silent.up and silent.detail.startswith("1 of 2 processes has sent no heartbeat for 40 s")


def test_a_killed_process_that_another_has_come_for_is_not_missed(heartbeats):
    assert heartbeats(("killed", 500, 60), ("after", 50, 1)).up


def test_a_refresher_that_cannot_build_is_not_well(heartbeats):
    more = {"table": "refreshers", "column": "refresher", "more": "state, reason"}
    assert heartbeats(**more).detail == "no process is running"
    assert heartbeats(("a", 100, 1), **more, values="'idle', ''").up
    state = heartbeats(("b", 100, 0), **more, values="'problem', 'no such column'")
    assert not state.up and state.detail == "no such column"


@pytest.mark.parametrize("text", ["ingestion", "ingestion=", "ingestion=host", "ingestion=host:port"])
def test_a_code_server_without_an_address_is_refused(text):
    with pytest.raises(ShopError, match=r"SHOP_DAGSTER_CODE_SERVERS: .*has no address"):
        load(dagster_code_servers=text)


def test_code_servers_are_named_by_location():
    settings = load(dagster_code_servers="ingestion=a:1, warehouse=b:2")
    assert settings.code_servers == {"ingestion": "a:1", "warehouse": "b:2"}
