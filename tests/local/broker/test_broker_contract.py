"""What the platform relies on in a Kafka broker, held for the embedded one and for Apache Kafka alike."""

from __future__ import annotations

import time
import uuid

import pytest
from broker_clients import PATIENCE, Client, take, wait_until
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

DAY_MS = 86_400_000


def error_code(excinfo: pytest.ExceptionInfo[KafkaException]) -> int:
    return excinfo.value.args[0].code()


# ---------------------------------------------------------------- topics


def test_a_topic_has_an_id_and_its_partitions(client: Client) -> None:
    topic = client.create(partitions=3)
    assert client.partitions(topic) == 3
    assert client.topic_id(topic) == client.topic_id(topic)
    assert client.topic_id(topic) != client.topic_id(client.create())


def test_a_recreated_topic_has_another_id_and_starts_empty(client: Client) -> None:
    topic = client.create()
    client.produce(topic, [{"value": b"old"}])
    first_id = client.topic_id(topic)
    client.delete(topic)
    client.create(topic)
    assert client.topic_id(topic) != first_id
    assert client.watermarks(topic) == (0, 0)


def test_offsets_committed_in_a_deleted_topic_are_not_those_of_its_successor(client: Client) -> None:
    topic, group = client.create(), f"group-{uuid.uuid4().hex}"
    client.produce(topic, [{"value": b"x"}] * 3)
    consumer = client.consumer(group)
    consumer.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
    client.delete(topic)
    client.create(topic)
    partition = TopicPartition(topic, 0)
    wait_until(
        lambda: client.consumer(group).committed([partition], timeout=PATIENCE)[0].offset < 0, "no offset is left"
    )


def test_an_unknown_topic_is_not_created_by_asking_for_it(client: Client) -> None:
    name = f"absent-{uuid.uuid4().hex}"
    assert not client.exists(name)
    with pytest.raises(KafkaException) as excinfo:
        client.produce(name, [{"value": b"x"}], **{"message.timeout.ms": 3000})
    assert error_code(excinfo) in {
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._MSG_TIMED_OUT,
    }
    assert name not in client.admin.list_topics(timeout=PATIENCE).topics


