"""Dagster's home folder (``dagster.yaml``, ``workspace.yaml``) and its long-running processes."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

from shop_platform.errors import ShopError
from shop_platform.local.ports import any_free
from shop_platform.local.processes import Service
from shop_platform.local.services import port_ready
from shop_platform.orchestration import names
from shop_platform.orchestration.heartbeats import silent_daemons
from shop_platform.settings import Settings

HOST = "127.0.0.1"
STORAGE_VARIABLE = "DAGSTER_PG_URL"

_RUN_HISTORY_DAYS = 7
# What is alive and slow is not broken: a busy machine needs minutes for what takes seconds elsewhere.
_START_SECONDS = 1800
_RUN_SECONDS = 4 * 3600


def home(settings: Settings) -> Path:
    """Return DAGSTER_HOME."""
    return settings.data_dir.resolve() / "dagster"


def free_code_ports(claim: Callable[[int], bool] = lambda _port: True) -> dict[str, int]:
    """Return a port that nobody listens on, and that ``claim`` gets, for each code location."""
    return {location: any_free(claim) for location in names.MODULES}


def prepare_home(settings: Settings, *, code_ports: Mapping[str, int]) -> Path:
    """Write ``dagster.yaml`` and ``workspace.yaml`` and return their folder; safe to repeat."""
    folder = home(settings)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "dagster.yaml", instance_configuration(settings))
    _write(folder / "workspace.yaml", workspace({location: (HOST, port) for location, port in code_ports.items()}))
    return folder


def instance_configuration(settings: Settings) -> dict[str, Any]:
    """Return the content of ``dagster.yaml``; the storage URL with its password stays in the environment."""
    folder = home(settings)
    return {
        "storage": {
            "custom": {
                "module": "shop_platform.orchestration.storage",
                "class": "PooledPostgresStorage",
                "config": {"postgres_url": {"env": STORAGE_VARIABLE}},
            }
        },
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"dequeue_interval_seconds": 1},
        },
        "concurrency": {
            "runs": {"max_concurrent_runs": settings.dagster_concurrent_runs},
            # By run, not by op: a run that has to wait then waits in the queue instead of in a process of 200 MB,
            # and a killed run leaves no slot behind.
            "pools": {"default_limit": 1, "granularity": "run"},
        },
        "run_monitoring": {
            "enabled": True,
            "start_timeout_seconds": _START_SECONDS,
            "max_runtime_seconds": _RUN_SECONDS,
            "poll_interval_seconds": 15,
        },
        # A reload may parse the whole dbt project.
        "code_servers": {"reload_timeout": _START_SECONDS},
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
        # Threads, because one slow Kafka must not hold up the sensor that records runs.
        "sensors": {"use_threads": True, "num_workers": 4},
        "retention": {
            "schedule": {"purge_after_days": {"skipped": 1, "success": _RUN_HISTORY_DAYS}},
            "sensor": {"purge_after_days": {"skipped": 1, "success": _RUN_HISTORY_DAYS}},
        },
        "compute_logs": {
            "module": "dagster.core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(folder / "logs")},
        },
        "local_artifact_storage": {
            "module": "dagster.core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": str(folder)},
        },
        # Events are kept in the database whatever the level; at DEBUG each would also go to the code server's log file.
        "python_logs": {"python_log_level": "INFO"},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }


def workspace(addresses: Mapping[str, tuple[str, int]]) -> dict[str, Any]:
    """Return the content of ``workspace.yaml``: one code server per location, at its host and port."""
    servers = [{"host": host, "port": port, "location_name": location} for location, (host, port) in addresses.items()]
    return {"load_from": [{"grpc_server": server} for server in servers]}


def environment(settings: Settings) -> dict[str, str]:
    """Return the variables that every Dagster process needs."""
    return settings.process_environment() | {
        "DAGSTER_HOME": str(home(settings)),
        STORAGE_VARIABLE: settings.dagster_storage_url(),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # A code server that is starved answers late. Dagster's own limits are 60 s, and 180 s for what it has defined.
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "300",
        "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS": "900",
        # How long the code server lets a call (a sensor that waits for Kafka) go on after it was told to stop.
        "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": "5",
        # glibc gives each thread an arena of its own and returns little; two arenas save some 30 MB a process.
        "MALLOC_ARENA_MAX": "2",
    }


def dagster_services(settings: Settings, *, code_ports: Mapping[str, int], web_port: int) -> list[Service]:
    """Return the code servers, the web server and the daemon, in the order in which they should start.

    All listen on loopback only: the open-source web server has no login.
    """
    variables = environment(settings)
    workspace_file = str(home(settings) / "workspace.yaml")
    url = f"http://{HOST}:{web_port}"
    made = [
        *(_code_server(location, port, variables) for location, port in code_ports.items()),
        Service(
            "dagster-web",
            [
                *(sys.executable, "-m", "dagster_webserver", "-w", workspace_file),
                *("--host", HOST, "--port", str(web_port)),
            ],
            variables,
            ready=location_ready(url),
            waits_for=f"{url} to have loaded both code locations",
            url=url,
            port=web_port,
        ),
        Service(
            "dagster-daemon",
            [sys.executable, "-m", "dagster._daemon", "run", "-w", workspace_file],
            variables,
            ready=daemon_ready(settings),
            waits_for="a heartbeat of its sensors, its schedules and its queue",
        ),
    ]
    # Dagster takes the variables of a file .env in the folder where it is started for its own. In a checkout that file
    # holds the passwords of the containers.
    return [replace(service, folder=home(settings)) for service in made]


def _code_server(location: str, port: int, variables: dict[str, str]) -> Service:
    return Service(
        f"dagster-{location}",
        [
            *(sys.executable, "-m", "shop_platform.orchestration.code_server", "-m", names.MODULES[location]),
            *("--location-name", location, "--host", HOST, "--port", str(port)),
            "--use-python-environment-entry-point",
        ],
        variables,
        # It listens only once the definitions are loaded.
        ready=port_ready(port),
        waits_for=f"its definitions to be loaded, then port {port}",
        # On SIGTERM it waits up to a minute for a running dbt; what dbt had not committed is rolled back.
        stop_within_seconds=4,
        port=port,
    )


def location_ready(url: str) -> Callable[[], bool]:
    """Return a check that the web server answers and has our code locations."""

    def check() -> bool:
        from shop_platform.orchestration.launch import location_errors

        try:
            return not location_errors(url)
        except (ShopError, httpx.HTTPError):
            return False

    return check


def daemon_ready(settings: Settings) -> Callable[[], bool]:
    """Return a check that each daemon that matters has sent a heartbeat from now on: an older one is another's."""
    since = dt.datetime.now(dt.UTC)

    def check() -> bool:
        try:
            return not silent_daemons(settings, since=since)
        except (ShopError, psycopg.Error):
            return False

    return check


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
