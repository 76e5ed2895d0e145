"""Bring the warehouse up to where Kafka ended when the call began, then stop."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPIC_BY_NAME, TOPICS
from shop_platform.ingest.batch import Place
from shop_platform.ingest.halts import Halt, HaltError, held_by, open_halts
from shop_platform.ingest.lag import alive_services, end_offsets, stored_offsets
from shop_platform.ingest.reader import PartitionReader
from shop_platform.ingest.tuning import tuned_interpreter
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.partitions import ensure_partitions

_POLL_SECONDS = 0.25
Progress = Callable[[int, int], None]
Behind = Callable[[dict[Place, int], Collection[Place]], int]


@dataclass
class SubjectReport:
    """What happened to one subject (topic and raw table) during the call."""

    messages: int = 0
    landed: int = 0
    duplicates: int = 0
    dead: int = 0
    next_offsets: dict[int, int] = field(default_factory=dict)
    lag: int = 0
    max_event_time: dt.datetime | None = None


@dataclass
class IngestReport:
    """What one call did, per subject; ``halts`` are those of its topics that wait for a person's decision."""

    by_subject: dict[str, SubjectReport]
    waited_for_service: bool
    seconds: float
    halts: list[Halt] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """Messages committed during the call."""
        return sum(report.messages for report in self.by_subject.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the report for ``--json``."""
        totals = {
            name: sum(getattr(report, name) for report in self.by_subject.values())
            for name in ("messages", "landed", "duplicates", "dead", "lag")
        }
        halts = [vars(halt) for halt in self.halts]
        return totals | {
            "seconds": round(self.seconds, 3),
            "waited_for_service": self.waited_for_service,
            "halts": halts,
        }


def ingest_until_end(
    settings: Settings,
    *,
    subjects: Collection[str] | None = None,
    progress: Progress | None = None,
    timeout_seconds: float = 600,
) -> IngestReport:
    """Do what :func:`read_until_end` does; raise :class:`HaltError` in the end when a topic waits for a decision."""
    report = read_until_end(settings, subjects=subjects, progress=progress, timeout_seconds=timeout_seconds)
    if report.halts:
        raise HaltError(report.halts)
    return report


def read_until_end(
    settings: Settings,
    *,
    subjects: Collection[str] | None = None,
    progress: Progress | None = None,
    timeout_seconds: float = 600,
) -> IngestReport:
    """Ingest everything up to the present end of the topics and return what was done.

    While a continuous service is alive this call only waits until that service has passed the same ends: two readers
    of one partition would but fence each other out. What waits for a person's decision is left where it is, and told
    in the report. ``progress`` gets (messages done, messages in all). Raises :class:`ShopError` when
    ``timeout_seconds`` pass without reaching the end.
    """
    started = time.monotonic()
    topics = [topic.name for topic in TOPICS if subjects is None or topic.subject in subjects]
    targets = {key: span for key, span in end_offsets(settings).items() if key[0] in topics}
    with connect(settings, Role.INGEST, autocommit=True) as connection:
        before = stored_offsets(connection)
        ledger_start = connection.execute("select coalesce(max(batch_id), 0) from ops.ingest_batches").fetchone()
        waits = alive_services(connection) > 0
        begin = {key: before.get(key, low) for key, (low, _) in targets.items()}
        total = sum(max(high - begin[key], 0) for key, (_, high) in targets.items())

        def behind(now: dict[Place, int], held: Collection[Place]) -> int:
            return sum(
                max(high - now.get(place, begin[place]), 0) for place, (_, high) in targets.items() if place not in held
            )

        deadline = time.monotonic() + timeout_seconds
        if waits:
            # A service that runs for years asked for partitions when it started; the daily job asks every day.
            ensure_partitions(connection)
            waits = _wait(connection, targets, behind, total, progress, deadline)
        if not waits:
            _read(settings, topics, behind, total, progress, deadline)
        report = _report(connection, topics, targets, int(str(ledger_start[0])) if ledger_start else 0)
        halts = [halt for halt in open_halts(connection) if halt.topic in topics]
    return IngestReport(report, waits, time.monotonic() - started, halts)


def _wait(
    connection: Any,
    targets: Collection[Place],
    behind: Behind,
    total: int,
    progress: Progress | None,
    deadline: float,
) -> bool:
    """Wait until the living service has passed the targets; return False when it is alive no more."""
    while (left := behind(stored_offsets(connection), held_by(open_halts(connection), targets))) > 0:
        if progress:
            progress(total - left, total)
        _check(deadline, left)
        if not alive_services(connection):
            return False
        time.sleep(_POLL_SECONDS)
    if progress:
        progress(total, total)
    return True


def _read(
    settings: Settings,
    topics: list[str],
    behind: Behind,
    total: int,
    progress: Progress | None,
    deadline: float,
) -> None:
    with tuned_interpreter(), PartitionReader(settings, topics) as reader:
        reader.assign_all()
        while (left := behind({place: p.next_offset for place, p in reader.positions.items()}, reader.held)) > 0:
            if progress:
                progress(total - left, total)
            _check(deadline, left)
            reader.step(settings.ingest_batch_messages, settings.ingest_linger_ms / 1000)
        reader.drain()
    if progress:
        progress(total, total)


def _check(deadline: float, left: int) -> None:
    if time.monotonic() > deadline:
        raise ShopError(
            f"{left} messages were still not ingested when the time was up",
            "Everything committed so far is kept; run it again to go on. Is the broker answering?",
            exit_code=1,
        )


def _report(
    connection: Any, topics: list[str], targets: dict[Place, tuple[int, int]], after_batch: int
) -> dict[str, SubjectReport]:
    reports = {TOPIC_BY_NAME[topic].subject: SubjectReport() for topic in topics}
    rows = connection.execute(
        "select topic, sum(messages), sum(landed), sum(duplicates), sum(dead), max(max_event_time)"
        " from ops.ingest_batches where batch_id > %s and topic = any(%s) group by topic",
        [after_batch, topics],
    ).fetchall()
    for topic, messages, landed, duplicates, dead, newest in rows:
        report = reports[TOPIC_BY_NAME[topic].subject]
        report.messages, report.landed, report.duplicates, report.dead = (
            int(messages),
            int(landed),
            int(duplicates),
            int(dead),
        )
        report.max_event_time = newest
    now = stored_offsets(connection)
    for (topic, partition), (low, high) in targets.items():
        report = reports[TOPIC_BY_NAME[topic].subject]
        report.next_offsets[partition] = now.get((topic, partition), low)
        report.lag += max(high - report.next_offsets[partition], 0)
    return reports
