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
from shop_platform.events.contract import contract_of
from shop_platform.events.decode import Contract
from shop_platform.ingest.batch import Batch, Mark, PartitionSlice, Place, id_ceiling, sort_messages
from shop_platform.ingest.breaker import BurstBreaker, DeadLetterBurstError
from shop_platform.ingest.halts import record_halt
from shop_platform.ingest.holds import Held, Holds
from shop_platform.ingest.land import highest_id, prepare
from shop_platform.ingest.offsets import FencedOutError, Position, begin_partition
from shop_platform.ingest.topics import states_of_existing
from shop_platform.ingest.write import Written, write_batch
from shop_platform.kafka_connect import explain
from shop_platform.kafka_errors import forbids
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.partitions import ensure_partitions

log = structlog.get_logger(__name__)


class PartitionReader:
    """One Kafka consumer and the PostgreSQL connection that follows it.

    Every batch is one transaction or none. One batch may be committing in a thread of its own while the caller's thread
    reads the next. What waits for a person's decision is held: it is not read, and the rest goes on
    (:meth:`review` finds what has to be held or may be read again). Not thread-safe. Use as a context manager.
    """

    def __init__(self, settings: Settings, topics: list[str], *, contract: Contract | None = None) -> None:
        self.writer = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
        self._settings = settings
        self._topics = topics
        self._contract = contract or contract_of(settings)
        # Asked before anything else: an unreachable Kafka must not look like a group that has not dealt out its
        # partitions yet, and is told by this call's sentence.
        states = states_of_existing(settings, topics)
        self._owned: set[Place] = set()
        self._committed: dict[Place, Position] = {}
        self._read: dict[Place, Position] = {}
        self._top_ids: dict[Place, bytes] = {}
        self.polled = 0, 0.0
        """How many messages the last step read, and in how many seconds."""
        self._generation = 0
        # Set when what was read has to be read again from where the warehouse stands.
        self._stale = False
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
        self._holds = Holds(settings, topics, states, self._consumer, self._control, self.writer)

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
        """Where each partition that is read stands in the warehouse."""
        return dict(self._committed)

    @property
    def held(self) -> dict[Place, Held]:
        """The assigned partitions that wait for a person's decision."""
        return self._holds.held

    def assign_all(self) -> None:
        """Read every partition of the topics, without a consumer group (the caller knows it is alone)."""
        self._assign(self._holds.all_partitions())

    def subscribe(self) -> None:
        """Share the partitions with the other services of the group."""

        def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
            # An exception in a librdkafka callback would be lost, so it waits for the next step.
            try:
                self._assign((partition.topic, partition.partition) for partition in partitions)
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
        self._settle()
        if self._stale:
            self._place()
        elif batch is not None:
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

    def review(self) -> None:
        """Hold what has to be held since the last call, and go on with what a person has decided about."""
        if self._holds.changed(self._owned):
            self._settle()
            self._place()

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
        if self._stale:
            return None
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
            self._stale = True
            return
        except DeadLetterBurstError as error:
            # Nothing of the batch was committed: the other topics' messages are read again.
            record_halt(self._settings, error.mismatch)
            self._stale = True
            return
        for done in written:
            place = (done.position.topic, done.position.partition)
            if place in self._committed:
                self._committed[place] = done.position
        self._settled += written
        self._after_commit(written)

    def _assign(self, places: Iterable[Place]) -> None:
        self._owned = set(places)
        self._place()

    def _place(self) -> None:
        """Go on from where the warehouse stands, with every partition of ours that no decision holds."""
        found = self._holds.look(self._owned)
        self._breaker.renew(self._control)
        for known in (self._committed, self._read, self._top_ids):
            known.clear()
        self._take(
            Position(topic, n, at.stored.topic_id, at.stored.next_offset, at.stored.incarnation, at.stored.watermark_us)
            if at.stored is not None
            else begin_partition(self._control, topic, n, at.topic_id, at.low, self.writer)
            for (topic, n), at in found.items()
        )
        self._holds.close_gone(self._read.keys())
        self._consumer.assign([TopicPartition(*place, self._read[place].next_offset) for place in self._read])
        self._stale = False

    def _take(self, taken: Iterable[Position]) -> None:
        """Go on from ``positions``, whatever was read before."""
        positions = list(taken)
        self._generation += 1
        ceiling = id_ceiling(time.time_ns() // 1000)
        highest = {topic: highest_id(self._control, topic, ceiling) for topic in {p.topic for p in positions}}
        for position in positions:
            place = (position.topic, position.partition)
            self._committed[place] = self._read[place] = position
            self._top_ids[place] = highest[position.topic]

    def _forget(self, place: Place) -> None:
        self._generation += 1
        self._owned.discard(place)
        self._holds.forget(place)
        for known in (self._committed, self._read, self._top_ids):
            known.pop(place, None)

    def _seek(self, positions: Iterable[Position]) -> None:
        for position in positions:
            self._consumer.seek(TopicPartition(position.topic, position.partition, position.next_offset))

    def _judge_error(self, error: Any) -> None:
        # A topic that has gone, or a position that Kafka does not have: looked at before reading goes on.
        if error.code() in {
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
            KafkaError._AUTO_OFFSET_RESET,
            KafkaError.OFFSET_OUT_OF_RANGE,
        }:
            self._stale = True
        if forbids(error):
            cause = KafkaException(error)
            raise explain(self._settings, cause) from cause
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
