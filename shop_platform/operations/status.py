"""What the platform looks like right now: counts, lag, freshness, last runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from confluent_kafka import KafkaException
from psycopg.rows import dict_row

from shop_platform.errors import ShopError
from shop_platform.ingest.batch import Place
from shop_platform.ingest.lag import ALIVE_WITHIN_SECONDS, end_offsets, measure_behind_since, stored_offsets
from shop_platform.monitoring.findings_runs import few_dead_letters
from shop_platform.monitoring.incident import CRITICAL
from shop_platform.monitoring.probes import look_at_services
from shop_platform.monitoring.services import MONITOR, ServiceState
from shop_platform.monitoring.store import LOOKS_WITHIN_SECONDS, seconds_since_look
from shop_platform.operations.checks import most_important_first
from shop_platform.orchestration import names
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.blockers import sessions_in_the_way
from shop_platform.warehouse.connect import connect

Connection = psycopg.Connection[Any]

# A look must not take long: a partition whose oldest message does not come in time shows no age.
_AGE_TIMEOUT_SECONDS = 2.0


@dataclass
class Status:
    """One look at the platform; numbers that cannot be had right now are ``None``, with a reason in ``problems``."""

    produced: int | None = None
    landed: int | None = None
    dead_lettered: int | None = None
    duplicates: int | None = None
    lag: int | None = None
    lag_seconds: float | None = None
    lag_by_topic: dict[str, int] = field(default_factory=dict)
    lag_by_partition: list[dict[str, Any]] = field(default_factory=list)
    ingest_services: int = 0
    ingest_rows_per_second: float = 0.0
    services: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    halts: list[dict[str, Any]] = field(default_factory=list)
    incidents: list[dict[str, Any]] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    reconciled: bool | None = None
    reconciled_at: str | None = None
    hours_off: int | None = None
    freshness_seconds: float | None = None
    data_as_of: str | None = None
    runs: list[dict[str, Any]] = field(default_factory=list)
    failing_checks: list[dict[str, Any]] = field(default_factory=list)
    failed_checks: int | None = None
    warning_checks: int | None = None
    warnings: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0: all that was looked at is well; 3: a topic waits for a decision; 1: something else is not well."""
        if self.halts:
            return 3
        away = [each for each in self.components if not each["up"]]
        broken = self.reconciled is False or bool(self.hours_off)
        if self.problems or away or broken or self.failed_checks or self.blockers or self._critical():
            return 1
        return 0

    def _critical(self) -> bool:
        """Tell whether something critical was found by whoever tells of incidents."""
        return any(each["severity"] == CRITICAL for each in self.incidents)

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


def look_around(settings: Settings) -> Status:
    """Look at everything, and ask each service whether it does its work; never raises for a part that is away."""
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(look_at_services, settings)
        status = collect(settings)
        status.components = [vars(state) for state in asked.result()]
    if status.components[0]["up"]:
        status.components.append(_monitor(settings))
    return status


def collect(settings: Settings, ledger: LedgerCounter | None = None) -> Status:
    """Look at ledger, warehouse and Kafka; never raises for a part that is away."""
    status = Status()
    produced_messages = (ledger or LedgerCounter(settings.ledger_dir)).lines()
    status.produced = produced_messages
    try:
        with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
            for part in (
                _counts,
                _services,
                _halts,
                _incidents,
                _blockers,
                _reconciliation,
                _freshness,
                _runs,
                _checks,
            ):
                _try(part, connection, status)
            stored = stored_offsets(connection)
    except (ShopError, psycopg.Error) as error:
        status.problems.append(str(error).splitlines()[0])
        return status
    try:
        ends = end_offsets(settings)
        positions = {place: stored.get(place, low) for place, (low, _) in ends.items()}
        behind = {place: offset for place, offset in positions.items() if offset < ends[place][1]}
        since = measure_behind_since(settings, behind, timeout_seconds=_AGE_TIMEOUT_SECONDS)
    except (ShopError, KafkaException) as error:
        status.problems.append(str(error).splitlines()[0])
        return status
    _lag(status, {place: high for place, (_, high) in ends.items()}, positions, since)
    return status


def _lag(
    status: Status, ends: Mapping[Place, int], positions: Mapping[Place, int], since: Mapping[Place, dt.datetime]
) -> None:
    now = dt.datetime.now(dt.UTC)
    ages = []
    for place, end in sorted(ends.items()):
        topic, partition = place
        records = max(end - positions[place], 0)
        seconds = 0.0 if not records else None
        if records and place in since:
            seconds = max(round((now - since[place]).total_seconds(), 1), 0.0)
            ages.append(seconds)
        status.lag_by_partition.append(
            {
                "topic": topic,
                "partition": partition,
                "lag": records,
                "lag_seconds": seconds,
                "next_offset": positions[place],
                "end_offset": end,
            }
        )
        status.lag_by_topic[topic] = status.lag_by_topic.get(topic, 0) + records
    status.lag = sum(status.lag_by_topic.values())
    status.lag_seconds = max(ages, default=None if status.lag else 0.0)


