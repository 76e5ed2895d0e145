"""How far the warehouse is behind Kafka, and whether a continuous ingest service is alive."""

from __future__ import annotations

import datetime as dt
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, KafkaException, TopicPartition

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.batch import Place
from shop_platform.ingest.halts import held_by, open_halts
from shop_platform.ingest.offsets import Connection
from shop_platform.ingest.topics import admin_client, unreachable
from shop_platform.kafka_connect import patiently
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# A service writes its sign of life every two seconds; one that missed ten is gone or stuck.
HEARTBEAT_SECONDS = 2.0
ALIVE_WITHIN_SECONDS = 20
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class PartitionLag:
    """One partition: where Kafka ends, where the warehouse goes on, whether a person's decision is needed first."""

    end_offset: int
    next_offset: int
    held: bool = False

    @property
    def lag(self) -> int:
        """Messages in Kafka that the warehouse has not read."""
        return max(self.end_offset - self.next_offset, 0)


def end_offsets(settings: Settings) -> dict[Place, tuple[int, int]]:
    """Return (low, high) watermarks of every partition of the contract's topics that exist."""
    consumer = Consumer(settings.kafka_client(group_id="shop-lag", log_level=0))
    try:
        # A refusal is known in a second that way, and named.
        metadata = admin_client(settings).list_topics(timeout=_TIMEOUT_SECONDS)
        found = {}
        for topic in TOPICS:
            known = metadata.topics.get(topic.name)
            for partition in known.partitions if known is not None and known.error is None else ():
                place = TopicPartition(topic.name, partition)
                ask = partial(consumer.get_watermark_offsets, place, timeout=_TIMEOUT_SECONDS)
                found[topic.name, partition] = patiently(ask, _TIMEOUT_SECONDS)
        return found
    except KafkaException as error:
        raise unreachable(settings, error) from error
    finally:
        consumer.close()


def measure_lag(settings: Settings) -> dict[str, dict[int, PartitionLag]]:
    """Return the lag per topic and partition, asking Kafka and the warehouse now."""
    ends = end_offsets(settings)
    with connect(settings, Role.INGEST) as connection:
        stored = stored_offsets(connection)
        held = held_by(open_halts(connection), ends)
    result: dict[str, dict[int, PartitionLag]] = {}
    for (topic, partition), (low, high) in sorted(ends.items()):
        result.setdefault(topic, {})[partition] = PartitionLag(
            high, stored.get((topic, partition), low), (topic, partition) in held
        )
    return result


def measure_behind_since(
    settings: Settings, positions: Mapping[Place, int], *, timeout_seconds: float = 3.0
) -> dict[Place, dt.datetime]:
    """Return when the oldest unread message of each partition was produced, by Kafka's timestamp (UTC).

    ``positions`` are the next offsets of partitions that are behind. A partition is left out when its message did not
    come within ``timeout_seconds`` for all together (so nothing comes of a Kafka that does not answer), has no
    timestamp, or when only control records wait. Reads one message per partition and stores no offset.
    """
    if not positions:
        return {}
    found: dict[Place, dt.datetime] = {}
    consumer = Consumer(
        settings.kafka_client(
            group_id="shop-lag",
            enable_auto_commit=False,
            # What was removed before it was read is not unread any more: the oldest message left is.
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_partition_eof=True,
            # One message of each partition is wanted, not its backlog; and what was fetched of one must not hold up
            # the others.
            fetch_message_max_bytes=16_384,
            fetch_queue_backoff_ms=10,
            fetch_wait_max_ms=100,
            log_level=0,
        )
    )
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for (topic, partition), offset in positions.items()])
        waiting = set(positions)
        deadline = time.monotonic() + timeout_seconds
        while waiting and (left := deadline - time.monotonic()) > 0:
            message = consumer.poll(left)
            if message is None:
                break
            place = (str(message.topic()), int(message.partition() or 0))
            if place not in waiting:  # an error of no partition, or what was fetched before the pause
                continue
            waiting.discard(place)
            consumer.pause([TopicPartition(*place)])
            if message.error() is None:
                kind, milliseconds = message.timestamp()
                if kind != TIMESTAMP_NOT_AVAILABLE:
                    found[place] = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    finally:
        consumer.close()
    return found


def stored_offsets(connection: Connection) -> dict[Place, int]:
    """Return the next offset of every partition the warehouse knows."""
    rows = connection.execute(
        "select topic, partition, next_offset from ops.ingest_offsets where not retired"
    ).fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}


def services_alive(settings: Settings) -> bool:
    """Tell whether a continuous ingest service has given a sign of life lately."""
    with connect(settings, Role.INGEST) as connection:
        return alive_services(connection) > 0


def alive_processes(settings: Settings) -> set[int]:
    """Return the processes of this host that run a continuous ingest service and gave a sign of life lately."""
    with connect(settings, Role.INGEST) as connection:
        rows = connection.execute(
            "select writer from ops.ingest_services where heartbeat_at > now() - make_interval(secs => %s)",
            [ALIVE_WITHIN_SECONDS],
        ).fetchall()
    named = [str(writer).rsplit(":", 2) for (writer,) in rows]
    return {int(pid) for host, pid, _ in named if host == socket.gethostname()}


def alive_services(connection: Connection) -> int:
    """Return how many continuous ingest services have given a sign of life lately."""
    row = connection.execute(
        "select count(*) from ops.ingest_services where heartbeat_at > now() - make_interval(secs => %s)",
        [ALIVE_WITHIN_SECONDS],
    ).fetchone()
    return int(row[0]) if row else 0
