"""Read partitions from the positions in the warehouse; while one batch commits, the next is read and decoded."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shop_platform.errors import ShopError
from shop_platform.events.decode import CONTRACT, Contract
from shop_platform.ingest.batch import Batch, Mark, PartitionSlice, Place, id_ceiling, sort_messages
from shop_platform.ingest.breaker import BurstBreaker
from shop_platform.ingest.halts import close_gone
from shop_platform.ingest.land import highest_id, prepare
from shop_platform.ingest.offsets import (
    FencedOutError,
    OffsetMismatchError,
    Position,
    begin_partition,
    judge_position,
    judge_topic,
    stored_positions,
)
from shop_platform.ingest.topics import TopicState, topic_states, unreachable
from shop_platform.ingest.write import Written, write_batch
from shop_platform.kafka_connect import patiently
from shop_platform.kafka_errors import forbids
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.partitions import ensure_partitions

log = structlog.get_logger(__name__)

_WATERMARK_TIMEOUT_SECONDS = 10


class PartitionReader:
    """One Kafka consumer and the PostgreSQL connection that follows it.

    Every batch is one transaction or none. One batch may be committing in a thread of its own while the caller's thread
    reads the next. Not thread-safe. Use as a context manager.
    """

    def __init__(self, settings: Settings, topics: list[str], *, contract: Contract = CONTRACT) -> None:
        self.writer = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._settings = settings
        self._topics = topics
        self._contract = contract
        self._states: dict[str, TopicState] = topic_states(settings, topics)
        self._committed: dict[Place, Position] = {}
        self._read: dict[Place, Position] = {}
        self._top_ids: dict[Place, bytes] = {}
        self.polled = 0, 0.0
        """How many messages the last step read, and in how many seconds."""
        self._generation = 0
        self._problem: Exception | None = None
        self._writing: Future[list[Written]] | None = None
        self._settled: list[Written] = []
        # The writer's transactions and the reader's questions must not meet on one connection.
        self._control = connect(settings, Role.INGEST, autocommit=True)
        self._connection = connect(settings, Role.INGEST, autocommit=True)
        prepare(self._connection)
        ensure_partitions(self._control)
        self._breaker = BurstBreaker(
            self._control, least=settings.ingest_dead_letter_burst, share=settings.ingest_dead_letter_share
        )
        self._executor = ThreadPoolExecutor(1, "ingest-writer")
        self._consumer = Consumer(
            settings.kafka_client(
                group_id=settings.ingest_group,
                client_id=self.writer,
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                # A position that Kafka no longer has is an error to be told, never a silent jump.
                auto_offset_reset="error",
                isolation_level="read_committed",
                # Tells where a log ends behind control records, which no message shows.
                enable_partition_eof=True,
                # Partitions that are added are found, and dead members are noticed, within this time.
                topic_metadata_refresh_interval_ms=10_000,
                session_timeout_ms=10_000,
                # How long the others go on without a member that joins: it has nothing to do until they hear of it.
                heartbeat_interval_ms=1_000,
                # Evenly over all topics together: by topic, one process would get two of every three partitions.
                partition_assignment_strategy="roundrobin",
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
        if self._writing is not None:
            # What is on its way is either committed or not: the offsets in the warehouse tell which.
            self._writing.exception()
            self._writing = None
        self._executor.shutdown(wait=True)
        self._connection.close()
        self._control.close()
        self._consumer.close()

    @property
    def positions(self) -> dict[Place, Position]:
        """Where each assigned partition stands in the warehouse."""
        return dict(self._committed)

    def assign_all(self) -> None:
        """Read every partition of the topics, without a consumer group (the caller knows it is alone)."""
        self._assign(
            TopicPartition(topic, partition)
            for topic in self._topics
            for partition in range(self._states[topic].partitions)
        )

    def subscribe(self) -> None:
        """Share the partitions with the other services of the group."""

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            # An exception in a librdkafka callback would be lost, so it waits for the next step.
            try:
                self._assign(partitions)
            except (ShopError, psycopg.Error, KafkaException) as problem:
                self._problem = problem

        def gone(_: Consumer, partitions: list[TopicPartition]) -> None:
            # What is being committed is finished before somebody else asks where to go on.
            try:
                self._settle()
            except Exception as problem:
                self._problem = problem
            for partition in partitions:
                self._forget((partition.topic, partition.partition))

        self._consumer.subscribe(self._topics, on_assign=assigned, on_revoke=gone, on_lost=gone)

    def step(self, max_messages: int, linger_seconds: float) -> list[Written]:
        """Read up to ``max_messages`` for at most ``linger_seconds`` and hand them on to be committed.

        Returns what was committed since the last call: the batch of this call is still on its way
        (:meth:`drain` waits for it).
        """
        generation = self._generation
        began = time.monotonic()
        polled: list[Any] = list(self._consumer.consume(max_messages, linger_seconds))
        self.polled = len(polled), time.monotonic() - began
        if self._problem is not None:
            problem, self._problem = self._problem, None
            raise problem
        if generation != self._generation:
            # Partitions came or went while messages were collected: nobody can tell which side of the change each
            # message belongs to, so all are read again.
            self._seek(self._read.values())
            polled = []
        batch = self._sort(polled)
        generation = self._generation
        self._settle()
        if batch is not None and generation == self._generation:  # else another writer was there first
            self._commit(batch)
        done, self._settled = self._settled, []
        return done

    def drain(self) -> list[Written]:
        """Wait until nothing is on its way; return what was committed since the last :meth:`step`."""
        self._settle()
        done, self._settled = self._settled, []
        return done

    def end_offsets(self) -> dict[Place, int]:
        """Return the end of each assigned partition as Kafka last told this consumer (no request is made)."""
        ends = {}
        for topic, partition in self._committed:
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if high >= 0:
                ends[topic, partition] = high
        return ends

    def execute(self, work: Callable[[psycopg.Connection[tuple[object, ...]]], None]) -> None:
        """Run ``work`` on a connection of the reader and commit it (heartbeats)."""
        with self._control.transaction():
            work(self._control)

    def check_topics(self) -> None:
        """Raise :class:`OffsetMismatchError` when a topic is no longer the one that is being read."""
        states = topic_states(self._settings, self._topics)
        for topic, state in states.items():
            mismatch = judge_topic(topic, state.topic_id, state.partitions, stored_positions(self._control, topic))
            if mismatch is not None:
                raise OffsetMismatchError(mismatch)
        self._states = states

    def _sort(self, polled: list[Any]) -> Batch | None:
        messages, ends = polled, []
        # Two passes, because most batches are messages only.
        if others := [message for message in polled if message.error() is not None]:
            messages = [message for message in polled if message.error() is None]
            for message in others:
                if message.error().code() == KafkaError._PARTITION_EOF:
                    ends.append(message)
                else:
                    self._judge_error(message.error())
        marks = {
            place: Mark(position.next_offset, position.watermark_us, self._top_ids[place])
            for place, position in self._read.items()
        }
        batch = sort_messages(messages, marks, contract=self._contract)
        for end in ends:
            self._pass_control_records(batch, (end.topic(), end.partition()), end.offset())
        return batch if batch.slices else None

    def _pass_control_records(self, batch: Batch, place: Place, end: int) -> None:
        """Move up to the end of a log whose last records carry no message (commit and abort markers)."""
        position = self._read.get(place)
        if position is None:
            return
        part = batch.slices.get(place)
        if part is None and end > position.next_offset:
            part = batch.slices[place] = PartitionSlice(
                *place, watermark_us=position.watermark_us, top_id=self._top_ids[place]
            )
        if part is not None:
            part.next_offset = max(part.next_offset, end)

    def _commit(self, batch: Batch) -> None:
        expected = {place: self._read[place] for place in batch.slices}
        for place, part in batch.slices.items():
            before = expected[place]
            self._read[place] = Position(
                before.topic, before.partition, before.topic_id, part.next_offset, before.incarnation, part.watermark_us
            )
            self._top_ids[place] = part.top_id
        self._writing = self._executor.submit(
            write_batch, self._connection, batch, expected, writer=self.writer, admit=self._breaker.admit
        )

    def _settle(self) -> None:
        """Wait for the batch on its way and take its outcome over."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            written = writing.result()
        except FencedOutError as error:
            log.warning("fenced_out", reason=str(error), writer=self.writer)
            self._reread()
            return
        for done in written:
            place = (done.position.topic, done.position.partition)
            if place in self._committed:
                self._committed[place] = done.position
        self._settled += written
        self._after_commit(written)

    def _assign(self, partitions: Iterable[TopicPartition]) -> None:
        self._take([self._position_of(wanted.topic, wanted.partition) for wanted in partitions])
        close_gone(self._control, self._read.keys(), self.writer)
        self._consumer.assign([TopicPartition(*place, self._read[place].next_offset) for place in self._read])

    def _take(self, positions: list[Position]) -> None:
        """Go on from ``positions``, whatever was read before."""
        self._generation += 1
        ceiling = id_ceiling(time.time_ns() // 1000)
        highest = {topic: highest_id(self._control, topic, ceiling) for topic in {p.topic for p in positions}}
        for position in positions:
            place = (position.topic, position.partition)
            self._committed[place] = self._read[place] = position
            self._top_ids[place] = highest[position.topic]

    def _forget(self, place: Place) -> None:
        self._generation += 1
        for known in (self._committed, self._read, self._top_ids):
            known.pop(place, None)

    def _seek(self, positions: Iterable[Position]) -> None:
        for position in positions:
            self._consumer.seek(TopicPartition(position.topic, position.partition, position.next_offset))

    def _position_of(self, topic: str, partition: int) -> Position:
        """Return where to go on; raise :class:`OffsetMismatchError` when Kafka and the warehouse disagree."""
        try:
            low, high = patiently(
                lambda: self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=_WATERMARK_TIMEOUT_SECONDS
                ),
                _WATERMARK_TIMEOUT_SECONDS,
            )
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        state = self._states[topic]
        if partition >= state.partitions:  # added since this reader looked
            state = self._states[topic] = topic_states(self._settings, [topic])[topic]
        stored = stored_positions(self._control, topic)
        row = next((row for row in stored if row.partition == partition), None)
        mismatch = judge_topic(topic, state.topic_id, state.partitions, stored) or (
            judge_position(topic, row, low, high) if row is not None else None
        )
        if mismatch is not None:
            raise OffsetMismatchError(mismatch)
        if row is None:
            return begin_partition(self._control, topic, partition, state.topic_id, low, self.writer)
        return Position(topic, partition, row.topic_id, row.next_offset, row.incarnation, row.watermark_us)

    def _reread(self) -> None:
        """Go back to what the warehouse says after another writer moved partitions on."""
        self._take([self._position_of(topic, partition) for topic, partition in self._committed])
        self._seek(self._read.values())

    def _judge_error(self, error: Any) -> None:
        code = error.code()
        if code in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}:
            self.check_topics()
        if code in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:
            self.check_topics()
            for topic, partition in list(self._committed):
                self._position_of(topic, partition)
        if forbids(error):
            cause = KafkaException(error)
            raise unreachable(self._settings, cause) from cause
        if error.fatal():
            raise ShopError(f"The Kafka client gave up: {error.str()}", "See the broker's log.", exit_code=1)
        log.warning("kafka_error", error=error.str(), retriable=error.retriable())

    def _after_commit(self, written: list[Written]) -> None:
        """Commit to the consumer group as well, for lag tools only; nothing here reads it."""
        offsets = [TopicPartition(w.position.topic, w.position.partition, w.position.next_offset) for w in written]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.debug("group_commit_failed", error=str(error))