def _try(part: Callable[[Connection, Status], None], connection: Connection, status: Status) -> None:
    try:
        part(connection, status)
    except psycopg.errors.UndefinedTable:
        pass  # not built yet: the number stays None
    except psycopg.Error as error:
        status.problems.append(str(error).splitlines()[0])


def _all(connection: Connection, query: LiteralString, parameters: list[object] | None = None) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, parameters).fetchall()
    for row in rows:
        row |= {name: at.isoformat(timespec="seconds") for name, at in row.items() if isinstance(at, dt.datetime)}
    return rows


def _one(connection: Connection, query: LiteralString, parameters: list[object] | None = None) -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, parameters).fetchone() or {}


def _counts(connection: Connection, status: Status) -> None:
    row = _one(
        connection,
        "select coalesce(sum(landed), 0)::bigint as landed, coalesce(sum(duplicates), 0)::bigint as duplicates,"
        " coalesce(sum(dead), 0)::bigint as dead from ops.ingest_hours",
    )
    status.landed, status.duplicates, status.dead_lettered = row["landed"], row["duplicates"], row["dead"]


def _services(connection: Connection, status: Status) -> None:
    status.services = _all(
        connection,
        "select writer, state, heartbeat_at > now() - make_interval(secs => %s) as alive,"
        " round(extract(epoch from now() - heartbeat_at), 1)::float as heartbeat_age_seconds, lag,"
        " round(rows_per_second::numeric, 1)::float as rows_per_second, partitions, started_at, last_commit_at"
        " from ops.ingest_services order by started_at, writer",
        [ALIVE_WITHIN_SECONDS],
    )
    alive = [service for service in status.services if service["alive"]]
    status.ingest_services = len(alive)
    status.ingest_rows_per_second = round(sum(service["rows_per_second"] for service in alive), 1)


def _halts(connection: Connection, status: Status) -> None:
    status.halts = _all(
        connection,
        "select reason, topic, partition, message, resolution, first_seen_at, last_seen_at from ops.ingest_halts"
        " where resolved_at is null order by halt_id",
    )


def _incidents(connection: Connection, status: Status) -> None:
    status.incidents = _all(
        connection,
        "select incident, severity, title, detail, assets, run_id, runbook, opened_at, told_at, last_error"
        " from ops.alerts where resolved_at is null order by severity, opened_at",
    )


def _blockers(connection: Connection, status: Status) -> None:
    status.blockers = [blocker.sentence() for blocker in sessions_in_the_way(connection)]


def _reconciliation(connection: Connection, status: Status) -> None:
    row = _one(
        connection,
        "select holds, hours_off, checked_at from ops.reconciliations order by reconciliation_id desc limit 1",
    )
    if row:
        status.reconciled, status.reconciled_at = row["holds"], row["checked_at"].isoformat(timespec="seconds")
        status.hours_off = row["hours_off"]


def _freshness(connection: Connection, status: Status) -> None:
    row = _one(connection, "select max(max_event_time) as newest from marts.data_freshness")
    newest = row.get("newest")
    if newest is not None:
        status.data_as_of = newest.isoformat(timespec="seconds")
        status.freshness_seconds = round((dt.datetime.now(dt.UTC) - newest).total_seconds(), 1)


def _runs(connection: Connection, status: Status) -> None:
    status.runs = _all(
        connection,
        "select job, status, started_at, round(duration_seconds::numeric, 1)::float as seconds, error"
        " from ops.pipeline_runs order by coalesce(started_at, updated_at) desc limit 5",
    )


def _checks(connection: Connection, status: Status) -> None:
    rows = _all(
        connection,
        # A halt is told as one.
        "select asset, check_name, severity, description, failing_since from ops.check_states"
        " where not passed and check_name <> %s",
        [names.CHECK_NOT_HALTED],
    )
    letters = {row["severity"] != "error" for row in rows if row["check_name"] == names.CHECK_DEAD_LETTERS}
    dealt_with = {warns: few_dead_letters(connection, for_warnings=warns) for warns in letters}
    rows = [
        row
        for row in rows
        if row["check_name"] != names.CHECK_DEAD_LETTERS or row["asset"] not in dealt_with[row["severity"] != "error"]
    ]
    rows = most_important_first(rows)
    status.failing_checks = [row for row in rows if row["severity"] == "error"]
    status.failed_checks = len(status.failing_checks)
    status.warnings = [row for row in rows if row["severity"] != "error"]
    status.warning_checks = len(status.warnings)


def _monitor(settings: Settings) -> dict[str, Any]:
    """Return whether somebody is told of incidents: a monitor looks every ten seconds."""
    try:
        with connect(settings, Role.ORCHESTRATOR, autocommit=True) as connection:
            seconds = seconds_since_look(connection)
    except (ShopError, psycopg.Error) as error:
        return vars(ServiceState(MONITOR, False, str(error).splitlines()[0]))
    if seconds is None:
        return vars(ServiceState(MONITOR, False, "it never ran: nobody is told of incidents"))
    up = seconds <= LOOKS_WITHIN_SECONDS
    return vars(ServiceState(MONITOR, up, "" if up else f"no look for {seconds} s: nobody is told of incidents"))
