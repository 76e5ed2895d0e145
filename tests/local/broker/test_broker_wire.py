"""The contract below librdkafka: single requests, also such as no good client sends, to both brokers."""

from __future__ import annotations

import datetime as dt
import struct
import time
from typing import Any

import pytest
from broker_clients import PATIENCE, Client, RawClient, record_batch, wait_until
from kio.schema.errors import ErrorCode

PRODUCE, FETCH, LIST_OFFSETS, API_VERSIONS, INIT_PRODUCER_ID, JOIN_GROUP = 0, 1, 2, 18, 22, 11
HOUR_MS = 3_600_000


def ms(value: int) -> dt.timedelta:
    return dt.timedelta(milliseconds=value)


def produce_request(raw: RawClient, topic: str, records: bytes | None, *, acks: int = -1, partition: int = 0) -> Any:
    t = raw.types(PRODUCE, 9)
    data = t.PartitionProduceData(index=partition, records=records)
    return t.ProduceRequest(
        acks=acks, timeout=ms(5000), topic_data=(t.TopicProduceData(name=topic, partition_data=(data,)),)
    )


def produce(raw: RawClient, topic: str, records: bytes | None, **options: Any) -> Any:
    """The partition's part of the response."""
    return raw.ask(produce_request(raw, topic, records, **options)).responses[0].partition_responses[0]


def fetch(
    raw: RawClient,
    topic: str,
    offsets: dict[int, int],
    *,
    max_wait: int = 0,
    min_bytes: int = 0,
    max_bytes: int = 2**31 - 1,
    partition_max_bytes: int = 2**31 - 1,
) -> dict[int, Any]:
    """Partition -> its part of the response."""
    t = raw.types(FETCH, 12)
    partitions = tuple(
        t.FetchPartition(partition=p, fetch_offset=at, partition_max_bytes=partition_max_bytes)
        for p, at in offsets.items()
    )
    request = t.FetchRequest(
        replica_id=-1,
        max_wait=ms(max_wait),
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        topics=(t.FetchTopic(topic=topic, partitions=partitions),),
        forgotten_topics_data=(),
    )
    [answer] = raw.ask(request).responses
    return {p.partition_index: p for p in answer.partitions}


@pytest.fixture
def topic(client: Client) -> str:
    return client.create(partitions=2)


@pytest.fixture
def raw(client: Client) -> RawClient:
    return client.raw()


# ---------------------------------------------------------------- produce


def test_a_batch_gets_the_next_offsets(raw: RawClient, topic: str) -> None:
    assert [produce(raw, topic, record_batch([b"a", b"b", b"c"])).base_offset for _ in range(3)] == [0, 3, 6]


def test_an_acknowledged_batch_is_readable_byte_for_byte_but_for_offset_and_epoch(raw: RawClient, topic: str) -> None:
    produce(raw, topic, record_batch([b"first"]))
    batch = record_batch([b"a", b"b"])
    produce(raw, topic, batch)
    stored = fetch(raw, topic, {0: 1})[0].records
    assert stored == struct.pack(">qii", 1, len(batch) - 12, 0) + batch[16:]


def producer_id(raw: RawClient) -> int:
    t = raw.types(INIT_PRODUCER_ID, 4)

    def answer() -> Any:  # Kafka loads its coordinator on first use
        got = raw.ask(t.InitProducerIdRequest(transactional_id=None, transaction_timeout=ms(60_000)))
        return got if got.error_code is ErrorCode.none else None

    got = wait_until(answer, "a producer id")
    assert got.producer_epoch == 0
    return got.producer_id


def test_producer_ids_are_never_given_twice(raw: RawClient) -> None:
    assert len({producer_id(raw) for _ in range(20)}) == 20


def test_a_resent_batch_is_stored_once_and_acknowledged_with_its_offset(raw: RawClient, topic: str) -> None:
    pid = producer_id(raw)
    batches = [record_batch([b"x"] * 2, producer_id=pid, epoch=0, sequence=2 * i) for i in range(5)]
    assert [produce(raw, topic, b).base_offset for b in batches] == [0, 2, 4, 6, 8]
    for batch, offset in zip(batches, [0, 2, 4, 6, 8], strict=True):
        again = produce(raw, topic, batch)
        assert (again.error_code, again.base_offset) == (ErrorCode.none, offset)
    assert fetch(raw, topic, {0: 10})[0].high_watermark == 10


