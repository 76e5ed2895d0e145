"""What the platform looks like right now: counts, lag, freshness, last runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from confluent_kafka import KafkaException
from psycopg.rows import dict_row

from shop_platform.errors import ShopError
from shop_platform.ingest.lag import alive_services, end_offsets, stored_offsets
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]


@dataclass
class Status:
    """One look at the platform; numbers that cannot be had right now are ``None``, with a reason in ``problems``."""

    produced: int | None = None
    landed: int | None = None
    dead_lettered: int | None = None
    duplicates: int | None = None
    lag: int | None = None
    lag_by_topic: dict[str, int] = field(default_factory=dict)
    ingest_services: int = 0
    ingest_rows_per_second: float = 0.0
    reconciled: bool | None = None
    reconciled_at: str | None = None
    freshness_seconds: float | None = None
    data_as_of: str | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    failed_checks: int | None = None
    warning_checks: int | None = None
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the status for ``--json``."""
        return dict(vars(self))


class LedgerCounter:
    """Counts the lines of the producer's ledger, reading only what was added since the last call."""

    def __init__(self, ledger_dir: Path) -> None:
        self._folder = ledger_dir / "produced"
        self._read: dict[Path, tuple[int, int]] = {}

    def lines(self) -> int | None:
        """Return acknowledged messages so far; ``None`` without a ledger."""
        files = sorted(self._folder.glob("*.tsv"))
        for path in files:
            position, count = self._read.get(path, (0, 0))
            with path.open("rb") as file:
                file.seek(position)
                while chunk := file.read(1 << 20):
                    count += chunk.count(b"\n")
                    position += len(chunk)
            self._read[path] = (position, count)
        return sum(count for _, count in self._read.values()) if files else None


def collect(settings: Settings, ledger: LedgerCounter | None = None) -> Status:
    """Look at ledger, warehouse and Kafka; never raises for a part that is away."""
    status = Status()
    produced_messages = (ledger or LedgerCounter(settings.ledger_dir)).lines()
    status.produced = produced_messages
    try:
        with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
            for part in (_counts, _reconciliation, _freshness, _runs):
                _try(part, connection, status)
            stored = stored_offsets(connection)
            status.ingest_services = alive_services(connection)
    except (ShopError, psycopg.Error) as error:
        status.problems.append(str(error).splitlines()[0])
        return status
    try:
        ends = end_offsets(settings)
    except (ShopError, KafkaException) as error:
        status.problems.append(str(error).splitlines()[0])
        return status
    for (topic, partition), (low, high) in ends.items():
        behind = max(high - stored.get((topic, partition), low), 0)
        status.lag_by_topic[topic] = status.lag_by_topic.get(topic, 0) + behind
    status.lag = sum(status.lag_by_topic.values())
    return status


def _try(part: Callable[[Connection, Status], None], connection: Connection, status: Status) -> None:
    try:
        part(connection, status)
    except psycopg.errors.UndefinedTable:
        pass  # not built yet: the number stays None
    except psycopg.Error as error:
        status.problems.append(str(error).splitlines()[0])


def _one(connection: Connection, query: LiteralString, parameters: list[object] | None = None) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchone() or {}


def _counts(connection: Connection, status: Status) -> None:
    row = _one(
        connection,
        "select coalesce(sum(landed), 0)::bigint as landed, coalesce(sum(duplicates), 0)::bigint as duplicates,"
        " coalesce(sum(dead), 0)::bigint as dead from ops.ingest_batches",
    )
    status.landed, status.duplicates, status.dead_lettered = row["landed"], row["duplicates"], row["dead"]
    rate = _one(connection, "select coalesce(sum(rows_per_second), 0) as rate from ops.ingest_services")
    status.ingest_rows_per_second = round(float(rate["rate"]), 1)


def _reconciliation(connection: Connection, status: Status) -> None:
    row = _one(connection, "select holds, checked_at from ops.reconciliations order by reconciliation_id desc limit 1")
    if row:
        status.reconciled, status.reconciled_at = row["holds"], row["checked_at"].isoformat(timespec="seconds")


def _freshness(connection: Connection, status: Status) -> None:
    row = _one(connection, "select max(max_event_time) as newest from marts.data_freshness")
    newest = row.get("newest")
    if newest is not None:
        status.data_as_of = newest.isoformat(timespec="seconds")
        status.freshness_seconds = round((dt.datetime.now(dt.UTC) - newest).total_seconds(), 1)


def _runs(connection: Connection, status: Status) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select job, status, started_at, round(duration_seconds::numeric, 1)::float as seconds, error"
            " from ops.pipeline_runs order by coalesce(started_at, updated_at) desc limit 5"
        ).fetchall()
    for row in rows:
        row["started_at"] = row["started_at"].isoformat(timespec="seconds") if row["started_at"] else None
    status.runs = rows
    checks = _one(
        connection,
        "select count(*) filter (where severity = 'error') as failed,"
        " count(*) filter (where severity <> 'error') as warned"
        " from (select distinct on (asset, check_name) passed, severity from ops.check_results"
        " order by asset, check_name, check_result_id desc) as latest where not passed",
    )
    status.failed_checks, status.warning_checks = checks["failed"], checks["warned"]
