"""The shop's events as a stream of messages: repeated, shuffled, at wrong times, sent with an acknowledged ledger."""

from __future__ import annotations

import datetime as dt
import json
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.generator.ledger import Ledger
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import FaultRates
from shop_platform.generator.producer import LedgeredProducer
from shop_platform.generator.stream import history_chunks
from shop_platform.settings import Settings
from tests.chaos.dose import REPEAT
from tests.dbt import events as dbt_events
from tests.support.events import LedgerProducer, event

UNTIL = dt.datetime(2026, 4, 1, 10, tzinfo=dt.UTC)
"""The histories' end, a few days after Germany's clocks went forward."""

# Several times what a real shop suffers, so that a small dose meets each of them.
ROUGH = FaultRates(duplicate=0.02, late=0.02, out_of_order=0.03, malformed=0.004, unknown_version=0.002)
HISTORY_END = UNTIL.isoformat()
# What a shop brings along (its catalogue, its customers), and what an order takes in visits that lead to none.
_OPENING, _EVENTS_PER_ORDER = 500, 130
_DAY_MS = 86_400_000
_BREATH = 50
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def history(
    rng: random.Random, count: int, *, days: int = 5, until: dt.datetime = UNTIL, faults: FaultRates = ROUGH
) -> list[Message]:
    """Return some ``count`` messages of a simulated shop in the order in which they are sent, faults included."""
    windows = history_chunks(
        seed=rng.randrange(2**31),
        days=days,
        orders_per_day=max((count - _OPENING) / days / _EVENTS_PER_ORDER, 1),
        until=until,
        faults=faults,
    )
    return [message for window in windows for message in window]


def repeated(rng: random.Random, messages: Sequence[Message], share: float) -> list[Message]:
    """Return ``messages`` with a ``share`` of them sent a second time, up to a hundred places later."""
    placed: list[tuple[float, Message]] = [(at, message) for at, message in enumerate(messages)]
    placed += [(at + rng.uniform(0, 100), m) for at, m in enumerate(messages) if rng.random() < share]
    return [message for _, message in sorted(placed, key=lambda item: item[0])]


def late(rng: random.Random, messages: Sequence[Message], share: float, *, days: float = 7) -> list[Message]:
    """Return ``messages`` in the order of event time, but a ``share`` of them up to ``days`` late."""
    sent = [m.time_ms + (rng.uniform(0, days) * _DAY_MS if rng.random() < share else 0) for m in messages]
    return [messages[i] for i in sorted(range(len(messages)), key=sent.__getitem__)]


def at_another_time(message: Message, moment: str) -> Message:
    """Return ``message`` as a clock that is wrong, or of another zone, would have told it; the ledger is in UTC."""
    assert message.event_time.encode() in message.value
    value = message.value.replace(message.event_time.encode(), moment.encode(), 1)
    utc = dt.datetime.fromisoformat(moment).astimezone(dt.UTC).isoformat()
    return message._replace(value=value, event_time=utc)


def as_message(envelope: dict[str, Any], value: bytes | None = None, *, time_ms: int = 0) -> Message:
    """Return a hand-written event as a message; ``value`` replaces its bytes."""
    return Message(
        topic=TOPIC_OF_TYPE[envelope["type"]].name,
        key=envelope["subject"].encode(),
        value=json.dumps(envelope).encode() if value is None else value,
        event_id=str(uuid.UUID(envelope["id"])),
        event_time=envelope["time"],
        time_ms=time_ms,
    )


def from_dbt(told: dbt_events.Event) -> Message:
    """Return an event of the dbt tests as a message."""
    envelope = event(told.type, told.subject, told.data, time=told.time, id=str(told.id))
    return as_message(envelope, time_ms=(told.time - _EPOCH) // dt.timedelta(milliseconds=1))


def number_beyond_postgres(envelope: dict[str, Any]) -> bytes:
    """Return the event with a number that is valid JSON and that no PostgreSQL numeric holds."""
    return json.dumps(envelope).replace('"data": {', '"data": {"huge": 1e400000, ', 1).encode()


def send(settings: Settings, messages: Sequence[Message], run: str = "chaos-000001", *, seconds: float = 0.0) -> None:
    """Send ``messages`` by the platform's own producer, with its ledger of acknowledgements.

    ``seconds`` spreads them over a time, so that something can happen meanwhile.
    """
    with Ledger(settings.ledger_dir, run) as ledger, LedgeredProducer(settings, ledger) as producer:
        for number, message in enumerate(messages):
            producer.send(message)
            if seconds and number % _BREATH == 0:
                producer.poll()
                time.sleep(seconds * _BREATH / len(messages))
        producer.flush()


@contextmanager
def producing(
    settings: Settings, messages: Sequence[Message], run: str = "chaos-000001", *, seconds: float = 0.0
) -> Iterator[None]:
    """Send ``messages`` while the block runs, over ``seconds``; it ends when all are acknowledged."""
    problems: list[Exception] = []

    def produce() -> None:
        try:
            send(settings, messages, run, seconds=seconds)
        except Exception as problem:
            problems.append(problem)

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not problems, f"{problems}; {REPEAT}"


def scatter(settings: Settings, placed: Iterable[tuple[Message, int]], run: str = "scattered") -> None:
    """Send each message to the partition that stands beside it, whatever its key says."""
    producer = LedgerProducer(settings, run)
    for message, partition in placed:
        key, moment = message.key.decode(), message.event_time
        producer.send_raw(message.topic, message.value, message.event_id, key=key, partition=partition, time=moment)
    producer.flush()