@pytest.mark.parametrize(
    ("name", "partitions", "replicas", "config", "code"),
    [
        ("bad name!", 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
        ("x" * 250, 1, 1, {}, KafkaError.TOPIC_EXCEPTION),
        ("good", 0, 1, {}, KafkaError.INVALID_PARTITIONS),
        ("good", 1, 3, {}, KafkaError.INVALID_REPLICATION_FACTOR),
        ("good", 1, 1, {"no.such.setting": "1"}, KafkaError.INVALID_CONFIG),
        ("good", 1, 1, {"retention.ms": "soon"}, KafkaError.INVALID_CONFIG),
        ("good", 1, 1, {"retention.ms": "-2"}, KafkaError.INVALID_CONFIG),
        ("good", 1, 1, {"segment.bytes": "1000"}, KafkaError.INVALID_CONFIG),
    ],
)
def test_an_impossible_topic_is_refused(
    client: Client, name: str, partitions: int, replicas: int, config: dict[str, str], code: int
) -> None:
    with pytest.raises(KafkaException) as excinfo:
        client.admin.create_topics([NewTopic(name, partitions, replicas, config=config)])[name].result(PATIENCE)
    assert error_code(excinfo) == code
    assert name not in client.admin.list_topics(timeout=PATIENCE).topics


def test_a_topic_cannot_be_created_twice_nor_deleted_twice(client: Client) -> None:
    topic = client.create()
    with pytest.raises(KafkaException) as excinfo:
        client.create(topic)
    assert error_code(excinfo) == KafkaError.TOPIC_ALREADY_EXISTS
    client.delete(topic)
    with pytest.raises(KafkaException) as excinfo:
        client.delete(topic)
    assert error_code(excinfo) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_validating_a_topic_does_not_create_it(client: Client) -> None:
    name = f"draft-{uuid.uuid4().hex}"
    client.admin.create_topics([NewTopic(name, 2, 1)], validate_only=True)[name].result(PATIENCE)
    assert not client.exists(name)


def test_partitions_can_be_added_and_used_but_not_taken_away(client: Client) -> None:
    topic = client.create(partitions=2)
    client.produce(topic, [{"value": b"kept", "partition": 1}])
    topic_id = client.topic_id(topic)
    client.admin.create_partitions([NewPartitions(topic, 4)])[topic].result(PATIENCE)
    wait_until(lambda: client.partitions(topic) == 4, "four partitions")
    client.produce(topic, [{"value": b"new", "partition": 3}])
    assert [client.watermarks(topic, p) for p in range(4)] == [(0, 0), (0, 1), (0, 0), (0, 1)]
    assert client.topic_id(topic) == topic_id
    with pytest.raises(KafkaException) as excinfo:
        client.admin.create_partitions([NewPartitions(topic, 3)])[topic].result(PATIENCE)
    assert error_code(excinfo) == KafkaError.INVALID_PARTITIONS


def test_settings_can_be_read_and_changed(client: Client) -> None:
    topic = client.create(config={"retention.ms": "-1", "max.message.bytes": "5000"})
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def settings() -> dict[str, str]:
        described = client.admin.describe_configs([resource])[resource].result(PATIENCE)
        return {name: entry.value for name, entry in described.items()}

    assert settings()["retention.ms"] == "-1"
    assert settings()["max.message.bytes"] == "5000"
    assert settings()["cleanup.policy"] == "delete"
    change = [
        ConfigEntry("retention.bytes", "123456", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("max.message.bytes", None, incremental_operation=AlterConfigOpType.DELETE),
    ]
    altered = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=change)
    client.admin.incremental_alter_configs([altered])[altered].result(PATIENCE)
    wait_until(lambda: settings()["retention.bytes"] == "123456", "the change is visible")
    assert settings()["max.message.bytes"] == "1048588"
    assert settings()["retention.ms"] == "-1"


# ---------------------------------------------------------------- produce and read


def test_records_come_back_with_key_value_headers_and_timestamp(client: Client) -> None:
    topic = client.create()
    now = int(time.time() * 1000)
    records = [
        {"key": b"k", "value": b"v", "headers": [("h", b"1"), ("h", b"2"), ("none", None)], "timestamp": now},
        {"key": None, "value": "größer".encode(), "timestamp": now - 90 * DAY_MS},
        {"key": b"", "value": b"", "timestamp": 1},
        {"key": b"tombstone", "value": None, "timestamp": now - 5},
    ]
    acknowledged = client.produce(topic, records, acks="all")
    assert [m.offset() for m in acknowledged] == [0, 1, 2, 3]
    read = client.read(topic, 4)
    assert [(m.key(), m.value(), m.timestamp()[1]) for m in read] == [
        (r["key"], r["value"], r["timestamp"]) for r in records
    ]
    assert read[0].headers() == [("h", b"1"), ("h", b"2"), ("none", None)]
    assert [m.offset() for m in read] == [0, 1, 2, 3]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_compression_comes_back_the_same(client: Client, codec: str) -> None:
    topic = client.create()
    values = [f"{codec} {i} ".encode() * 20 for i in range(500)]
    client.produce(topic, [{"value": v} for v in values], **{"compression.type": codec})
    assert [m.value() for m in client.read(topic, len(values))] == values


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_each_partition_keeps_the_order_in_which_it_was_written(client: Client, acks: str) -> None:
    topic = client.create(partitions=3)
    written = [(i % 3, str(i).encode()) for i in range(3000)]
    client.produce(
        topic,
        [{"partition": p, "value": v} for p, v in written],
        **{"acks": acks, "enable.idempotence": acks == "all", "batch.num.messages": 50},
    )
    for partition in range(3):
        expected = [v for p, v in written if p == partition]
        read = client.read(topic, len(expected), partition)
        assert [m.value() for m in read] == expected
        assert [m.offset() for m in read] == list(range(len(expected)))


def test_watermarks_count_the_records(client: Client) -> None:
    topic = client.create(partitions=2)
    assert client.watermarks(topic) == (0, 0)
    client.produce(topic, [{"value": b"x", "partition": 1}] * 7)
    assert client.watermarks(topic, 0) == (0, 0)
    assert client.watermarks(topic, 1) == (0, 7)
    specs = {TopicPartition(topic, 1): OffsetSpec.latest()}
    listed = client.admin.list_offsets(specs)
    assert next(iter(listed.values())).result(PATIENCE).offset == 7


def test_a_consumer_can_seek_both_ways(client: Client) -> None:
    topic = client.create()
    client.produce(topic, [{"value": str(i).encode()} for i in range(100)])
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, 0)])
    take(consumer, 5)
    for target in (90, 10, 42):
        consumer.seek(TopicPartition(topic, 0, target))
        assert take(consumer, 1)[0].offset() == target


