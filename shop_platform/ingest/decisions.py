"""Carry out what a person decided about a halt, in one transaction, with their name and reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer, KafkaException, TopicPartition

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPIC_BY_NAME
from shop_platform.ingest.halts import BURST, close_halt, open_halts, record_halt
from shop_platform.ingest.offsets import Connection, Mismatch, Stored, judge_position, judge_topic, stored_positions
from shop_platform.ingest.topics import TopicState, topic_states, unreachable
from shop_platform.kafka_connect import patiently
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class Decision:
    """One thing that was accepted, and what was done about it."""

    reason: str
    topic: str
    partition: int | None
    done: str


def accept(settings: Settings, topic: str, partition: int | None, *, by: str, because: str) -> list[Decision]:
    """Accept what stands between Kafka and the warehouse for ``topic`` (or one partition) right now.

    The facts are looked up afresh; nothing is done that was not found. Raises :class:`ShopError` for an unknown topic,
    an empty reason, or when there is nothing to accept.
    """
    if topic not in TOPIC_BY_NAME:
        raise ShopError(f"'{topic}' is not a topic of the contract", f"One of: {', '.join(sorted(TOPIC_BY_NAME))}.")
    if not because.strip():
        raise ShopError("A decision needs a reason", "Say why with --because.")
    state = topic_states(settings, [topic])[topic]
    watermarks = _watermarks(settings, topic, state.partitions)
    with connect(settings, Role.INGEST, autocommit=True) as connection:
        found = _mismatches(connection, topic, state, watermarks, partition)
        for mismatch in found:
            record_halt(settings, mismatch)
        decisions = []
        with connection.transaction():
            connection.execute("select from ops.ingest_offsets where topic = %s for update", [topic])
            for mismatch in _mismatches(connection, topic, state, watermarks, partition):
                decisions.append(_carry_out(connection, mismatch, state, watermarks, by))
            accepted = {decision.reason for decision in decisions}
            for halt in open_halts(connection, topic):
                if halt.reason == BURST and partition is None:
                    decisions.append(Decision(BURST, topic, None, "dead letters are let through for an hour"))
                elif halt.reason not in accepted or partition not in {None, halt.partition}:
                    continue
                close_halt(connection, halt.halt_id, by, because.strip())
    if not decisions:
        raise ShopError(
            f"There is nothing to accept for {topic}" + ("" if partition is None else f", partition {partition}"),
            "Kafka and the warehouse agree. `shop offsets list` shows where every partition stands.",
            exit_code=1,
        )
    return decisions


def _watermarks(settings: Settings, topic: str, partitions: int) -> dict[int, tuple[int, int]]:
    consumer = Consumer(settings.kafka_client(group_id="shop-offsets", log_level=0))
    try:
        return {
            number: patiently(
                partial(consumer.get_watermark_offsets, TopicPartition(topic, number), timeout=_TIMEOUT_SECONDS),
                _TIMEOUT_SECONDS,
            )
            for number in range(partitions)
        }
    except KafkaException as error:
        raise unreachable(settings, error) from error
    finally:
        consumer.close()


def _mismatches(
    connection: Connection,
    topic: str,
    state: TopicState,
    watermarks: dict[int, tuple[int, int]],
    partition: int | None,
) -> list[Mismatch]:
    stored = stored_positions(connection, topic)
    of_topic = judge_topic(topic, state.topic_id, state.partitions, stored)
    if of_topic is not None:
        return [of_topic] if partition is None else []
    wanted = [row for row in stored if partition is None or row.partition == partition]
    judged = (judge_position(topic, row, *watermarks[row.partition]) for row in wanted)
    return [mismatch for mismatch in judged if mismatch is not None]


def _carry_out(
    connection: Connection, mismatch: Mismatch, state: TopicState, watermarks: dict[int, tuple[int, int]], by: str
) -> Decision:
    topic, partition = mismatch.topic, mismatch.partition
    if mismatch.reason == "topic_recreated":
        connection.execute("update ops.ingest_offsets set retired = true where topic = %s", [topic])
        for number, (low, _) in watermarks.items():
            # The id may have been read before, when a cluster was swapped and swapped back.
            connection.execute(
                "insert into ops.ingest_offsets (topic_id, topic, partition, next_offset, writer)"
                " values (%s, %s, %s, %s, %s) on conflict (topic_id, partition) do update set retired = false,"
                " incarnation = ingest_offsets.incarnation + 1, next_offset = excluded.next_offset",
                [state.topic_id, topic, number, low, by],
            )
        done = f"topic id {state.topic_id} is read from its start"
    elif mismatch.reason == "partitions_missing":
        connection.execute(
            "update ops.ingest_offsets set retired = true where topic = %s and partition >= %s",
            [topic, state.partitions],
        )
        done = f"partitions from {state.partitions} on are given up"
    else:
        assert partition is not None
        row = next(row for row in stored_positions(connection, topic) if row.partition == partition)
        low, _ = watermarks[partition]
        if mismatch.reason == "offsets_removed":
            _give_up(connection, topic, row, low, by)
            done = f"offsets {row.next_offset} to {low - 1} are given up; reading goes on at {low}"
        else:
            connection.execute(
                "update ops.ingest_offsets set incarnation = incarnation + 1, next_offset = %s, writer = %s"
                " where topic_id = %s and partition = %s",
                [low, by, row.topic_id, partition],
            )
            done = f"partition {partition} is read from its start at {low}"
    return Decision(mismatch.reason, topic, partition, done)


def _give_up(connection: Connection, topic: str, row: Stored, low: int, by: str) -> None:
    """Pass a gap: the ledger of batches shows it as a stretch of offsets without messages."""
    connection.execute(
        "insert into ops.ingest_batches (topic_id, topic, partition, incarnation, first_offset, next_offset, messages,"
        " landed, duplicates, dead, writer, started_at) values (%s, %s, %s, %s, %s, %s, 0, 0, 0, 0, %s, now())",
        [row.topic_id, topic, row.partition, row.incarnation, row.next_offset, low, by],
    )
    connection.execute(
        "update ops.ingest_offsets set next_offset = %s, writer = %s where topic_id = %s and partition = %s",
        [low, by, row.topic_id, row.partition],
    )