def test_a_gap_in_a_producers_sequence_is_refused_and_the_right_one_still_taken(raw: RawClient, topic: str) -> None:
    pid = producer_id(raw)
    produce(raw, topic, record_batch([b"x"], producer_id=pid, epoch=0, sequence=0))
    gap = produce(raw, topic, record_batch([b"x"], producer_id=pid, epoch=0, sequence=2))
    assert gap.error_code is ErrorCode.out_of_order_sequence_number
    right = produce(raw, topic, record_batch([b"x"], producer_id=pid, epoch=0, sequence=1))
    assert (right.error_code, right.base_offset) == (ErrorCode.none, 1)


def test_an_older_epoch_of_a_producer_is_fenced(raw: RawClient, topic: str) -> None:
    pid = producer_id(raw)
    produce(raw, topic, record_batch([b"x"], producer_id=pid, epoch=1, sequence=0))
    old = produce(raw, topic, record_batch([b"x"], producer_id=pid, epoch=0, sequence=1))
    assert old.error_code is ErrorCode.invalid_producer_epoch


def flipped(batch: bytes, at: int) -> bytes:
    return batch[:at] + bytes([batch[at] ^ 0xFF]) + batch[at + 1 :]


GOOD = record_batch([b"some value"])


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (flipped(GOOD, len(GOOD) - 3), ErrorCode.corrupt_message),
        (flipped(GOOD, 18), ErrorCode.corrupt_message),
        (GOOD[:-5], ErrorCode.invalid_record),
        (GOOD[:30], ErrorCode.invalid_record),
        (b"", ErrorCode.invalid_record),
        (GOOD[:16] + b"\x01" + GOOD[17:], ErrorCode.invalid_record),
        (GOOD + GOOD, ErrorCode.invalid_record),
        (
            record_batch([b"x"], timestamp=int(time.time() * 1000) + 30 * HOUR_MS),
            ErrorCode.invalid_timestamp,
        ),
    ],
    ids=["damaged-value", "damaged-crc", "cut-off", "half-a-header", "empty", "old-magic", "two-batches", "future"],
)
def test_a_bad_batch_is_refused_and_leaves_nothing(
    client: Client, raw: RawClient, topic: str, records: bytes, code: ErrorCode
) -> None:
    assert produce(raw, topic, records).error_code is code
    another = client.raw()
    assert fetch(another, topic, {0: 0})[0].high_watermark == 0
    assert produce(another, topic, record_batch([b"fine"])).base_offset == 0


def test_an_unknown_partition_and_impossible_acks_are_refused(raw: RawClient, topic: str) -> None:
    assert produce(raw, topic, GOOD, partition=7).error_code is ErrorCode.unknown_topic_or_partition
    assert produce(raw, "no-such-topic", GOOD).error_code is ErrorCode.unknown_topic_or_partition
    assert produce(raw, topic, GOOD, acks=5).error_code is ErrorCode.invalid_required_acks


def test_nothing_is_answered_to_a_produce_without_acks(client: Client, raw: RawClient, topic: str) -> None:
    raw.send(produce_request(raw, topic, GOOD, acks=0))
    assert produce(raw, topic, GOOD).base_offset == 1  # the next answer belongs to the next request


# ---------------------------------------------------------------- fetch


def test_a_fetch_stays_within_its_limits(raw: RawClient, topic: str) -> None:
    for partition in (0, 1):
        for _ in range(10):
            produce(raw, topic, record_batch([b"x" * 1000]), partition=partition)
    size = len(record_batch([b"x" * 1000]))
    offsets = {0: 0, 1: 0}

    def sizes(**limits: int) -> list[int]:
        return [len(p.records or b"") for p in fetch(raw, topic, offsets, **limits).values()]

    assert sizes() == [10 * size, 10 * size]
    limited = sizes(partition_max_bytes=3 * size)
    assert all(size <= got <= 3 * size for got in limited)
    assert sum(sizes(max_bytes=4 * size)) <= 4 * size
    assert sizes(max_bytes=12 * size)[0] == 10 * size


