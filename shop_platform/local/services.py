"""The embedded stack's long-running processes and how each shows that it is ready."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import httpx
import psycopg

from shop_platform.errors import ShopError
from shop_platform.ingest.lag import services_alive
from shop_platform.local.processes import Service
from shop_platform.refresh.attempts import alive
from shop_platform.settings import Settings

# A process that is alive and slow is not broken; one that has ended is told at once.
_START_SECONDS = 600


def http_ready(url: str) -> Callable[[], bool]:
    """Return a check that ``url`` answers below 500."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code < 500
        except httpx.HTTPError:
            return False

    return check


def port_ready(port: int) -> Callable[[], bool]:
    """Return a check that something listens on the loopback ``port``."""

    def check() -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return check


def _shop(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "shop_platform.cli", *arguments]


def broker(settings: Settings, port: int) -> Service:
    """The development broker, which keeps its log below the data folder."""
    data = settings.data_dir / "broker"
    return Service(
        "broker",
        [sys.executable, "-m", "shop_platform.local.broker", "--data", str(data), "--port", str(port)],
        settings.process_environment(),
        ready=port_ready(port),
        ready_within_seconds=_START_SECONDS,
        port=port,
    )


def ingest(settings: Settings) -> Service:
    """The continuous ingestion."""

    def ready() -> bool:
        try:
            return services_alive(settings)
        except (ShopError, psycopg.Error):
            return False

    return Service(
        "ingest", _shop("ingest"), settings.process_environment(), ready=ready, ready_within_seconds=_START_SECONDS
    )


def refresher(settings: Settings) -> Service:
    """The resident refresher of the hot marts."""

    def ready() -> bool:
        try:
            return alive(settings)
        except (ShopError, psycopg.Error):
            return False

    return Service(
        "refresher", _shop("refresh"), settings.process_environment(), ready=ready, ready_within_seconds=_START_SECONDS
    )


def monitor(settings: Settings) -> Service:
    """What tells of incidents."""
    return Service("monitor", _shop("monitor"), settings.process_environment())


def live_shop(settings: Settings, rate: float) -> Service:
    """The simulated shop, in real time."""
    return Service("generator", _shop("generate", "live", "--rate", str(rate)), settings.process_environment())


def dashboard(settings: Settings) -> Service:
    """The Dash app."""
    url = f"http://{settings.dashboard_host}:{settings.dashboard_port}"
    return Service(
        "dashboard",
        [sys.executable, "-m", "dashboard.serve"],
        settings.process_environment(),
        ready=http_ready(f"{url}/healthz"),
        ready_within_seconds=_START_SECONDS,
        url=url,
        port=settings.dashboard_port,
    )
