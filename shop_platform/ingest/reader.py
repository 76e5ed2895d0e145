"""Read partitions from the positions in the warehouse and commit them batch by batch."""

from __future__ import annotations

import datetime as dt
import os
import socket
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shop_platform.errors import ShopError
from shop_platform.ingest.batch import sort_messages
from shop_platform.ingest.offsets import FencedOutError, OffsetMismatchError, Position, resume_position
from shop_platform.ingest.topics import topic_ids, unreachable
from shop_platform.ingest.write import Written, write_batch
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

log = structlog.get_logger(__name__)

_WATERMARK_TIMEOUT_SECONDS = 10


class PartitionReader:
    """One Kafka consumer and one PostgreSQL connection that move together.

    Every call of :meth:`step` is one transaction or none. Not thread-safe. Use as a context manager.
    """

    def __init__(self, settings: Settings, topics: list[str]) -> None:
        self.writer = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._settings = settings
        self._topics = topics
        self._ids = topic_ids(settings, topics)
        self._positions: dict[tuple[str, int], Position] = {}
        self._problem: ShopError | None = None
        self._connection = connect(settings, Role.INGEST, autocommit=True)
        self._consumer = Consumer(
            settings.kafka_client(
                group_id=settings.ingest_group,
                client_id=self.writer,
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                auto_offset_reset="error",
                isolation_level="read_committed",
                fetch_wait_max_ms=100,
                queued_max_messages_kbytes=32_768,
                log_level=3,
            )
        )

    def __enter__(self) -> PartitionReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the group and close both ends; an open transaction is rolled back."""
        self._connection.close()
        self._consumer.close()

    @property
    def positions(self) -> dict[tuple[str, int], Position]:
        """Where each assigned partition stands."""
        return dict(self._positions)

    def assign_all(self) -> None:
        """Read every partition of the topics, without a consumer group (the caller knows it is alone)."""
        try:
            metadata = self._consumer.list_topics(timeout=_WATERMARK_TIMEOUT_SECONDS)
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        self._assign(
            TopicPartition(topic, partition)
            for topic in self._topics
            for partition in metadata.topics[topic].partitions
        )

    def subscribe(self) -> None:
        """Share the partitions with the other services of the group."""

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            # An exception in a librdkafka callback would be lost, so it waits for the next step.
            try:
                self._assign(partitions)
            except ShopError as problem:
                self._problem = problem

        def gone(_: Consumer, partitions: list[TopicPartition]) -> None:
            for partition in partitions:
                self._positions.pop((partition.topic, partition.partition), None)

        self._consumer.subscribe(self._topics, on_assign=assigned, on_revoke=gone, on_lost=gone)

    def step(self, max_messages: int, linger_seconds: float) -> list[Written]:
        """Poll up to ``max_messages`` for at most ``linger_seconds`` and commit them; return what was written."""
        started_at = dt.datetime.now(dt.UTC)
        polled: list[Any] = list(self._consumer.consume(max_messages, linger_seconds))
        if self._problem is not None:
            raise self._problem
        messages = [message for message in polled if self._is_mine(message)]
        if not messages:
            return []
        slices = list(sort_messages(messages).values())
        try:
            written = write_batch(self._connection, slices, self._positions, writer=self.writer, started_at=started_at)
        except FencedOutError as error:
            log.warning("fenced_out", reason=str(error), writer=self.writer)
            self._reread({(part.topic, part.partition) for part in slices})
            return []
        for done in written:
            self._positions[done.position.topic, done.position.partition] = done.position
        self._tell_group(written)
        return written

    def end_offsets(self) -> dict[tuple[str, int], int]:
        """Return the end of each assigned partition as Kafka last told this consumer (no request is made)."""
        ends = {}
        for topic, partition in self._positions:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if high >= 0:
                ends[topic, partition] = high
        return ends

    def execute(self, work: Callable[[psycopg.Connection[tuple[object, ...]]], None]) -> None:
        """Run ``work`` on the reader's own connection and commit it (heartbeats)."""
        with self._connection.transaction():
            work(self._connection)

    def _assign(self, partitions: Iterable[TopicPartition]) -> None:
        chosen = []
        for partition in partitions:
            position = self._position_of(partition.topic, partition.partition)
            self._positions[position.topic, position.partition] = position
            chosen.append(TopicPartition(position.topic, position.partition, position.next_offset))
        self._consumer.assign(chosen)

    def _position_of(self, topic: str, partition: int) -> Position:
        low, high = self._consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=_WATERMARK_TIMEOUT_SECONDS
        )
        return resume_position(self._connection, topic, partition, self._ids[topic], low, high, self.writer)

    def _reread(self, partitions: set[tuple[str, int]]) -> None:
        """Go back to what the warehouse says after another writer moved partitions on."""
        for topic, partition in partitions:
            position = self._position_of(topic, partition)
            self._positions[topic, partition] = position
            self._consumer.seek(TopicPartition(topic, partition, position.next_offset))

    def _is_mine(self, message: Any) -> bool:
        error = message.error()
        if error is None:
            position = self._positions.get((message.topic(), message.partition()))
            return position is not None and message.offset() >= position.next_offset
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise OffsetMismatchError(
                f"Kafka no longer has the offset the warehouse reads next: {error.str()}",
                "Start `shop ingest` again: it names the exact gap and what to do.",
            )
        if error.fatal():
            raise ShopError(f"The Kafka client gave up: {error.str()}", "See the broker's log.", exit_code=1)
        log.warning("kafka_error", error=error.str(), retriable=error.retriable())
        return False

    def _tell_group(self, written: list[Written]) -> None:
        """Commit to the consumer group as well, for lag tools only; nothing here reads it."""
        offsets = [TopicPartition(w.position.topic, w.position.partition, w.position.next_offset) for w in written]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.debug("group_commit_failed", error=str(error))