def test_the_first_batch_is_given_whole_even_if_it_is_larger_than_the_limit(raw: RawClient, topic: str) -> None:
    batch = record_batch([b"x" * 5000])
    for partition in (0, 1):
        produce(raw, topic, batch, partition=partition)
    got = fetch(raw, topic, {0: 0, 1: 0}, max_bytes=100, partition_max_bytes=100)
    assert [len(got[p].records or b"") for p in (0, 1)] == [len(batch), 0]


def test_a_fetch_at_the_end_waits_as_long_as_it_was_told(raw: RawClient, topic: str) -> None:
    started = time.monotonic()
    assert not fetch(raw, topic, {0: 0}, max_wait=400, min_bytes=1)[0].records
    assert time.monotonic() - started >= 0.39


def test_a_waiting_fetch_is_answered_as_soon_as_there_is_enough(client: Client, raw: RawClient, topic: str) -> None:
    t = raw.types(FETCH, 12)
    partitions = tuple(t.FetchPartition(partition=p, fetch_offset=0, partition_max_bytes=10**6) for p in (0, 1))
    request = t.FetchRequest(
        replica_id=-1,
        max_wait=ms(int(PATIENCE * 900)),
        min_bytes=len(GOOD) + 1,
        topics=(t.FetchTopic(topic=topic, partitions=partitions),),
        forgotten_topics_data=(),
    )
    raw.send(request)
    writer = client.raw()
    produce(writer, topic, GOOD)
    raw.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        raw.socket.recv(1)
    raw.socket.settimeout(PATIENCE)
    started = time.monotonic()
    produce(writer, topic, GOOD, partition=1)
    assert raw.receive_frame() is not None
    assert time.monotonic() - started < PATIENCE / 2


def test_a_fetch_outside_the_log_says_so_at_once(raw: RawClient, topic: str) -> None:
    produce(raw, topic, GOOD)
    for offset in (-1, 2):
        got = fetch(raw, topic, {0: offset}, max_wait=10_000, min_bytes=1)[0]
        assert got.error_code is ErrorCode.offset_out_of_range
    assert fetch(raw, topic, {5: 0}, max_wait=10_000, min_bytes=1)[5].error_code is (
        ErrorCode.unknown_topic_or_partition
    )


# ---------------------------------------------------------------- versions and rubbish


def test_an_unknown_version_of_api_versions_is_answered_in_the_oldest_form(raw: RawClient) -> None:
    raw.send_frame(struct.pack(">hhihb", API_VERSIONS, 99, 7, -1, 0))
    frame = raw.receive_frame()
    assert frame is not None
    correlation_id, error = struct.unpack_from(">ih", frame)
    assert (correlation_id, error) == (7, ErrorCode.unsupported_version)


@pytest.mark.parametrize(
    "frame",
    [
        struct.pack(">hhih", PRODUCE, 99, 1, -1),
        struct.pack(">hhih", 999, 0, 1, -1),
        struct.pack(">hhih", FETCH, 12, 1, -1) + b"\xff" * 40,
        struct.pack(">hhih", JOIN_GROUP, 5, 1, 30000) + b"x",
        b"\x00" * 8,
    ],
    ids=["unknown-version", "unknown-api", "garbage", "cut-off", "zeros"],
)
def test_a_request_that_makes_no_sense_closes_its_connection_only(client: Client, raw: RawClient, frame: bytes) -> None:
    raw.send_frame(frame)
    assert raw.receive_frame() is None
    assert client.admin.list_topics(timeout=PATIENCE).brokers


def test_an_impossible_frame_length_closes_the_connection(client: Client, raw: RawClient) -> None:
    raw.socket.sendall(struct.pack(">i", -5) + b"xxxx")
    assert raw.receive_frame() is None
    assert client.admin.list_topics(timeout=PATIENCE).brokers
