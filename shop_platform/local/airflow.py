"""A real Airflow without containers: its database, its secrets, its environment and its four processes."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from psycopg import sql

from shop_platform.errors import ShopError
from shop_platform.local.ports import Claims, first_free, preferred
from shop_platform.local.processes import Service
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect

ENVIRONMENT = PROJECT_ROOT / ".venv-airflow"
DAGS = PROJECT_ROOT / "airflow_bridge" / "dags"
USER = "admin"
_ROLE = "airflow"
_PREFERRED_PORTS = {"api": 8080, "worker_logs": 8793, "trigger_logs": 8794}
_PLACE = 10  # in a range of ports: after the stack's own services
_MIGRATE_SECONDS = 3600
_CONNECTIONS = 60


def command(*arguments: str) -> list[str]:
    """Return the argv of the `airflow` command of Airflow's own environment."""
    return [str(ENVIRONMENT / "bin" / "airflow"), *arguments]


@dataclass(frozen=True)
class AirflowHome:
    """One Airflow in `folder`, with its metadata in database `database` of the warehouse's server.

    `dags` are the folders with DAG files by bundle name, `connections` are Airflow connections by id, `variables` go to
    every process.
    """

    folder: Path
    settings: Settings
    dags: Mapping[str, Path]
    connections: Mapping[str, Mapping[str, Any]]
    database: str = "airflow"
    variables: Mapping[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the folder, the role and the database, and bring Airflow's tables up to date; safe to repeat.

        Raises :class:`ShopError` with Airflow's last words when its migration fails.
        """
        if not Path(command()[0]).exists():
            raise ShopError(f"Airflow is not installed in {ENVIRONMENT}", "`make airflow-env` installs it.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write("passwords.json", {USER: self.secrets()["admin"]})
        self._make_database()
        done = subprocess.run(
            command("db", "migrate"),
            env=os.environ | self.environment(),
            capture_output=True,
            text=True,
            timeout=_MIGRATE_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            tail = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-8:])
            raise ShopError(f"`airflow db migrate` failed:\n    {tail}", "Is the database reachable?", exit_code=1)

    def secrets(self) -> dict[str, str]:
        """Return Airflow's passwords and keys, made once and readable by the owner only."""
        path = self.folder / "secrets.json"
        if path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        made = {name: secrets.token_urlsafe(24) for name in ("database", "admin", "jwt", "api")}
        made["fernet"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self._write(path.name, made)
        return made

    def ports(self, claims: Claims) -> dict[str, int]:
        """Return the loopback ports, which are in ``claims`` from then on: those of the last start where they are free.

        Else the next ones; what another process has claimed counts as taken.
        """
        path = self.folder / "ports.json"
        wanted = preferred(_PREFERRED_PORTS, place=_PLACE) | (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        )
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            chosen[name] = first_free(int(port), taken=set(chosen.values()), claim=claims.take)
        self._write(path.name, chosen)
        return chosen

    def environment(self, ports: Mapping[str, int] = _PREFERRED_PORTS) -> dict[str, str]:
        """Return the variables that every process of this Airflow needs."""
        known = self.secrets()
        address = f"{self.settings.pg_host}:{self.settings.pg_port}/{self.database}"
        url = f"http://127.0.0.1:{ports['api']}"
        bundles = [
            {
                "name": name,
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": str(path), "refresh_interval": 10},
            }
            for name, path in self.dags.items()
        ]
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # The button of the connection's form; Airflow switches it off because it sends what anybody types in.
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(next(iter(self.dags.values()))),
            "AIRFLOW__CORE__FERNET_KEY": known["fernet"],
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.folder / "passwords.json"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": (
                f"postgresql+psycopg2://{_ROLE}:{quote(known['database'], safe='')}@{address}"
            ),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(ports["api"]),
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": known["api"],
            "AIRFLOW__API_AUTH__JWT_SECRET": known["jwt"],
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports["worker_logs"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports["trigger_logs"]),
            # A task's supervisor that misses the end of its process by a moment notices it only this much later. With
            # Airflow's five seconds a deferred task could be queued again before its first half counted as ended, and
            # the scheduler then fails it ("finished, but the task instance's state attribute is queued").
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            **{f"AIRFLOW_CONN_{name.upper()}": json.dumps(value) for name, value in self.connections.items()},
            **self.variables,
        }

    def services(self, ports: Mapping[str, int]) -> list[Service]:
        """Return the four processes. The API server comes first and has to be ended last: tasks report to it."""
        variables = self.environment(ports)
        url = f"http://127.0.0.1:{ports['api']}"
        parts: Sequence[tuple[str, str | None]] = (
            ("api-server", None),
            ("scheduler", "scheduler"),
            ("dag-processor", "dag_processor"),
            ("triggerer", "triggerer"),
        )
        return [
            Service(
                f"airflow-{part}",
                command(part),
                variables,
                ready=_healthy(url, reported),
                waits_for=f"{url} to report its health",
                stop_within_seconds=30,
                url=url if reported is None else None,
                port=ports["api"] if reported is None else None,
            )
            for part, reported in parts
        ]

    def _make_database(self) -> None:
        role, database = sql.Identifier(_ROLE), sql.Identifier(self.database)
        password = sql.Literal(self.secrets()["database"])
        with connect(self.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
            if admin.execute("select 1 from pg_roles where rolname = %s", [_ROLE]).fetchone() is None:
                admin.execute(
                    sql.SQL("create role {} login connection limit {}").format(role, sql.Literal(_CONNECTIONS))
                )
            admin.execute(sql.SQL("alter role {} with password {}").format(role, password))
            if admin.execute("select 1 from pg_database where datname = %s", [self.database]).fetchone() is None:
                admin.execute(sql.SQL("create database {} owner {}").format(database, role))
            admin.execute(sql.SQL("revoke connect, temporary on database {} from public").format(database))

    def _write(self, name: str, content: object) -> None:
        fresh = self.folder / f"{name}.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        fresh.rename(self.folder / name)


def _healthy(url: str, part: str | None) -> Callable[[], bool]:
    """Return a check that the API server answers and, with `part`, reports that part as healthy."""

    def check() -> bool:
        try:
            health = httpx.get(f"{url}/api/v2/monitor/health", timeout=30).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        return part is None or health[part]["status"] == "healthy"

    return check
