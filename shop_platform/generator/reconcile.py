"""After a crash: what Kafka holds beyond the ledger, so that the ledger can be completed."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.generator.ledger import Known, Ledger, Partition
from shop_platform.generator.message import Message
from shop_platform.settings import Settings

_TIMEOUT_SECONDS = 30
_BATCH = 5_000


class Tail:
    """Messages in Kafka that no ledger knows: the places of each ``ce_id``, in the order in which they were sent."""

    def __init__(self) -> None:
        self._places: dict[str, deque[tuple[int, int]]] = defaultdict(deque)

    def __len__(self) -> int:
        return sum(len(places) for places in self._places.values())

    def add(self, event_id: str, partition: int, offset: int) -> None:
        """Note one message."""
        self._places[event_id].append((partition, offset))

    def take(self, event_id: str) -> tuple[int, int] | None:
        """Return the partition and offset of the next message with this id, once."""
        places = self._places.get(event_id)
        return places.popleft() if places else None


class Memory:
    """Which messages Kafka already has, and the ledgers know, when a run repeats an earlier one."""

    def __init__(self, known: Known, tail: Tail) -> None:
        self._known = known
        self._tail = tail
        self.completed = 0

    def has(self, message: Message, ledger: Ledger) -> bool:
        """Tell whether this very message was sent before; a place that the ledger lacks is written into it."""
        if self._known.times[message.event_id] > 0:
            self._known.times[message.event_id] -= 1
            ledger.note_fault(message)
        elif (place := self._tail.take(message.event_id)) is not None:
            ledger.acknowledge(message, *place)
            self.completed += 1
        else:
            return False
        ledger.remember_fault(message)
        return True


def read_tail(settings: Settings, next_offset: dict[Partition, int]) -> Tail:
    """Read every partition from the offset after the ledger's last one to its end.

    Raises :class:`ShopError` when Kafka does not answer.
    """
    consumer = Consumer(
        settings.kafka_client(
            group_id="shop-generator-reconcile", enable_auto_commit=False, auto_offset_reset="earliest", log_level=0
        )
    )
    try:
        spans = _spans(consumer, next_offset)
        return _read(consumer, spans) if spans else Tail()
    except KafkaException as error:
        reason = error.args[0].str() if isinstance(error.args[0], KafkaError) else str(error)
        raise ShopError(
            f"The ledger cannot be completed: Kafka at {settings.kafka_bootstrap} says '{reason}'",
            "Start the stack, then the generator again.",
        ) from error
    finally:
        consumer.close()


def _spans(consumer: Consumer, next_offset: dict[Partition, int]) -> dict[Partition, tuple[int, int]]:
    """Return first offset and end of every partition that holds more than the ledger knows."""
    spans = {}
    for topic in TOPICS:
        for partition in consumer.list_topics(topic.name, timeout=_TIMEOUT_SECONDS).topics[topic.name].partitions:
            place = (topic.name, partition)
            low, high = consumer.get_watermark_offsets(TopicPartition(*place), timeout=_TIMEOUT_SECONDS)
            start = max(low, next_offset.get(place, 0))
            if start < high:
                spans[place] = (start, high)
    return spans


def _read(consumer: Consumer, spans: dict[Partition, tuple[int, int]]) -> Tail:
    consumer.assign([TopicPartition(*place, start) for place, (start, _) in spans.items()])
    tail, ends = Tail(), {place: end for place, (_, end) in spans.items()}
    while ends:
        messages: list[Any] = consumer.consume(_BATCH, timeout=0.5)
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            place = (message.topic(), message.partition())
            identifier = dict(message.headers() or ()).get("ce_id")
            if identifier and message.offset() < spans[place][1]:
                tail.add(identifier.decode(), message.partition(), message.offset())
        # By position, not by the last message: a transaction's marker is an offset without one.
        for position in consumer.position([TopicPartition(*place) for place in ends]):
            if position.offset >= ends[position.topic, position.partition]:
                del ends[position.topic, position.partition]
    return tail
