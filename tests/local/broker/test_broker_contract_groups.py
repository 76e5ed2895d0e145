"""Consumer groups, held for the embedded broker and for Apache Kafka alike."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest
from broker_clients import PATIENCE, Client, take, wait_until
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition

DAY_MS = 86_400_000


def error_code(excinfo: pytest.ExceptionInfo[KafkaException]) -> int:
    return excinfo.value.args[0].code()


def assigned(*consumers: object) -> list[set[int]]:
    for consumer in consumers:
        consumer.poll(0.05)  # type: ignore[attr-defined]
    return [{tp.partition for tp in c.assignment()} for c in consumers]  # type: ignore[attr-defined]


def shares(sets: list[set[int]], partitions: int) -> bool:
    return all(sets) and set.union(*sets) == set(range(partitions)) and sum(len(s) for s in sets) == partitions


@pytest.mark.parametrize("strategy", ["range", "roundrobin", "cooperative-sticky"])
def test_two_members_share_and_one_takes_over_when_the_other_leaves(client: Client, strategy: str) -> None:
    topic, group = client.create(partitions=4), f"group-{uuid.uuid4().hex}"
    settings = {
        "partition.assignment.strategy": strategy,
        "auto.offset.reset": "earliest",
        "heartbeat.interval.ms": 200,
    }
    first = client.consumer(group, **settings)
    first.subscribe([topic])
    wait_until(lambda: shares(assigned(first), 4), "the first has all")
    second = client.consumer(group, **settings)
    second.subscribe([topic])
    wait_until(lambda: shares(assigned(first, second), 4), "both share")
    assert [len(s) for s in assigned(first, second)] == [2, 2]
    second.close()
    wait_until(lambda: shares(assigned(first), 4), "the first has all again")


def test_members_that_share_read_every_record_once(client: Client) -> None:
    topic, group = client.create(partitions=4), f"group-{uuid.uuid4().hex}"
    settings = {"auto.offset.reset": "earliest", "heartbeat.interval.ms": 200}
    members = [client.consumer(group, **settings) for _ in range(2)]
    for member in members:
        member.subscribe([topic])
    wait_until(lambda: shares(assigned(*members), 4), "both share")
    client.produce(topic, [{"value": str(i).encode(), "partition": i % 4} for i in range(400)])
    seen: list[bytes] = []

    def all_seen() -> bool:
        for member in members:
            seen.extend(m.value() for m in member.consume(100, 0.05))
        return len(seen) >= 400

    wait_until(all_seen, "all records are read")
    assert sorted(seen) == sorted(str(i).encode() for i in range(400))


_MEMBER = """
import sys
from confluent_kafka import Consumer
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": sys.argv[2], "auto.offset.reset": "earliest",
                     "session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
consumer.subscribe([sys.argv[3]])
while not consumer.assignment():
    consumer.poll(0.1)
print("assigned", flush=True)
while True:
    consumer.poll(1)
"""


def test_a_killed_members_partitions_go_to_the_other(client: Client) -> None:
    topic, group = client.create(partitions=4), f"group-{uuid.uuid4().hex}"
    victim = subprocess.Popen([sys.executable, "-c", _MEMBER, client.bootstrap, group, topic], stdout=subprocess.PIPE)
    try:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"assigned\n"
        settings = {"auto.offset.reset": "earliest", "session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
        survivor = client.consumer(group, **settings)
        survivor.subscribe([topic])
        wait_until(lambda: len(assigned(survivor)[0]) == 2, "both share")
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()
    wait_until(lambda: shares(assigned(survivor), 4), "the survivor has all")


def test_committed_offsets_are_where_the_next_member_starts(client: Client) -> None:
    topic, group = client.create(partitions=2), f"group-{uuid.uuid4().hex}"
    client.produce(topic, [{"value": str(i).encode(), "partition": 0} for i in range(10)])
    first = client.consumer(group, **{"auto.offset.reset": "earliest"})
    first.subscribe([topic])
    take(first, 10)
    committed = [TopicPartition(topic, 0, 4, metadata="note"), TopicPartition(topic, 1, 0, metadata="other")]
    first.commit(offsets=committed, asynchronous=False)
    first.close()
    second = client.consumer(group)
    positions = second.committed([TopicPartition(topic, p) for p in (0, 1)], timeout=PATIENCE)
    assert [(p.offset, p.metadata) for p in positions] == [(4, "note"), (0, "other")]
    second.subscribe([topic])
    assert take(second, 1)[0].offset() == 4


def test_a_group_without_offsets_has_none(client: Client) -> None:
    topic = client.create()
    position = client.consumer().committed([TopicPartition(topic, 0)], timeout=PATIENCE)[0]
    assert position.offset < 0
    assert position.error is None


def test_a_commit_from_outside_is_refused_while_the_group_has_members(client: Client) -> None:
    topic, group = client.create(), f"group-{uuid.uuid4().hex}"
    member = client.consumer(group, **{"auto.offset.reset": "earliest"})
    member.subscribe([topic])
    wait_until(lambda: assigned(member)[0], "assigned")
    with pytest.raises(KafkaException) as excinfo:
        client.consumer(group).commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert error_code(excinfo) == KafkaError.UNKNOWN_MEMBER_ID


def test_groups_can_be_listed_described_reset_and_deleted(client: Client) -> None:
    topic, group = client.create(partitions=2), f"group-{uuid.uuid4().hex}"
    member = client.consumer(group, **{"auto.offset.reset": "earliest", "client.id": "the-member"})
    member.subscribe([topic])
    wait_until(lambda: len(assigned(member)[0]) == 2, "assigned")
    admin = client.admin

    def described():
        return admin.describe_consumer_groups([group])[group].result(PATIENCE)

    wait_until(lambda: described().state.name == "STABLE", "stable")
    [only] = described().members
    assert only.client_id == "the-member"
    assert {tp.partition for tp in only.assignment.topic_partitions} == {0, 1}
    assert group in {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}
    with pytest.raises(KafkaException) as excinfo:
        admin.delete_consumer_groups([group])[group].result(PATIENCE)
    assert error_code(excinfo) == KafkaError.NON_EMPTY_GROUP
    member.close()
    wait_until(lambda: described().state.name == "EMPTY", "empty")
    reset = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 1, 5)])
    admin.alter_consumer_group_offsets([reset])[group].result(PATIENCE)
    asked = ConsumerGroupTopicPartitions(group)
    listed = admin.list_consumer_group_offsets([asked])[group].result(PATIENCE).topic_partitions
    assert [(tp.partition, tp.offset) for tp in listed] == [(1, 5)]
    admin.delete_consumer_groups([group])[group].result(PATIENCE)
    assert group not in {g.group_id for g in admin.list_consumer_groups().result(PATIENCE).valid}


def test_a_static_member_that_restarts_keeps_its_partitions(client: Client) -> None:
    topic, group = client.create(partitions=2), f"group-{uuid.uuid4().hex}"
    settings = {"auto.offset.reset": "earliest", "group.instance.id": "a", "heartbeat.interval.ms": 200}
    for _ in range(2):
        member = client.consumer(group, **settings)
        member.subscribe([topic])
        wait_until(lambda m=member: len(assigned(m)[0]) == 2, "assigned")
        member.close()  # static members do not leave the group