def test_a_consumer_at_the_end_gets_what_is_written_next(client: Client) -> None:
    topic = client.create()
    client.produce(topic, [{"value": b"before"}])
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, 1)])
    assert consumer.poll(0.3) is None
    client.produce(topic, [{"value": b"after"}])
    assert take(consumer, 1)[0].value() == b"after"


def test_a_message_beyond_the_topics_limit_is_refused_and_the_next_one_is_not(client: Client) -> None:
    topic = client.create(config={"max.message.bytes": "2000"})
    with pytest.raises(KafkaException) as excinfo:
        client.produce(topic, [{"value": b"x" * 3000}])
    assert error_code(excinfo) == KafkaError.MSG_SIZE_TOO_LARGE
    client.produce(topic, [{"value": b"x" * 1000}])
    assert client.watermarks(topic) == (0, 1)


def test_messages_larger_than_the_fetch_limits_are_still_delivered(client: Client) -> None:
    topic = client.create()
    values = [bytes([i]) * 600_000 for i in range(4)]
    client.produce(topic, [{"value": v} for v in values], **{"linger.ms": 0})
    limits = {"fetch.message.max.bytes": 10_000, "fetch.max.bytes": 10_000, "message.max.bytes": 10_000}
    assert [m.value() for m in client.read(topic, 4, **limits)] == values


# ---------------------------------------------------------------- offsets


def offsets_at(client: Client, topic: str, *timestamps: int) -> list[int]:
    consumer = client.consumer()
    return [consumer.offsets_for_times([TopicPartition(topic, 0, at)], timeout=PATIENCE)[0].offset for at in timestamps]


@pytest.mark.parametrize("codec", ["none", "gzip"])
def test_an_offset_is_found_by_time(client: Client, codec: str) -> None:
    topic = client.create(config={"retention.ms": "-1"})
    start = int(time.time() * 1000) - 10 * DAY_MS
    for first in (0, 50):  # two batches
        records = [{"value": b"x", "timestamp": start + i * 1000} for i in range(first, first + 50)]
        client.produce(topic, records, **{"linger.ms": 100, "compression.type": codec})
    end = -1  # OFFSET_END: nothing is as young as that
    asked = [start - 5, start, start + 1, start + 49_000, start + 49_001, start + 99_000, start + 99_001]
    assert offsets_at(client, topic, *asked) == [0, 0, 1, 49, 50, 99, end]


@pytest.mark.parametrize("codec", ["snappy", "lz4", "zstd"])
def test_reading_from_an_offset_found_by_time_misses_nothing(client: Client, codec: str) -> None:
    topic = client.create()
    start = int(time.time() * 1000) - DAY_MS
    client.produce(
        topic, [{"value": b"x" * 100, "timestamp": start + i} for i in range(1000)], **{"compression.type": codec}
    )
    for wanted in (0, 1, 500, 999):
        [found] = offsets_at(client, topic, start + wanted)
        assert 0 <= found <= wanted


