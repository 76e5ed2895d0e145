"""Ask each service whether it does its work. Nothing here remembers anything, and nothing takes longer than seconds."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
from confluent_kafka import KafkaException

from shop_platform.errors import ShopError
from shop_platform.ingest.lag import ALIVE_WITHIN_SECONDS as INGEST_WITHIN
from shop_platform.ingest.topics import admin_client, unreachable
from shop_platform.monitoring.services import (
    CODE_SERVER,
    DAEMON,
    DASHBOARD,
    INGEST,
    KAFKA,
    POSTGRES,
    REFRESHER,
    WEB,
    ServiceState,
)
from shop_platform.orchestration.heartbeats import silent_daemons
from shop_platform.orchestration.launch import STILL_LOADING, location_errors
from shop_platform.orchestration.text import first_line
from shop_platform.refresh.attempts import ALIVE_WITHIN_SECONDS as REFRESHER_WITHIN
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]

_TIMEOUT_SECONDS = 5.0
# What asking raises; an answer that is no answer (another program on that port) is a ValueError or a KeyError.
_AWAY = (ShopError, psycopg.Error, httpx.HTTPError, ValueError, KeyError)

# A process that was replaced does not count: the one that came after its last heartbeat does its work.
_INGEST = """
with writers as (
    select
        started_at, heartbeat_at, state,
        heartbeat_at > clock_timestamp() - make_interval(secs => %s) as alive,
        round(extract(epoch from clock_timestamp() - heartbeat_at))::int as silent
    from ops.ingest_services
)
select
    count(*) filter (where alive),
    count(*) filter (where not alive and not replaced),
    max(silent) filter (where not alive and not replaced),
    min(state) filter (where alive),
    min(silent)
from (
    select w.*, exists (select from writers as n where n.alive and n.started_at > w.heartbeat_at) as replaced
    from writers as w
) as known
"""
_REFRESHER = """
select
    heartbeat_at > clock_timestamp() - make_interval(secs => %s) as alive,
    state, reason, round(extract(epoch from clock_timestamp() - heartbeat_at))::int
