"""What was acknowledged (the producer's ledger) and what it says (the topics' bytes, read with a plain consumer)."""

from __future__ import annotations

import time
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from tests.truth.account import Event, read

_WITHOUT_MEANING = {"malformed", "unknown_version"}


def acknowledged(ledgers: Path) -> dict[str, tuple[str, int, int]]:
    """Return of each event id that Kafka acknowledged one place: topic, partition, offset."""
    found = {}
    for path in sorted((ledgers / "produced").glob("*.tsv")):
        for line in path.read_text().splitlines():
            event_id, topic, partition, offset, _ = line.split("\t")
            found[event_id] = (topic, int(partition), int(offset))
    return found


def spoilt(ledgers: Path) -> set[str]:
    """Return the ids whose message the simulator made unreadable: they are dead letters and count nowhere."""
    return {
        line.split("\t")[0]
        for path in sorted((ledgers / "faults").glob("*.tsv"))
        for line in path.read_text().splitlines()
        if line.split("\t")[2] in _WITHOUT_MEANING
    }


def produced(bootstrap: str, ledgers: Path) -> list[Event]:
    """Return every event that was acknowledged and can be read, once per message that carries it."""
    places = acknowledged(ledgers)
    wanted = places.keys() - spoilt(ledgers)
    values = _values(bootstrap, places)
    missing = wanted - values.keys()
    assert not missing, f"{len(missing)} acknowledged events are not in the topics, e.g. {sorted(missing)[:3]}"
    events = [read(value) for event_id in sorted(wanted) for value in values[event_id]]
    assert {event.id for event in events} == wanted, "a message tells another id than its ledger"
    return events


def _values(bootstrap: str, places: dict[str, tuple[str, int, int]]) -> dict[str, list[bytes]]:
    """Return the bytes of every message by the id in its header, read up to the last acknowledged offset."""
    ends: dict[tuple[str, int], int] = {}
    for topic, partition, offset in places.values():
        ends[topic, partition] = max(ends.get((topic, partition), 0), offset + 1)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "truth", "enable.auto.commit": False})
    found: dict[str, list[bytes]] = {}
    deadline = time.monotonic() + 120
    try:
        consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in ends])
        while ends:
            assert time.monotonic() < deadline, f"the topics cannot be read to their ends: {ends}"
            for message in consumer.consume(5_000, timeout=0.2):
                assert message.error() is None, message.error()
                event_id = dict(message.headers())["ce_id"].decode()
                found.setdefault(event_id, []).append(message.value() or b"")
                place = (message.topic(), message.partition())
                if place in ends and message.offset() + 1 >= ends[place]:
                    del ends[place]
    finally:
        consumer.close()
    return found
