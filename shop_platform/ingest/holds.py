"""Which partitions wait for a person's decision, and where the others go on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from shop_platform.ingest.batch import Place
from shop_platform.ingest.halts import BURST, MISSING, Halt, close_gone, close_halt, open_halts, record_halt
from shop_platform.ingest.offsets import (
    Connection,
    Mismatch,
    Stored,
    judge_missing,
    judge_position,
    judge_topic,
    stored_positions,
)
from shop_platform.ingest.topics import TopicState, states_of_existing, unreachable
from shop_platform.kafka_connect import patiently
from shop_platform.settings import Settings

log = structlog.get_logger(__name__)

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Held:
    """A partition that waits: why, where reading would go on, and where its log ended when it was last looked at."""

    mismatch: Mismatch
    next_offset: int
    end_offset: int


@dataclass(frozen=True)
class Standing:
    """A partition in Kafka (id of its topic, watermarks) and in the warehouse (``None``: never read)."""

    topic_id: str
    low: int
    high: int
    stored: Stored | None


class Holds:
    """Judges partitions by what Kafka and the warehouse say now and by the halts that nobody has resolved.

    A halt that somebody else wrote down counts like an own one, so that all services of a group hold the same topics,
    and one that was started again begins with what its predecessor stopped at.
    """

    def __init__(
        self,
        settings: Settings,
        topics: list[str],
        states: dict[str, TopicState],
        consumer: Consumer,
        connection: Connection,
        writer: str,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._consumer = consumer
        self._connection = connection
        self._writer = writer
        self._states = states
        self.held: dict[Place, Held] = {}

    def all_partitions(self) -> list[Place]:
        """Return every partition of the topics that exist."""
        return [(topic, number) for topic, state in self._states.items() for number in range(state.partitions)]

    def look(self, owned: Collection[Place]) -> dict[Place, Standing]:
        """Return where each of ``owned`` stands that may be read; hold the others, and write down why."""
        bursts = self._refresh()
        free: dict[Place, Standing] = {}
        self.held = {}
        told: dict[tuple[str, str, int | None], Mismatch] = {}
        for place, mismatch, standing in self._judge(owned, bursts, ask=owned):
            if mismatch is None:
                assert standing is not None
                free[place] = standing
                continue
            self.held[place] = _held(mismatch, standing)
            if mismatch.reason != BURST:
                told[mismatch.reason, mismatch.topic, mismatch.partition] = mismatch
        for mismatch in told.values():
            record_halt(self._settings, mismatch)
        return free

    def changed(self, owned: Collection[Place]) -> bool:
        """Tell whether :meth:`look` would hold other partitions now, or for other reasons, than it did."""
        bursts = self._refresh()
        now: dict[Place, str] = {}
        for place, mismatch, standing in self._judge(owned, bursts, ask=self.held):
            if mismatch is None:
                continue
            now[place] = mismatch.reason
            if standing is not None and place in self.held:
                self.held[place] = _held(self.held[place].mismatch, standing)
        before = {place: held.mismatch.reason for place, held in self.held.items()}
        for topic in sorted({topic for topic, _ in before.keys() - now.keys()}):
            log.info("ingest_goes_on", topic=topic, writer=self._writer)
        return now != before

    def forget(self, place: Place) -> None:
        """Hold ``place`` no longer: it is somebody else's."""
        self.held.pop(place, None)

    def close_gone(self, places: Collection[Place]) -> None:
        """Close the halts of ``places``, which are read, although nobody accepted anything (Kafka was restored)."""
        close_gone(self._connection, places, self._writer)

    def _refresh(self) -> dict[str, Mismatch]:
        """Ask Kafka which topics there are, and the warehouse for open bursts; return these by topic."""
        self._states = states_of_existing(self._settings, self._topics)
        halts = [halt for halt in open_halts(self._connection) if halt.topic in self._topics]
        known = {halt.topic: halt for halt in halts if halt.reason == MISSING}
        for topic in self._topics:
            if topic in self._states and topic in known:
                close_halt(self._connection, known[topic].halt_id, self._writer, "the topic is there again")
            elif topic not in self._states and topic not in known:
                record_halt(self._settings, judge_missing(topic))
        return {halt.topic: _of(halt) for halt in halts if halt.reason == BURST}

    def _judge(
        self, owned: Collection[Place], bursts: dict[str, Mismatch], *, ask: Collection[Place]
    ) -> Iterator[tuple[Place, Mismatch | None, Standing | None]]:
        """Say of each of ``owned`` why it has to wait, if it has to; positions are judged for those of ``ask``."""
        for topic, group in groupby(sorted(owned), key=lambda place: place[0]):
            places = list(group)
            state = self._states.get(topic)
            if state is None:
                yield from ((place, judge_missing(topic), None) for place in places)
                continue
            stored = stored_positions(self._connection, topic)
            of_topic = judge_topic(topic, state.topic_id, state.partitions, stored)
            for place in places:
                standing = self._standing(place, state, stored) if place in ask else None
                mismatch = of_topic
                if mismatch is None and standing is not None and standing.stored is not None:
                    mismatch = judge_position(topic, standing.stored, standing.low, standing.high)
                yield place, mismatch or bursts.get(topic), standing

    def _standing(self, place: Place, state: TopicState, stored: list[Stored]) -> Standing:
        row = next((row for row in stored if row.partition == place[1]), None)
        ask = partial(self._consumer.get_watermark_offsets, TopicPartition(*place), timeout=_TIMEOUT_SECONDS)
        try:
            low, high = patiently(ask, _TIMEOUT_SECONDS)
        except KafkaException as error:
            raise unreachable(self._settings, error) from error
        return Standing(state.topic_id, low, high, row)


def _held(mismatch: Mismatch, standing: Standing | None) -> Held:
    if standing is None:
        return Held(mismatch, 0, 0)
    same = standing.stored is not None and standing.stored.topic_id == standing.topic_id
    # Of a topic that was made again, everything waits.
    next_offset = standing.stored.next_offset if same and standing.stored is not None else standing.low
    return Held(mismatch, next_offset, standing.high)


def _of(halt: Halt) -> Mismatch:
    return Mismatch(halt.reason, halt.topic, halt.partition, halt.message, halt.resolution, halt.detail)