from ops.refreshers order by heartbeat_at desc limit 1
"""


def look_at_services(settings: Settings) -> list[ServiceState]:
    """Return the state of every service; what cannot be known while PostgreSQL is away is left out."""
    # At once: each that is away takes its time-out.
    with ThreadPoolExecutor(thread_name_prefix="probe") as pool:
        asked = [pool.submit(look, settings) for look in (_warehouse, _kafka, dagster_web, code_servers, _dashboard)]
        return _each_once([state for each in asked for state in each.result()])


def _warehouse(settings: Settings) -> list[ServiceState]:
    """PostgreSQL, and those that leave their heartbeats there."""
    try:
        with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
            beside = [ingest(connection), refresher(connection)]
    except psycopg.errors.UndefinedTable:
        return [ServiceState(POSTGRES, False, "the warehouse has no tables yet: `shop migrate` makes them")]
    except (ShopError, psycopg.Error) as error:
        return [ServiceState(POSTGRES, False, _line(error))]
    return [ServiceState(POSTGRES, True), *beside, daemon(settings)]


def _kafka(settings: Settings) -> list[ServiceState]:
    return [kafka(settings)]


def _dashboard(settings: Settings) -> list[ServiceState]:
    return [dashboard(settings.dashboard_url)] if settings.dashboard_url else []


def kafka(settings: Settings) -> ServiceState:
    """Ask whether a broker answers."""

    def ask() -> None:
        try:
            admin_client(settings).list_topics(timeout=_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise unreachable(settings, error) from error

    return _asked(KAFKA, ask)


def dagster_web(settings: Settings) -> list[ServiceState]:
    """Ask the web server, and what it says of the code locations."""
    try:
        away = location_errors(settings.dagster_url, timeout_seconds=_TIMEOUT_SECONDS)
    except _AWAY as error:
        return [ServiceState(WEB, False, f"{settings.dagster_url}: {_line(error)}")]
    # One that is loading is about to be there, or its server is away: that one is asked itself.
    failed = {location: error for location, error in away.items() if error != STILL_LOADING}
    return [
        ServiceState(WEB, True),
        *(ServiceState(CODE_SERVER + location, False, _line(error)) for location, error in failed.items()),
    ]


def code_servers(settings: Settings) -> list[ServiceState]:
    """Ask each code server itself: the web server shows one that is frozen as it was."""
    import grpc  # type: ignore[import-untyped]
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse  # type: ignore[import-untyped]
    from grpc_health.v1.health_pb2_grpc import HealthStub  # type: ignore[import-untyped]

    states = []
    for location, address in settings.code_servers.items():
        try:
            with grpc.insecure_channel(address) as channel:
                answer = HealthStub(channel).Check(HealthCheckRequest(service="DagsterApi"), timeout=_TIMEOUT_SECONDS)
            serves = answer.status == HealthCheckResponse.SERVING
            detail = "" if serves else f"{address} does not serve its definitions"
        except grpc.RpcError as error:
            serves, detail = False, f"{address} does not answer ({error.code().name.lower()})"
        states.append(ServiceState(CODE_SERVER + location, serves, detail))
    return states


def daemon(settings: Settings) -> ServiceState:
    """Ask Dagster's database for the daemon's heartbeats."""
    try:
        silent = silent_daemons(settings)
    except (ShopError, psycopg.Error) as error:
        return ServiceState(DAEMON, False, _line(error))
    return ServiceState(DAEMON, not silent, f"no heartbeat of {', '.join(silent).lower()} for 90 s" if silent else "")


def dashboard(url: str) -> ServiceState:
    """Ask the dashboard's health page."""

    def ask() -> None:
        status = httpx.get(f"{url.rstrip('/')}/healthz", timeout=_TIMEOUT_SECONDS).status_code
        if status >= 500:
            raise ShopError(f"{url} answered with status {status}")

    return _asked(DASHBOARD, ask)


def ingest(connection: Connection) -> ServiceState:
    """Judge the ingestion by the heartbeats of its processes."""
    alive, silent, seconds, state, last = connection.execute(_INGEST, [INGEST_WITHIN]).fetchone() or (
        0,
        0,
        None,
        None,
        None,
    )
    if silent:
        of = f"{silent} of {alive + silent} processes" if alive + silent > 1 else "its process"
        return ServiceState(INGEST, False, f"{of} has sent no heartbeat for {seconds} s: frozen, killed or cut off")
    if not alive:
        return ServiceState(
            INGEST,
            False,
            "no process reads: none is running, or it waits for a server"
            if last is None
            else f"no heartbeat for {last} s",
        )
    return ServiceState(INGEST, True, str(state))


def refresher(connection: Connection) -> ServiceState:
    """Judge the refresher by its heartbeat and by what it says of itself."""
    alive, state, reason, seconds = connection.execute(_REFRESHER, [REFRESHER_WITHIN]).fetchone() or (None,) * 4
    if alive is None:
        return ServiceState(REFRESHER, False, "no process is running")
    if not alive:
        return ServiceState(REFRESHER, False, f"no heartbeat for {seconds} s: frozen, killed or cut off")
    return ServiceState(REFRESHER, state != "problem", str(reason or state))


def _asked(service: str, ask: Callable[[], None]) -> ServiceState:
    try:
        ask()
    except _AWAY as error:
        return ServiceState(service, False, _line(error))
    return ServiceState(service, True)


def _line(error: Exception | str) -> str:
    return first_line(str(error)) or type(error).__name__


def _each_once(states: list[ServiceState]) -> list[ServiceState]:
    """Where two ask for the same service, the one that found it away is right."""
    found: dict[str, ServiceState] = {}
    for state in states:
        if state.service not in found or not state.up:
            found[state.service] = state
    return list(found.values())
