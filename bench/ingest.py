"""Rows per second of the real ingest service against ``psql \\copy`` of the same rows into the same tables."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
from psycopg import sql

from bench import latency
from bench.service import running_service, tree_cpu_seconds
from bench.stack import measuring_stack
from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.generator.history import run_history
from shop_platform.ingest.encode import COLUMNS, PERSONAL_COLUMNS
from shop_platform.ingest.lag import end_offsets, stored_offsets
from shop_platform.local.postgres import BIN, EmbeddedPostgres
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=ingest"
# All that the service writes of events: what is personal about them has a table of its own.
_TABLES = [(f"raw.{topic.subject}", COLUMNS) for topic in TOPICS] + [("pii.personal_data", PERSONAL_COLUMNS)]
_WAIT_SECONDS = 300
# A shop that is busy enough for throughput to matter: some 700,000 events.
_DAYS, _ORDERS_PER_DAY = 15, 400


@dataclass(frozen=True)
class _Figures:
    rows: int
    rate: float
    client_us: float
    server_us: float


def run() -> list[dict[str, Any]]:
    """Measure one and two processes, then the latency.

    Both sides write the same rows, durably, into the same tables with the same indexes, one right after the other.
    """
    rows: list[dict[str, Any]] = []
    for processes in (1, 2):
        with measuring_stack() as (settings, server):
            figures = _service(settings, server, processes)
            seconds, server_us = _copy(settings, figures.rows)
            ceiling = figures.rows / _ceiling(settings)
        reference = figures.rows / seconds
        ratio = round(figures.rate / reference, 3)
        sys.stderr.write(
            f"  {processes}p: CPU per row {figures.client_us:.1f} µs client, {figures.server_us:.1f} µs PostgreSQL;"
            f" psql \\copy: {server_us:.1f} µs PostgreSQL\n"
        )
        common = {
            "ratio": ratio,
            "client_cpu_us_per_row": round(figures.client_us, 2),
            "server_cpu_us_per_row": round(figures.server_us, 2),
            "reference_server_cpu_us_per_row": round(server_us, 2),
            "rows": figures.rows,
            "command": _COMMAND,
        }
        rate = {"value": round(figures.rate), "unit": "rows/s", "reference": round(reference)}
        rows.append({"name": f"ingest.rows_per_second_{processes}p", **rate, **common})
        rows.append(
            {"name": f"ingest.copy_ratio_{processes}p", "value": ratio, "unit": "ratio", "reference": 1.0, **common}
        )
    # Last, of the two processes: how much of what this machine's PostgreSQL takes at most.
    rows.append(
        {
            "name": "ingest.ceiling_ratio_2p",
            "value": round(figures.rate),
            "unit": "rows/s",
            "reference": round(ceiling),
            "ratio": round(figures.rate / ceiling, 3),
            "command": _COMMAND,
        }
    )
    return rows + latency.run()


def _service(settings: Settings, server: EmbeddedPostgres, processes: int) -> _Figures:
    """Let ``shop ingest`` read a history; the time counts from the first message read to the last commit.

    The processes have joined their group before there is anything to read, and stand still while it is produced, so
    that neither their start nor the producer is part of the figure.
    """
    with (
        running_service(settings, processes) as service,
        connect(settings, Role.ADMIN, autocommit=True) as admin,
    ):
        deadline = time.monotonic() + _WAIT_SECONDS
        _wait(service, deadline, lambda: _joined(admin) == processes)
        members = psutil.Process(service.pid).children() or [psutil.Process(service.pid)]
        for member in members:
            member.suspend()
        run_history(settings, days=_DAYS, orders_per_day=_ORDERS_PER_DAY, seed=7)
        ends = {place: high for place, (_, high) in end_offsets(settings).items()}
        before = tree_cpu_seconds(_postmaster(server)), tree_cpu_seconds(service.pid)
        for member in members:
            member.resume()
        _wait(service, deadline, lambda: all(stored_offsets(admin).get(place, 0) >= end for place, end in ends.items()))
        on_server = tree_cpu_seconds(_postmaster(server)) - before[0]
        client = tree_cpu_seconds(service.pid) - before[1]
        row = admin.execute(
            "select extract(epoch from max(committed_at) - min(started_at))::float8, sum(landed)::bigint,"
            " sum(messages)::bigint, count(distinct writer) from ops.ingest_batches where messages > 0"
        ).fetchone()
        assert row is not None
        seconds, landed, messages, writers = (float(str(value)) for value in row)
    if writers != processes:
        raise ShopError(
            f"{writers:.0f} of {processes} processes did the work", "The measurement says nothing; repeat it."
        )
    return _Figures(int(landed), landed / seconds, client / messages * 1e6, on_server / messages * 1e6)


def _wait(service: subprocess.Popen[bytes], deadline: float, done: Callable[[], bool]) -> None:
    while not done():
        if service.poll() is not None or time.monotonic() > deadline:
            raise ShopError("The ingest service did not get to the end", "Its output is above.")
        time.sleep(0.1)


def _joined(admin: psycopg.Connection[Any]) -> int:
    """Return how many processes own partitions, once these are all the partitions there are."""
    rows = admin.execute("select jsonb_array_length(partitions) from ops.ingest_services").fetchall()
    shares = [int(count) for (count,) in rows if count]
    return len(shares) if sum(shares) == sum(topic.partitions for topic in TOPICS) else 0


def _postmaster(server: EmbeddedPostgres) -> int:
    assert server.process is not None
    return server.process.pid


def _copy(settings: Settings, rows: int) -> tuple[float, float]:
    """Unload every table, empty it and load it again by psql; return seconds and the server's CPU µs per event."""
    psql, environment = _psql(settings)
    total = cpu = 0.0
    for table, columns in _TABLES:
        path = settings.data_dir / f"{table}.copy"
        # A partitioned table cannot be unloaded by its name.
        unload = f"\\copy (select {columns} from {table}) to '{path}'"  # noqa: S608 - constants
        subprocess.run([*psql, "-c", unload], env=environment, check=True)
        _empty(settings, table)
        started = time.perf_counter()
        # pg_sleep keeps the backend for a moment, so that its processor time can be read.
        load = ["-At", "-c", f"\\copy {table} ({columns}) from '{path}'", "-c", "select pg_backend_pid()"]
        load += ["-c", "select pg_sleep(1)"]
        with subprocess.Popen([*psql, *load], env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            backend = int(process.stdout.readline())
            total += time.perf_counter() - started
            times = psutil.Process(backend).cpu_times()
            cpu += times.user + times.system
        path.unlink()
    return total, cpu / rows * 1e6


def _ceiling(settings: Settings) -> float:
    """Return the seconds of two psql at once for the rows that are there, each with half of the subjects.

    They send ready rows in binary format: nothing is read from Kafka, parsed, checked or deduplicated.
    """
    psql, environment = _psql(settings)
    loads: list[list[str]] = [[], []]
    for table, columns in _TABLES:
        for half, load in enumerate(loads):
            path = settings.data_dir / f"{table}.{half}.copy"
            query = f"select {columns} from {table} where hashtext(subject) % 2 {'=' if half else '<>'} 0"  # noqa: S608 - constants
            unload = f"\\copy ({query}) to '{path}' with (format binary)"
            subprocess.run([*psql, "-c", unload], env=environment, check=True)
            load += ["-c", f"\\copy {table} ({columns}) from '{path}' with (format binary)"]
    for table, _ in _TABLES:
        _empty(settings, table)
    started = time.perf_counter()
    both = [subprocess.Popen([*psql, *load], env=environment) for load in loads]
    if any(process.wait() for process in both):
        raise ShopError("psql did not load the rows again", "Its output is above.")
    return time.perf_counter() - started


def _empty(settings: Settings, table: str) -> None:
    with connect(settings, Role.ADMIN) as admin:
        admin.execute(sql.SQL("truncate {}").format(sql.Identifier(*table.split("."))))


def _psql(settings: Settings) -> tuple[list[str], dict[str, str]]:
    psql = [
        *(str(BIN / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", settings.pg_host, "-p", str(settings.pg_port)),
        *("-U", settings.pg_admin_user, settings.pg_database),
    ]
    return psql, os.environ | {"PGPASSWORD": settings.password(Role.ADMIN)}
