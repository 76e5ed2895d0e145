"""A real Dagster web server and daemon on a file of definitions, for tests that talk to it over HTTP."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.local.processes import Service, Supervisor
from tests.support.databases import empty_database

# PostgreSQL, because runs write at once: SQLite then says that it is locked.
_INSTANCE = """telemetry: {enabled: false}
storage:
  custom:
    module: shop_platform.orchestration.storage
    class: PooledPostgresStorage
    config: {postgres_url: {env: TEST_DAGSTER_STORAGE}}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config: {dequeue_interval_seconds: 1}
"""
_RUNS = """query Runs { runsOrError { ... on Runs { results {
  runId jobName status creationTime startTime endTime tags { key value } } } } }"""


@dataclass(frozen=True)
class DagsterServer:
    """Where the server listens."""

    port: int

    @property
    def url(self) -> str:
        """The address of the web server."""
        return f"http://127.0.0.1:{self.port}"

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Return the runs that carry all the tags (`airflow__dag_id` for `airflow/dag_id`), oldest first."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": _RUNS}, timeout=30).raise_for_status().json()
        found = []
        for run in answer["data"]["runsOrError"]["results"]:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
            if all(run["tags"].get(key.replace("__", "/")) == value for key, value in tags.items()):
                found.append(run)
        return sorted(found, key=lambda run: run["creationTime"])

    def query(self, query: str, **variables: str) -> dict[str, Any]:
        """Return the data that Dagster answers."""
        body = {"query": query, "variables": variables}
        return dict(httpx.post(f"{self.url}/graphql", json=body, timeout=30).raise_for_status().json()["data"])

    def has_loaded(self) -> bool:
        """Whether the web server has loaded the code location."""
        return bool(self._ask("repositoriesOrError { ... on RepositoryConnection { nodes { name } } }").get("nodes"))

    def dequeues_runs(self) -> bool:
        """Whether the daemon that starts queued runs has reported in."""
        health = self._ask("instance { daemonHealth { allDaemonStatuses { daemonType healthy } } }")
        daemons = health.get("daemonHealth", {}).get("allDaemonStatuses", [])
        return any(each["daemonType"] == "QUEUED_RUN_COORDINATOR" and each["healthy"] for each in daemons)

    def _ask(self, field: str) -> dict[str, Any]:
        try:
            answer = httpx.post(f"{self.url}/graphql", json={"query": f"query Ask {{ {field} }}"}, timeout=10).json()
        except (httpx.TransportError, ValueError):
            return {}
        (value,) = (answer.get("data") or {"": {}}).values()
        return dict(value or {})


@contextmanager
def running_dagster(
    postgres: EmbeddedPostgres, definitions: Path, location: str, home: Path
) -> Iterator[DagsterServer]:
    """Run Dagster on `definitions` as code location `location`; it writes into `home` and a database of its own."""
    with empty_database(postgres, f"dagster_{location}") as storage:
        yield from _running(storage, definitions, location, home)


def _running(storage: str, definitions: Path, location: str, home: Path) -> Iterator[DagsterServer]:
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
    workspace = home / "workspace.yaml"
    workspace.write_text(
        f"load_from: [{{python_file: {{relative_path: '{definitions}', location_name: {location}}}}}]\n",
        encoding="utf-8",
    )
    server = DagsterServer(any_free())
    environment = {"DAGSTER_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "", "TEST_DAGSTER_STORAGE": storage}
    scripts = Path(sys.executable).parent
    # Not below `home`: Dagster moves a folder of the name `logs` out of its way.
    supervisor = Supervisor(home.parent / "dagster-logs")
    web = [str(scripts / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(server.port), "-w", str(workspace)]
    daemon = [str(scripts / "dagster-daemon"), "run", "-w", str(workspace)]
    try:
        services = (
            Service("web", web, environment, ready=server.has_loaded, still_seconds=math.inf),
            Service("daemon", daemon, environment, ready=server.dequeues_runs, still_seconds=math.inf),
        )
        for service in services:
            supervisor.start(service)
        for service in services:
            supervisor.wait_ready(service.name)
        yield server
    finally:
        supervisor.stop_all()
