"""Measure one way through the topic by what PostgreSQL saw of it: one rule for the ingestion and for every peer."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from bench.peers.environments import program
from bench.peers.figures import Entry, Run
from bench.peers.running import PeerFailedError, Running, cpu_seconds, python_peer
from bench.peers.stack import Stage, fresh_database
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

TABLE = "peer.events"
_BUDGET_SECONDS = 240.0
_STALLED_SECONDS = 30.0
_POLL_SECONDS = 0.2
_QUIET_SECONDS = 0.6
_RECOUNT_SECONDS = 2.0

Launch = Callable[[Settings, Stage, Path], AbstractContextManager[Running]]


@dataclass(frozen=True)
class Contestant:
    """A way ready to run.

    A peer writes :data:`TABLE`: the bench makes it of ``columns``, or the peer makes its own. It is through when the
    table holds every landable message, or every distinct event, or when its process has ended.
    """

    entry: Entry
    launch: Launch
    columns: str | None = None
    through: Literal["landable", "distinct", "ended"] = "landable"
    schema: str = "peer"
    table: str = "events"


def ours(processes: int) -> Contestant:
    """Return the ingestion itself in ``processes`` processes; it writes the warehouse's raw table."""

    def launch(settings: Settings, stage: Stage, folder: Path) -> AbstractContextManager[Running]:
        environment = settings.process_environment() | {"SHOP_INGEST_REPORT_SECONDS": "0"}
        order = {"environment": environment, "processes": processes}
        return python_peer(Path(sys.executable), program("shop_ingest"), order, folder)

    entry = Entry("", f"the ingestion ({processes} process{'es' if processes > 1 else ''})", "", "", "")
    return Contestant(entry, launch, through="ended", schema="raw", table="web")


def measure(stage: Stage, contestant: Contestant) -> Run:
    """Let the contestant read the topic into an empty database; stop it at the end, or when it takes too long.

    The clock runs from its own call that starts reading (connections and joining the group included, starting an
    interpreter or a JVM not) to the last commit into its table, as PostgreSQL recorded it. Raises
    :class:`~bench.peers.running.PeerFailedError` when it fails.
    """
    with (
        fresh_database(stage, warehouse=contestant.schema == "raw") as settings,
        tempfile.TemporaryDirectory(dir=stage.folder) as folder,
        connect(settings, Role.ADMIN, autocommit=True) as admin,
    ):
        if contestant.schema == "peer":
            admin.execute("create schema peer")
        if contestant.columns is not None:
            admin.execute(f"create table {TABLE} ({contestant.columns})".encode())
        with contestant.launch(settings, stage, Path(folder)) as running:
            return _watch(stage, admin, contestant, running)


def _watch(stage: Stage, admin: psycopg.Connection[Any], contestant: Contestant, running: Running) -> Run:
    """Look at the table's size five times a second and count the rows only when it has stopped growing."""
    expected = {"landable": stage.landable, "distinct": stage.distinct, "ended": 0}[contestant.through]
    server_before = cpu_seconds(stage.postgres_pid) or 0.0
    size, rows, cpu = 0, 0, 0.0
    grown = counted = time.monotonic()
    deadline = grown + _BUDGET_SECONDS
    while True:
        ended = running.process.poll()
        cpu = max(cpu, running.cpu_seconds() or 0.0)
        now = size_of(admin, contestant.schema, contestant.table)
        if now != size:
            size, grown = now, time.monotonic()
        quiet = time.monotonic() - grown
        # The size grows before the rows are committed, so one count per size would not do.
        recount = counted < grown or time.monotonic() - counted > _RECOUNT_SECONDS
        if expected and size and quiet > _QUIET_SECONDS and recount:
            rows, counted = _landed(admin, contestant)[0], time.monotonic()
        if ended is not None or (expected and rows >= expected):
            break
        if quiet > _QUIET_SECONDS and (reason := running.failure()):
            raise PeerFailedError(f"It stopped after {rows:,} rows: {reason}")
        if time.monotonic() > deadline or (size and quiet > _STALLED_SECONDS):
            break
        time.sleep(_POLL_SECONDS)
    server = (cpu_seconds(stage.postgres_pid) or 0.0) - server_before
    rows, last_commit = _landed(admin, contestant) if size else (0, 0.0)
    if ended or not rows:
        raise PeerFailedError(f"{rows:,} rows landed, exit code {ended}\n{running.tail()}")
    through = rows >= expected if expected else ended == 0
    if not through:
        sys.stderr.write(f"    stopped with {rows:,} of {expected:,} rows\n{running.tail()}\n")
    return Run(rows, last_commit - running.started_at, cpu, server, complete=through)


def size_of(admin: psycopg.Connection[Any], schema: str, table: str) -> int:
    """Return the bytes of a table with its partitions; 0 while there is none."""
    name = f"{schema}.{table}"
    # A partitioned table has no size of its own, and one that is not partitioned no tree.
    row = admin.execute(
        "select coalesce(sum(pg_relation_size(part)), 0) from"
        " (select to_regclass(%(name)s) as part union select relid from pg_partition_tree(to_regclass(%(name)s))) as t",
        {"name": name},
    ).fetchone()
    return int(row[0]) if row else 0


def _landed(admin: psycopg.Connection[Any], contestant: Contestant) -> tuple[int, float]:
    """Return the rows and when (seconds since the epoch) the last transaction that wrote any of them committed."""
    row = admin.execute(
        sql.SQL(
            "select sum(rows), extract(epoch from max(pg_xact_commit_timestamp(writer)))"
            " from (select xmin as writer, count(*) as rows from {} group by xmin) as transactions"
        ).format(sql.Identifier(contestant.schema, contestant.table))
    ).fetchone()
    return (int(row[0]), float(row[1])) if row and row[0] else (0, 0.0)
