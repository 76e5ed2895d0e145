"""The continuous ingest service: read for ever, show a sign of life, come back after an outage, stop when stuck."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable

import psycopg
import structlog
from confluent_kafka import KafkaException

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.appetite import Appetite
from shop_platform.ingest.behind import BehindWatch
from shop_platform.ingest.health import RUNNING, STARTING, WAITING, Health, HealthServer, Watchdog
from shop_platform.ingest.lag import ALIVE_WITHIN_SECONDS, HEARTBEAT_SECONDS
from shop_platform.ingest.reader import PartitionReader
from shop_platform.ingest.report import DagsterReporter
from shop_platform.ingest.tuning import tuned_interpreter
from shop_platform.ingest.write import Written
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.service_events import Start

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS = 1.0
_BACKOFF_LIMIT_SECONDS = 15.0
_REVIEW_SECONDS = 5.0
_FORGOTTEN_SECONDS = 60
_SUMMARY_SECONDS = 30.0
Progress = Callable[[int, int], None]


def run_service(settings: Settings, stop: threading.Event, progress: Progress | None = None) -> None:
    """Ingest until ``stop`` is set; ``progress`` gets (messages done, messages done and waiting) as it goes.

    A PostgreSQL or Kafka outage is waited out with growing pauses; whatever was not committed is read again. A topic
    that needs a person's decision is held and the others go on; it goes on by itself once the decision was made. A
    process that is stuck ends itself with exit code 4.
    """
    health = Health()
    reporter = DagsterReporter(settings)
    with (
        tuned_interpreter(),
        HealthServer(health, settings.ingest_health_host, settings.ingest_health_port),
        Watchdog(health, settings.ingest_stall_seconds),
        reporter,
    ):
        pause = _BACKOFF_SECONDS
        start = Start(settings, Role.INGEST, "ingest")
        while not stop.is_set():
            began = time.monotonic()
            try:
                start.record()
                _serve(settings, stop, reporter, health, progress)
                continue
            except (psycopg.OperationalError, psycopg.InterfaceError, KafkaException) as error:
                reason = str(error).splitlines()[0]
            except ShopError as error:
                # connect() and the admin client wrap an unreachable server; anything else is for a person.
                if not isinstance(error.__cause__, psycopg.OperationalError | KafkaException):
                    raise
                reason = error.message
            if time.monotonic() - began > 60:
                pause = _BACKOFF_SECONDS
            log.warning("connection_lost", reason=reason, retry_in_seconds=pause)
            health.state, health.reason = WAITING, reason
            health.tick()
            stop.wait(pause)
            pause = min(pause * 2, _BACKOFF_LIMIT_SECONDS)


def _serve(
    settings: Settings, stop: threading.Event, reporter: DagsterReporter, health: Health, progress: Progress | None
) -> None:
    with PartitionReader(settings, [topic.name for topic in TOPICS]) as reader:
        health.writer, health.state, health.reason = reader.writer, STARTING, ""
        reader.subscribe()
        log.info("ingest_started", writer=reader.writer)
        pulse = _Pulse(reader, health, BehindWatch(settings))
        linger = settings.ingest_linger_ms / 1000
        appetite = Appetite(settings.ingest_batch_messages, linger)
        try:
            while not stop.is_set():
                written = reader.step(appetite.messages, linger)
                appetite.fed(*reader.polled)
                pulse.beat(written)
                reporter.add(written, pulse.lag_by_topic)
                if progress:
                    progress(pulse.done, pulse.known)
            reporter.add(reader.drain(), {})
        finally:
            pulse.last()
        log.info("ingest_stopped", writer=reader.writer)


class _Pulse:
    """Writes the heartbeat and the lag every two seconds, looks every five what has to be held or may go on."""

    def __init__(self, reader: PartitionReader, health: Health, behind: BehindWatch) -> None:
        self._reader = reader
        self._behind = behind
        self._health = health
        self._next_beat = self._next_check = self._next_summary = 0.0
        self._rows = self._dead = self._rows_in_summary = 0
        self._since = time.monotonic()
        self._committed = False
        self.done = self.known = 0
        """Messages committed, and these with those that waited at the last beat."""
        self.lag_by_topic: dict[str, int] = {}
        """Messages behind per topic, as of the last beat."""

    def beat(self, written: list[Written]) -> None:
        """Count what was committed and, when it is time, tell."""
        self._health.tick()
        self._rows += sum(done.landed for done in written)
        self._dead += sum(done.dead for done in written)
        self.done += sum(done.messages for done in written)
        self.known = max(self.known, self.done)
        if written:
            self._committed = True
            self._health.progress()
        now = time.monotonic()
        if now < self._next_beat:
            return
        rate = self._rows / max(now - self._since, 0.001)
        self._rows_in_summary += self._rows
        self._rows, self._since, self._next_beat = 0, now, now + HEARTBEAT_SECONDS
        self._tell(rate)
        if now >= self._next_check:
            self._next_check = now + _REVIEW_SECONDS
            self._reader.review()
        if now >= self._next_summary and (self._rows_in_summary or self._dead):
            log.info(
                "ingested", rows=self._rows_in_summary, dead_letters=self._dead, lag=self._health.lag,
                rows_per_second=round(rate),
            )  # fmt: skip
            self._rows_in_summary = self._dead = 0
            self._next_summary = now + _SUMMARY_SECONDS

    def _tell(self, rate: float) -> None:
        positions, held = self._reader.positions, self._reader.held
        standing = {place: (positions[place].next_offset, end) for place, end in self._reader.end_offsets().items()}
        reads = sum(max(end - offset, 0) for offset, end in standing.values())
        standing |= {place: (each.next_offset, each.end_offset) for place, each in held.items()}
        behind: Counter[str] = Counter()
        for (topic, _), (offset, end) in standing.items():
            behind[topic] += max(end - offset, 0)
        self.lag_by_topic, lag = dict(behind), behind.total()
        health = self._health
        if positions or held:
            health.state = RUNNING
        self.known = self.done + reads
        # What is held waits for a person: a process that reads nothing of it is not stuck.
        health.lag, health.rows_per_second, health.partitions = reads, rate, len(positions)
        health.halted = sorted({each.mismatch.message for each in held.values()})
        if not reads:
            health.progress()
        since = self._behind.since({place: offset for place, (offset, end) in standing.items() if end > offset})
        partitions = json.dumps([f"{topic}/{partition}" for topic, partition in sorted(positions)])

        def write(connection: psycopg.Connection[tuple[object, ...]]) -> None:
            connection.execute(
                "insert into ops.ingest_services (writer, started_at, heartbeat_at, lag, rows_per_second, partitions,"
                " state, last_commit_at) values (%s, now(), now(), %s, %s, %s, %s, case when %s then now() end)"
                " on conflict (writer) do update set heartbeat_at = now(), lag = excluded.lag,"
                " rows_per_second = excluded.rows_per_second, partitions = excluded.partitions, state = excluded.state,"
                " last_commit_at = coalesce(excluded.last_commit_at, ingest_services.last_commit_at)",
                [self._reader.writer, lag, rate, partitions, health.state, self._committed],
            )
            # Killed ones that another has come for: their partitions are read, and nobody waits for them.
            connection.execute(
                "delete from ops.ingest_services as gone"
                " where gone.heartbeat_at < now() - make_interval(secs => %s) and exists ("
                " select from ops.ingest_services as after where after.started_at > gone.heartbeat_at"
                " and after.heartbeat_at > now() - make_interval(secs => %s))",
                [_FORGOTTEN_SECONDS, ALIVE_WITHIN_SECONDS],
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.kafka_lag (topic, partition, end_offset, next_offset, measured_at, behind_since)"
                    " values (%s, %s, %s, %s, now(), %s) on conflict (topic, partition) do update set"
                    " behind_since = case when excluded.next_offset >= excluded.end_offset then null"
                    " when kafka_lag.next_offset = excluded.next_offset"
                    " then coalesce(excluded.behind_since, kafka_lag.behind_since) else excluded.behind_since end,"
                    " end_offset = excluded.end_offset, next_offset = excluded.next_offset, measured_at = now()",
                    [(*place, end, offset, since.get(place)) for place, (offset, end) in sorted(standing.items())],
                )

        self._reader.execute(write)
        self._committed = False

    def last(self) -> None:
        """Take the sign of life away, so that nobody waits for a service that has gone."""

        def write(connection: psycopg.Connection[tuple[object, ...]]) -> None:
            connection.execute("delete from ops.ingest_services where writer = %s", [self._reader.writer])

        try:
            self._reader.execute(write)
        except psycopg.Error:
            log.debug("heartbeat_not_removed", writer=self._reader.writer)
