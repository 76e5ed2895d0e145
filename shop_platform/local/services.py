"""The embedded stack's long-running processes and how each shows that it is ready."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import httpx
import psycopg

from shop_platform.errors import ShopError
from shop_platform.ingest.lag import alive_processes as alive_writers
from shop_platform.local.processes import Service
from shop_platform.refresh.attempts import alive_processes as alive_refreshers
from shop_platform.settings import Settings

# A busy machine needs seconds for an answer; whoever is not there refuses at once.
_ANSWER_SECONDS = 30


def http_ready(url: str) -> Callable[[], bool]:
    """Return a check that ``url`` answers below 500."""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=_ANSWER_SECONDS).status_code < 500
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
        port=port,
        waits_for=f"port {port} to answer",
    )


def ingest(settings: Settings) -> Service:
    """The continuous ingestion."""
    return Service(
        "ingest",
        _shop("ingest"),
        settings.process_environment(),
        heard=_heard(lambda: alive_writers(settings)),
        waits_for="its first heartbeat in ops.ingest_services",
    )


def refresher(settings: Settings) -> Service:
    """The resident refresher of the hot marts."""
    return Service(
        "refresher",
        _shop("refresh"),
        settings.process_environment(),
        heard=_heard(lambda: alive_refreshers(settings)),
        waits_for="its first heartbeat in ops.refreshers",
    )


def _heard(ask: Callable[[], set[int]]) -> Callable[[], set[int]]:
    """Return ``ask``, for which nobody was heard while the warehouse does not answer."""

    def heard() -> set[int]:
        try:
            return ask()
        except (ShopError, psycopg.Error):
            return set()

    return heard


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
        waits_for=f"{url}/healthz to answer",
        url=url,
        port=settings.dashboard_port,
    )
