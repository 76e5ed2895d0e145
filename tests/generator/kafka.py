"""What Kafka and the ledgers hold, and child processes that can be killed."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from confluent_kafka import Consumer, TopicPartition

from shop_platform.events.registry import TOPICS
from shop_platform.generator.ledger import produced_lines
from shop_platform.generator.message import Message
from shop_platform.settings import Settings


class Stored(NamedTuple):
    """A message as Kafka holds it."""

    topic: str
    partition: int
    offset: int
    event_id: str
    key: bytes
    value: bytes

    @property
    def event_time(self) -> str:
        """The time in the envelope, which even a spoilt event may lack."""
        start = self.value.index(b'"time":"') + len(b'"time":"')
        return self.value[start : self.value.index(b'"', start)].decode()

    @property
    def time_ms(self) -> int:
        """The envelope's time as epoch milliseconds."""
        return round(dt.datetime.fromisoformat(self.event_time).timestamp() * 1000)

    def message(self) -> Message:
        """Return it as the generator's message."""
        return Message(self.topic, self.key, self.value, self.event_id, self.event_time, self.time_ms)


def high_watermarks(settings: Settings) -> dict[tuple[str, int], int]:
    """Return the end of every partition."""
    consumer = Consumer(settings.kafka_client(group_id="test-watermarks", log_level=0))
    try:
        return {
            (topic.name, partition): consumer.get_watermark_offsets(TopicPartition(topic.name, partition), timeout=10)[
                1
            ]
            for topic in TOPICS
            for partition in range(topic.partitions)
        }
    finally:
        consumer.close()


def stored(settings: Settings) -> list[Stored]:
    """Return everything in Kafka, partition by partition."""
    ends = {place: end for place, end in high_watermarks(settings).items() if end}
    consumer = Consumer(settings.kafka_client(group_id="test-reader", enable_auto_commit=False, log_level=0))
    found: list[Stored] = []
    try:
        consumer.assign([TopicPartition(*place, 0) for place in ends])
        deadline = time.monotonic() + 60
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            for m in consumer.consume(5000, timeout=0.2):
                assert m.error() is None, m.error()
                headers = dict(m.headers())
                assert headers["content-type"] == b"application/cloudevents+json"
                found.append(
                    Stored(m.topic(), m.partition(), m.offset(), headers["ce_id"].decode(), m.key(), m.value() or b"")
                )
    finally:
        consumer.close()
    assert len(found) == sum(ends.values())
    return sorted(found, key=lambda message: (message.topic, message.partition, message.offset))


def ledger_places(settings: Settings) -> list[tuple[str, int, int, str]]:
    """Return (topic, partition, offset, event id) of every line of every produced ledger, sorted."""
    files = (settings.ledger_dir / "produced").glob("*.tsv")
    return sorted((x.topic, x.partition, x.offset, x.event_id) for path in files for x in produced_lines(path))


def kafka_places(messages: list[Stored]) -> list[tuple[str, int, int, str]]:
    """Return (topic, partition, offset, event id) of every message, sorted."""
    return sorted((m.topic, m.partition, m.offset, m.event_id) for m in messages)


def ledger_faults(settings: Settings) -> list[tuple[str, str, str]]:
    """Return (event id, fault, detail) of every line of every fault ledger."""
    found = []
    for path in sorted((settings.ledger_dir / "faults").glob("*.tsv")):
        for line in path.read_text().splitlines():
            event_id, _, fault, detail = line.split("\t")
            found.append((event_id, fault, detail))
    return found


@contextmanager
def child(settings: Settings, code: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python in a process of its own with these settings (``settings`` in its namespace); killed at the end."""
    prelude = "from shop_platform.settings import load\nsettings = load()\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + code], env=environment | settings.process_environment(), start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def kill_when(process: subprocess.Popen[bytes], ready: Callable[[], bool], seconds: float = 60.0) -> None:
    """SIGKILL the process as soon as ``ready()`` holds."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, f"the process ended by itself with code {process.returncode}"
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
