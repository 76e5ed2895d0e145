"""Shorthands over confluent-kafka, and a bare client of kio messages for what librdkafka never sends."""

from __future__ import annotations

import io
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Self

import crc32c
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

PATIENCE = 60.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Poll until `condition` is true and return it; fail with `what` otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Client:
    """Clients of one broker and short forms of what the tests do with them."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # topics

    def create(self, name: str | None = None, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
        name = name or f"topic-{uuid.uuid4().hex[:10]}"
        new = NewTopic(name, partitions, 1, config=dict(config or {}))
        self.admin.create_topics([new], request_timeout=PATIENCE)[name].result(PATIENCE)
        wait_until(lambda: self._takes_records(name, partitions), f"{name} takes records")
        return name

    def _takes_records(self, name: str, partitions: int) -> bool:
        """Kafka answers CreateTopics, and even Metadata, before the partitions can be used."""
        wanted = {TopicPartition(name, p): OffsetSpec.latest() for p in range(partitions)}
        try:
            return all(f.result(PATIENCE) for f in self.admin.list_offsets(wanted, request_timeout=2).values())
        except KafkaException:
            return False

    def exists(self, name: str) -> bool:
        return self.partitions(name) > 0

    def partitions(self, name: str) -> int:
        """The number of partitions with a leader, 0 for an unknown topic."""
        topic = self.admin.list_topics(name, timeout=PATIENCE).topics[name]
        return 0 if topic.error else sum(p.leader >= 0 for p in topic.partitions.values())

    def delete(self, name: str) -> None:
        self.admin.delete_topics([name], request_timeout=PATIENCE)[name].result(PATIENCE)
        wait_until(lambda: name not in self.admin.list_topics(timeout=PATIENCE).topics, f"{name} is gone")

    def topic_id(self, name: str) -> str:
        described = self.admin.describe_topics(TopicCollection([name]), request_timeout=PATIENCE)
        return str(described[name].result(PATIENCE).topic_id)

    # records

    def producer(self, **config: Any) -> Producer:
        settings = {"enable.idempotence": True, "linger.ms": 5, "log_level": 0, "message.timeout.ms": 20000}
        return Producer({"bootstrap.servers": self.bootstrap, **settings, **config})

    def produce(self, topic: str, records: Iterable[Mapping[str, Any]], **config: Any) -> list[Message]:
        """Produce `records` (arguments of Producer.produce) and return the acknowledged messages in their order."""
        producer, acknowledged = self.producer(**config), []

        def on_delivery(error: Any, message: Message) -> None:
            if error:
                raise KafkaException(error)
            acknowledged.append(message)

        for record in records:
            producer.produce(topic, on_delivery=on_delivery, **record)
        assert producer.flush(PATIENCE) == 0
        return acknowledged

    def consumer(self, group: str | None = None, **config: Any) -> Consumer:
        settings = {
            "group.id": group or f"group-{uuid.uuid4().hex[:10]}",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
        consumer = Consumer({"bootstrap.servers": self.bootstrap, **settings, **config})
        self._stack.callback(consumer.close)
        return consumer

    def read(self, topic: str, count: int, partition: int = 0, offset: int = 0, **config: Any) -> list[Message]:
        """Read `count` records of a partition from `offset` on."""
        consumer = self.consumer(**config)
        consumer.assign([TopicPartition(topic, partition, offset)])
        return take(consumer, count)

    def watermarks(self, topic: str, partition: int = 0) -> tuple[int, int]:
        return self.consumer().get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE)

    def raw(self) -> RawClient:
        return self._stack.enter_context(RawClient(self.bootstrap))


def take(consumer: Consumer, count: int) -> list[Message]:
    """The next `count` messages; an error message is raised."""
    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while len(messages) < count and time.monotonic() < deadline:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        messages.append(message)
    assert len(messages) == count, f"{len(messages)} of {count} messages"
    return messages


class RawClient:
    """One connection that sends single kio requests and reads their responses."""

    def __init__(self, bootstrap: str) -> None:
        host, _, port = bootstrap.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE)
        self._correlation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def types(self, api_key: int, version: int) -> Any:
        """The module with the request classes of an API version."""
        return __import__(load_request_schema(api_key, version).__module__, fromlist=["*"])

    def send(self, request: Any) -> None:
        self._correlation += 1
        header = request.__header_schema__
        buffer = io.BytesIO()
        entity_writer(header)(
            buffer,
            header(
                request_api_key=request.__api_key__,
                request_api_version=request.__version__,
                correlation_id=self._correlation,
                client_id="raw",
            ),
        )
        entity_writer(type(request))(buffer, request)
        self.send_frame(buffer.getvalue())

    def send_frame(self, frame: bytes) -> None:
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def ask(self, request: Any) -> Any:
        self.send(request)
        response = load_response_schema(request.__api_key__, request.__version__)
        frame = self.receive_frame()
        assert frame is not None, "the broker closed the connection"
        header, at = entity_reader(response.__header_schema__)(frame, 0)
        assert header.correlation_id == self._correlation
        return entity_reader(response)(frame, at)[0]

    def receive_frame(self) -> bytes | None:
        """The next response, None when the broker has closed the connection."""
        head = self._receive(4)
        return self._receive(struct.unpack(">i", head)[0]) if head else None

    def _receive(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            data += more
        return data


def _varint(value: int) -> bytes:
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def record_batch(
    values: list[bytes],
    *,
    timestamp: int | None = None,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    attributes: int = 0,
) -> bytes:
    """An uncompressed record batch as a producer sends it."""
    now = int(time.time() * 1000) if timestamp is None else timestamp
    records = b""
    for i, value in enumerate(values):
        body = b"\x00" + _varint(0) + _varint(i) + _varint(-1) + _varint(len(value)) + value + _varint(0)
        records += _varint(len(body)) + body
    count = len(values)
    checked = struct.pack(">hiqqqhii", attributes, count - 1, now, now, producer_id, epoch, sequence, count) + records
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, 2, crc32c.crc32c(checked)) + checked