def test_an_offset_found_by_time_is_the_first_even_when_timestamps_are_out_of_order(client: Client) -> None:
    topic = client.create()
    now = int(time.time() * 1000) - DAY_MS
    for delta in (50, 10, 90, 20, 95):
        client.produce(topic, [{"value": b"x", "timestamp": now + delta}])
    asked = [now, now + 51, now + 91]
    assert offsets_at(client, topic, *asked) == [0, 2, 4]


@pytest.mark.parametrize("offset", [0, 4, 11])
def test_an_offset_outside_the_log_is_an_error_if_the_consumer_wants_one(client: Client, offset: int) -> None:
    topic = client.create()
    client.produce(topic, [{"value": b"x"}] * 10)
    client.admin.delete_records([TopicPartition(topic, 0, 5)])[TopicPartition(topic, 0, 5)].result(PATIENCE)
    with pytest.raises(KafkaException) as excinfo:
        client.read(topic, 1, offset=offset)
    assert error_code(excinfo) == KafkaError._AUTO_OFFSET_RESET
    assert client.read(topic, 5, offset=5)[0].offset() == 5


def test_deleted_records_move_the_start_and_nothing_else(client: Client) -> None:
    topic = client.create(partitions=2)
    client.produce(topic, [{"value": b"x", "partition": p} for p in (0, 1)] * 10)
    partition = TopicPartition(topic, 0, 7)
    assert client.admin.delete_records([partition])[partition].result(PATIENCE).low_watermark == 7
    assert [client.watermarks(topic, p) for p in (0, 1)] == [(7, 10), (0, 10)]
    assert client.read(topic, 1, offset=-2, **{"auto.offset.reset": "earliest"})[0].offset() == 7
    everything = TopicPartition(topic, 0, -1)
    assert client.admin.delete_records([everything])[everything].result(PATIENCE).low_watermark == 10
    client.produce(topic, [{"value": b"next", "partition": 0}])
    assert client.watermarks(topic) == (10, 11)
    too_far = TopicPartition(topic, 0, 12)
    with pytest.raises(KafkaException) as excinfo:
        client.admin.delete_records([too_far])[too_far].result(PATIENCE)
    assert error_code(excinfo) == KafkaError.OFFSET_OUT_OF_RANGE


def test_retention_by_record_time_removes_history_and_leaves_the_offsets(client: Client) -> None:
    topic = client.create(config={"retention.ms": str(7 * DAY_MS)})
    old = int(time.time() * 1000) - 90 * DAY_MS
    client.produce(topic, [{"value": b"x", "timestamp": old}] * 10)
    wait_until(lambda: client.watermarks(topic) == (10, 10), "the old records are gone")
    client.produce(topic, [{"value": b"fresh"}])
    assert client.watermarks(topic) == (10, 11)


def test_history_is_kept_without_retention(client: Client) -> None:
    topic = client.create(config={"retention.ms": "-1"})
    doomed = client.create(config={"retention.ms": str(7 * DAY_MS)})
    old = int(time.time() * 1000) - 90 * DAY_MS
    for name in (topic, doomed):
        client.produce(name, [{"value": b"x", "timestamp": old}] * 10)
    wait_until(lambda: client.watermarks(doomed) == (10, 10), "the retention check has run")
    assert client.watermarks(topic) == (0, 10)


def test_retention_by_size_removes_the_oldest_segments(client: Client) -> None:
    mebibyte = 1024 * 1024
    topic = client.create(config={"retention.bytes": str(mebibyte), "segment.bytes": str(mebibyte)})
    client.produce(topic, [{"value": b"x" * 10_000} for _ in range(400)], **{"batch.size": 100_000})
    low, high = wait_until(lambda: (w := client.watermarks(topic))[0] > 150 and w, "the oldest segments are gone")
    assert high == 400
    assert low < 300  # at least retention.bytes stays
    assert client.read(topic, high - low, offset=low)[0].offset() == low


def test_the_cluster_describes_itself(client: Client) -> None:
    cluster = client.admin.describe_cluster().result(PATIENCE)
    assert cluster.cluster_id
    [node] = cluster.nodes
    assert f"{node.host}:{node.port}" == client.bootstrap
