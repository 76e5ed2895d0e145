"""The continuous ingest service: read for ever, show a sign of life, come back after an outage."""

from __future__ import annotations

import json
import threading
import time

import psycopg
import structlog
from confluent_kafka import KafkaException

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.lag import HEARTBEAT_SECONDS
from shop_platform.ingest.reader import PartitionReader
from shop_platform.ingest.report import DagsterReporter
from shop_platform.ingest.write import Written
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

_BACKOFF_SECONDS = 1.0
_BACKOFF_LIMIT_SECONDS = 15.0


def run_service(settings: Settings, stop: threading.Event) -> None:
    """Ingest until ``stop`` is set.

    A PostgreSQL or Kafka outage is waited out with growing pauses; whatever was not committed is read again. An
    :class:`~shop_platform.ingest.offsets.OffsetMismatchError` ends the service: it needs a person's decision.
    """
    reporter = DagsterReporter(settings)
    reporter.start()
    pause = _BACKOFF_SECONDS
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                _serve(settings, stop, reporter)
            except (psycopg.OperationalError, psycopg.InterfaceError, KafkaException) as error:
                if time.monotonic() - began > 60:
                    pause = _BACKOFF_SECONDS
                log.warning("connection_lost", error=str(error).splitlines()[0], retry_in_seconds=pause)
                stop.wait(pause)
                pause = min(pause * 2, _BACKOFF_LIMIT_SECONDS)
            except ShopError as error:
                # connect() and the admin client wrap an unreachable server; anything else is for a person.
                if not isinstance(error.__cause__, psycopg.OperationalError | KafkaException):
                    raise
                log.warning("not_reachable", error=error.message, retry_in_seconds=pause)
                stop.wait(pause)
                pause = min(pause * 2, _BACKOFF_LIMIT_SECONDS)
    finally:
        reporter.close()


def _serve(settings: Settings, stop: threading.Event, reporter: DagsterReporter) -> None:
    with PartitionReader(settings, [topic.name for topic in TOPICS]) as reader:
        reader.subscribe()
        log.info("ingest_started", writer=reader.writer)
        pulse = _Pulse(reader)
        try:
            while not stop.is_set():
                written = reader.step(settings.ingest_batch_messages, settings.ingest_linger_ms / 1000)
                reporter.add(written)
                pulse.beat(written)
        finally:
            pulse.last()
        log.info("ingest_stopped", writer=reader.writer)


class _Pulse:
    """Writes the sign of life and the lag every two seconds, on the reader's own connection."""

    def __init__(self, reader: PartitionReader) -> None:
        self._reader = reader
        self._next = 0.0
        self._rows = 0
        self._since = time.monotonic()

    def beat(self, written: list[Written]) -> None:
        self._rows += sum(done.landed for done in written)
        now = time.monotonic()
        if now < self._next:
            return
        rate = self._rows / max(now - self._since, 0.001)
        self._rows, self._since, self._next = 0, now, now + HEARTBEAT_SECONDS
        positions = self._reader.positions
        ends = self._reader.end_offsets()
        lag = sum(max(end - positions[key].next_offset, 0) for key, end in ends.items())
        partitions = json.dumps([f"{topic}/{partition}" for topic, partition in sorted(positions)])

        def write(connection: psycopg.Connection[tuple[object, ...]]) -> None:
            connection.execute(
                "insert into ops.ingest_services (writer, started_at, heartbeat_at, lag, rows_per_second, partitions)"
                " values (%s, now(), now(), %s, %s, %s) on conflict (writer) do update set heartbeat_at = now(),"
                " lag = excluded.lag, rows_per_second = excluded.rows_per_second, partitions = excluded.partitions",
                [self._reader.writer, lag, rate, partitions],
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.kafka_lag (topic, partition, end_offset, next_offset, measured_at)"
                    " values (%s, %s, %s, %s, now()) on conflict (topic, partition) do update set"
                    " end_offset = excluded.end_offset, next_offset = excluded.next_offset, measured_at = now()",
                    [(*key, end, positions[key].next_offset) for key, end in sorted(ends.items())],
                )

        self._reader.execute(write)
        if written:
            log.debug("ingested", rows_per_second=round(rate), lag=lag)

    def last(self) -> None:
        """Take the sign of life away, so that nobody waits for a service that has gone."""

        def write(connection: psycopg.Connection[tuple[object, ...]]) -> None:
            connection.execute("delete from ops.ingest_services where writer = %s", [self._reader.writer])

        try:
            self._reader.execute(write)
        except psycopg.Error:
            log.debug("heartbeat_not_removed", writer=self._reader.writer)
