"""After a killed run: what Kafka took of it and its ledger does not hold is written into the ledger."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.generator.ledger import produced_lines
from shop_platform.settings import Settings

_TIMEOUT_SECONDS = 30
_BATCH = 5_000
Place = tuple[str, int]


class _Sent(msgspec.Struct):
    """What tells a message of an import from one of another producer."""

    id: uuid.UUID
    source: str
    time: str


_decode = msgspec.json.Decoder(_Sent).decode


def begin(settings: Settings, run: str, source: str) -> None:
    """Note that ``run`` is about to send events of ``source``, and where Kafka ends before it does."""
    with _consumer(settings) as consumer:
        ends = [(*place, high) for place, (_, high) in _watermarks(consumer).items()]
    path = _marker(settings)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps({"run": run, "source": source, "ends": ends}))
    draft.replace(path)


def finish(settings: Settings) -> None:
    """Note that the run's ledger is complete."""
    _marker(settings).unlink(missing_ok=True)


def recover(settings: Settings) -> int:
    """Complete the ledger of a run that ended without :func:`finish`; return how many lines it lacked.

    A process that is killed has up to 0.2 s of acknowledgements in its memory. They are the last of each partition, so
    only what lies behind the ledger's lines is read. Raises :class:`ShopError` when Kafka does not answer.
    """
    path = _marker(settings)
    if not path.exists():
        return 0
    left = json.loads(path.read_text())
    ledger = settings.ledger_dir / "produced" / f"{left['run']}.tsv"
    _cut_half_line(ledger)
    start: dict[Place, int] = {(topic, partition): end for topic, partition, end in left["ends"]}
    for line in produced_lines(ledger) if ledger.exists() else ():
        start[line.topic, line.partition] = line.offset + 1
    try:
        with _consumer(settings) as consumer:
            lines = list(_missing(consumer, start, left["source"]))
    except KafkaException as error:
        reason = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
        raise ShopError(
            f"Kafka at {settings.kafka_bootstrap} does not answer: {reason}",
            "Is the stack up (`shop up` or `make demo`), and does SHOP_KAFKA_BOOTSTRAP point at it?",
        ) from error
    if lines:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        with ledger.open("a") as file:
            file.writelines(lines)
    finish(settings)
    return len(lines)


def _missing(consumer: Consumer, start: dict[Place, int], source: str) -> Iterator[str]:
    """Yield the ledger lines of messages from ``start`` on that an import of ``source`` sent."""
    spans = {place: (max(low, start.get(place, high)), high) for place, (low, high) in _watermarks(consumer).items()}
    ends = {place: high for place, (first, high) in spans.items() if first < high}
    consumer.assign([TopicPartition(*place, spans[place][0]) for place in ends])
    while ends:
        messages: list[Any] = consumer.consume(_BATCH, timeout=0.5)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            sent = _sent(message.value())
            if sent and sent.source == source and message.offset() < spans[message.topic(), message.partition()][1]:
                yield f"{sent.id}\t{message.topic()}\t{message.partition()}\t{message.offset()}\t{sent.time}\n"
        # By position, not by the last message: a transaction's marker is an offset without one.
        for position in consumer.position([TopicPartition(*place) for place in ends]):
            if position.offset >= ends[position.topic, position.partition]:
                del ends[position.topic, position.partition]


def _sent(value: bytes | None) -> _Sent | None:
    """Return the event of a message if it has an id as imports make them (UUID version 8)."""
    try:
        found = _decode(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.id.version == 8 else None


def _watermarks(consumer: Consumer) -> dict[Place, tuple[int, int]]:
    there = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
    return {
        (topic.name, partition): consumer.get_watermark_offsets(
            TopicPartition(topic.name, partition), timeout=_TIMEOUT_SECONDS
        )
        for topic in TOPICS
        if topic.name in there
        for partition in there[topic.name].partitions
    }


@contextlib.contextmanager
def _consumer(settings: Settings) -> Iterator[Consumer]:
    """Give a consumer that leaves Kafka's committed offsets alone."""
    consumer = Consumer(
        settings.kafka_client(
            group_id="shop-import", enable_auto_commit=False, auto_offset_reset="earliest", log_level=0
        )
    )
    try:
        yield consumer
    finally:
        consumer.close()


def _marker(settings: Settings) -> Path:
    return settings.data_dir / "import" / "open.json"


def _cut_half_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        content_end = path.stat().st_size
        tail = min(content_end, 65_536)
        file.seek(content_end - tail)
        last = file.read(tail)
        if last and not last.endswith(b"\n"):
            file.truncate(content_end - tail + last.rfind(b"\n") + 1)
