"""How far the warehouse is behind Kafka, and whether a continuous ingest service is alive."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shop_platform.events.registry import TOPICS
from shop_platform.ingest.offsets import Connection
from shop_platform.ingest.topics import unreachable
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# A service writes its sign of life every two seconds; one that missed ten is gone or stuck.
HEARTBEAT_SECONDS = 2.0
_ALIVE_WITHIN_SECONDS = 20
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class PartitionLag:
    """One partition: where Kafka ends, where the warehouse goes on."""

    end_offset: int
    next_offset: int

    @property
    def lag(self) -> int:
        """Messages in Kafka that the warehouse has not read."""
        return max(self.end_offset - self.next_offset, 0)


def end_offsets(settings: Settings) -> dict[tuple[str, int], tuple[int, int]]:
    """Return (low, high) watermarks of every partition of the contract's topics that exist."""
    consumer = Consumer(settings.kafka_client(group_id="shop-lag", log_level=0))
    try:
        metadata = consumer.list_topics(timeout=_TIMEOUT_SECONDS)
        found = {}
        for topic in TOPICS:
            known = metadata.topics.get(topic.name)
            for partition in known.partitions if known is not None and known.error is None else ():
                found[topic.name, partition] = consumer.get_watermark_offsets(
                    TopicPartition(topic.name, partition), timeout=_TIMEOUT_SECONDS
                )
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
    result: dict[str, dict[int, PartitionLag]] = {}
    for (topic, partition), (low, high) in sorted(ends.items()):
        result.setdefault(topic, {})[partition] = PartitionLag(high, stored.get((topic, partition), low))
    return result


def stored_offsets(connection: Connection) -> dict[tuple[str, int], int]:
    """Return the next offset of every partition the warehouse knows."""
    rows = connection.execute("select topic, partition, next_offset from ops.ingest_offsets").fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}


def services_alive(settings: Settings) -> bool:
    """Tell whether a continuous ingest service has given a sign of life lately."""
    with connect(settings, Role.INGEST) as connection:
        return alive_services(connection) > 0


def alive_services(connection: Connection) -> int:
    """Return how many continuous ingest services have given a sign of life lately."""
    row = connection.execute(
        "select count(*) from ops.ingest_services where heartbeat_at > now() - make_interval(secs => %s)",
        [_ALIVE_WITHIN_SECONDS],
    ).fetchone()
    return int(row[0]) if row else 0
