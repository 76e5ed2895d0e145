"""What is acknowledged survives: SIGKILL while producing, torn tails, restarts in the middle of everything."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from broker_clients import PATIENCE, Client, record_batch, wait_until
from confluent_kafka import TopicPartition
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kio.records.readers import read_batch

from shop_platform.local.broker.errors import StartError
from shop_platform.local.broker.partition import PartitionLog
from shop_platform.local.broker.process import start_broker_process
from shop_platform.local.broker.segment import Segment
from shop_platform.local.broker.topic_config import TopicConfig
from shop_platform.local.ports import any_free

pytestmark = pytest.mark.usefixtures("own_servers")

CONFIG = TopicConfig.of({})
SMALL_SEGMENTS = TopicConfig.of({"segment.bytes": "2000"})


def append(log: PartitionLog, *values: bytes, **producer: int) -> int:
    ticket = log.append(record_batch(list(values), **producer))
    log.wait_durable(ticket)
    return ticket.base_offset


def read_all(log: PartitionLog) -> list[bytes]:
    """The values of every readable record, in order, with their offsets checked."""
    values: list[bytes] = []
    while (found := log.read(log.log_start + len(values), 1, at_least_one=True)) is not None:
        batch = found.segment.path.read_bytes()[found.position : found.position + found.length]
        decoded, _ = read_batch(batch, 0)
        assert decoded.base_offset == log.log_start + len(values)
        values += [record.value for record in decoded.records]
    return values


# ---------------------------------------------------------------- torn tails


def _written(folder: Path, batches: list[int]) -> tuple[Path, list[tuple[int, list[bytes]]]]:
    """A log of batches of so many records, closed by a crash; its file, and (end position, values so far) of each."""
    log, ends, values = PartitionLog(folder, CONFIG), [], []
    for i, count in enumerate(batches):
        values += (new := [f"{i}.{j}".encode() for j in range(count)])
        append(log, *new)
        ends.append((log.size, list(values)))
    return next(folder.glob("*.log")), ends


BATCHES = st.lists(st.integers(1, 5), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(batches=BATCHES, where=st.floats(0, 1), zeros=st.integers(0, 200))
@example(batches=[1], where=0.9921875, zeros=1)
def test_a_log_cut_anywhere_keeps_every_whole_batch_before_the_cut(
    batches: list[int], where: float, zeros: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ends = _written(Path(folder) / "t-0", batches)
        cut = int(where * ends[-1][0])
        whole = path.read_bytes()
        left = whole[:cut] + bytes(zeros)
        path.write_bytes(left)
        # A batch ends with a zero: what follows the cut may make it whole again.
        expected = next((values for end, values in reversed(ends) if left[:end] == whole[:end]), [])
        log = PartitionLog(path.parent, CONFIG)
        assert read_all(log) == expected
        assert append(log, b"next") == len(expected)
        assert read_all(PartitionLog(path.parent, CONFIG)) == [*expected, b"next"]


@settings(deadline=None, max_examples=60)
@given(batches=BATCHES, where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_log_with_a_damaged_byte_keeps_every_batch_before_it(batches: list[int], where: float, change: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ends = _written(Path(folder) / "t-0", batches)
        content = bytearray(path.read_bytes())
        at = int(where * len(content))
        content[at] ^= change
        path.write_bytes(content)
        batch_starts = [0, *(end for end, _ in ends)]
        hit = max(i for i, start in enumerate(batch_starts) if start <= at)
        in_leader_epoch = 12 <= at - batch_starts[hit] < 16  # neither checksummed nor used
        expected = ends[-1][1] if in_leader_epoch else (ends[hit - 1][1] if hit else [])
        assert read_all(PartitionLog(path.parent, CONFIG)) == expected


@settings(deadline=None, max_examples=30)
@given(batches=BATCHES, more=BATCHES, where=st.floats(0, 1))
def test_a_checkpoint_never_makes_up_for_a_cut(batches: list[int], more: list[int], where: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, ends = _written(Path(folder) / "t-0", batches)
        PartitionLog(path.parent, CONFIG).close()
        assert path.with_suffix(".index").exists()
        log = PartitionLog(path.parent, CONFIG)
        values = list(ends[-1][1])
        for count in more:
            values += (new := [b"more"] * count)
            append(log, *new)
            ends.append((log.size, list(values)))
        cut = int(where * ends[-1][0])
        path.write_bytes(path.read_bytes()[:cut])
        expected = next((values for end, values in reversed(ends) if end <= cut), [])
        assert read_all(PartitionLog(path.parent, CONFIG)) == expected


def test_a_damaged_checkpoint_is_ignored(tmp_path: Path) -> None:
    path, ends = _written(tmp_path / "t-0", [3, 2])
    PartitionLog(path.parent, CONFIG).close()
    index = path.with_suffix(".index")
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    assert read_all(PartitionLog(path.parent, CONFIG)) == ends[-1][1]


def test_a_checkpoint_spares_reading_the_log_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, ends = _written(tmp_path / "t-0", [3, 2])
    PartitionLog(path.parent, CONFIG).close()
    read: list[tuple[int, int]] = []
    original = Segment.recover
    monkeypatch.setattr(Segment, "recover", lambda s, a, b: read.append((a, b)) or original(s, a, b))
    PartitionLog(path.parent, CONFIG)
    assert read == [(ends[-1][0], ends[-1][0])]


# ---------------------------------------------------------------- segments


def test_many_segments_read_as_one_log_before_and_after_a_crash(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0", SMALL_SEGMENTS)
    values = [f"{i}".encode() * 50 for i in range(100)]
    for value in values:
        append(log, value)
    assert len(list(log.directory.glob("*.log"))) > 3
    assert read_all(log) == values
    assert read_all(PartitionLog(log.directory, SMALL_SEGMENTS)) == values
    for index in log.directory.glob("*.index"):
        index.unlink()
    assert read_all(PartitionLog(log.directory, SMALL_SEGMENTS)) == values


def test_a_hole_between_segments_is_refused_by_name(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0", SMALL_SEGMENTS)
    for i in range(100):
        append(log, f"{i}".encode() * 50)
    second = sorted(log.directory.glob("*.log"))[1]
    second.unlink()
    with pytest.raises(StartError, match="damaged or missing"):
        PartitionLog(log.directory, SMALL_SEGMENTS)


def test_a_failed_sync_is_not_acknowledged_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = PartitionLog(tmp_path / "t-0", CONFIG)
    append(log, b"kept", producer_id=7, epoch=0, sequence=0)
    real, failures = Segment.sync, [True]

    def failing(segment: Segment) -> None:
        if failures:
            failures.pop()
            raise OSError(5, "Input/output error")
        real(segment)

    monkeypatch.setattr(Segment, "sync", failing)
    tickets = [log.append(record_batch([b"lost"], producer_id=7, epoch=0, sequence=s)) for s in (1, 2)]
    for ticket in tickets:
        with pytest.raises(Exception, match="log c"):
            log.wait_durable(ticket)
    assert read_all(log) == [b"kept"]
    assert append(log, b"again", producer_id=7, epoch=0, sequence=1) == 1
    assert read_all(PartitionLog(log.directory, CONFIG)) == [b"kept", b"again"]


@pytest.mark.parametrize("clean", [True, False])
def test_a_batch_resent_after_a_restart_is_stored_once(tmp_path: Path, clean: bool) -> None:
    log = PartitionLog(tmp_path / "t-0", SMALL_SEGMENTS)
    for sequence in range(40):
        append(log, b"x" * 100, producer_id=7, epoch=0, sequence=sequence)
    if clean:
        log.close()
    again = PartitionLog(log.directory, SMALL_SEGMENTS)
    assert append(again, b"x" * 100, producer_id=7, epoch=0, sequence=39) == 39
    assert append(again, b"y", producer_id=7, epoch=0, sequence=40) == 40
    assert len(read_all(again)) == 41


# ---------------------------------------------------------------- the whole broker


def test_a_killed_broker_keeps_every_acknowledged_record_once(tmp_path: Path) -> None:
    acknowledged: list[tuple[int, bytes]] = []
    sent = 0

    def on_delivery(error: Any, message: Any) -> None:
        assert error is None, error
        acknowledged.append((message.partition(), message.value()))

    broker = start_broker_process(tmp_path / "data", any_free())
    with Client(broker.bootstrap) as client:
        topic = client.create(partitions=3, config={"segment.bytes": "1048576"})
        patient = {"message.timeout.ms": 120_000, "retry.backoff.ms": 20, "reconnect.backoff.ms": 20}
        producer = client.producer(**patient, **{"batch.size": 100_000})
        for _ in range(5):
            before, enough = len(acknowledged), random.randint(500, 4000)
            while len(acknowledged) < before + enough:
                for _ in range(200 if len(producer) < 20_000 else 0):
                    producer.produce(topic, f"{sent:08d}".encode() * 40, partition=sent % 3, on_delivery=on_delivery)
                    sent += 1
                producer.poll(0.001)
            broker.kill()
            broker = start_broker_process(tmp_path / "data", broker.port)
        assert producer.flush(60) == 0
        try:
            read = {p: [m.value() for m in client.read(topic, client.watermarks(topic, p)[1], p)] for p in range(3)}
        finally:
            broker.stop()
    assert len(acknowledged) == sent
    assert len(list((tmp_path / "data").glob(f"{topic}-0/*.log"))) > 1
    for partition, values in read.items():
        assert values == [value for p, value in acknowledged if p == partition]


def test_what_a_killed_broker_knew_it_knows_again(tmp_path: Path) -> None:
    first = start_broker_process(tmp_path / "data")
    with Client(first.bootstrap) as client:
        topic = client.create(partitions=2, config={"max.message.bytes": "5000"})
        doomed = client.create()
        client.produce(topic, [{"value": b"x", "partition": 1}] * 10)
        cut = TopicPartition(topic, 1, 4)
        client.admin.delete_records([cut])[cut].result(PATIENCE)
        client.consumer("readers").commit(offsets=[TopicPartition(topic, 1, 6)], asynchronous=False)
        client.delete(doomed)
        topic_id, cluster = client.topic_id(topic), client.admin.describe_cluster().result(PATIENCE).cluster_id
    first.kill()
    with start_broker_process(tmp_path / "data") as second, Client(second.bootstrap) as client:
        assert client.topic_id(topic) == topic_id
        assert client.admin.describe_cluster().result(PATIENCE).cluster_id == cluster
        assert set(client.admin.list_topics(timeout=PATIENCE).topics) == {topic}
        assert client.watermarks(topic, 1) == (4, 10)
        assert client.consumer("readers").committed([TopicPartition(topic, 1)], timeout=PATIENCE)[0].offset == 6
        assert client.read(topic, 6, 1, offset=4)[0].offset() == 4


def test_a_group_goes_on_after_a_restart_of_the_broker(tmp_path: Path) -> None:
    broker = start_broker_process(tmp_path / "data", any_free())
    with Client(broker.bootstrap) as client:
        topic = client.create()
        client.produce(topic, [{"value": b"before"}])
        consumer = client.consumer(
            "readers",
            **{"auto.offset.reset": "earliest", "heartbeat.interval.ms": 200, "reconnect.backoff.max.ms": 200},
        )
        consumer.subscribe([topic])
        wait_until(lambda: (m := consumer.poll(0.1)) and m.value() == b"before", "the first record")
        consumer.commit(asynchronous=False)
        broker.kill()
        broker = start_broker_process(tmp_path / "data", broker.port)
        try:
            client.produce(topic, [{"value": b"after"}])
            seen: list[bytes] = []

            def read() -> bool:
                message = consumer.poll(0.1)
                if message is not None and not message.error():
                    seen.append(message.value())
                return b"after" in seen

            wait_until(read, "the next record")
            assert seen == [b"after"]
            wait_until(lambda: _commits(consumer), "a commit in the new membership")
            consumer.close()
        finally:
            broker.stop()


def _commits(consumer: Any) -> bool:
    try:
        return consumer.commit(asynchronous=False)[0].offset == 2
    except Exception:
        consumer.poll(0.1)
        return False


def test_folders_of_a_creation_or_deletion_cut_short_are_swept(tmp_path: Path) -> None:
    with start_broker_process(tmp_path / "data") as broker, Client(broker.bootstrap) as client:
        topic = client.create()
    stale = tmp_path / "data" / "half-made-0"
    stale.mkdir()
    (stale / f"{0:020d}.log").write_bytes(record_batch([b"stale"]))
    foreign = tmp_path / "data" / "notes-1"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("mine")
    with start_broker_process(tmp_path / "data") as broker, Client(broker.bootstrap) as client:
        assert not stale.exists()
        assert (foreign / "diary.txt").exists()
        client.create("half-made")
        assert client.watermarks("half-made") == (0, 0)
        assert client.watermarks(topic) == (0, 0)


def test_a_start_after_a_crash_reads_only_what_came_after_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = PartitionLog(tmp_path / "t-0", CONFIG)
    for _ in range(50):
        append(log, b"x" * 900_000)
    read: list[int] = []
    original = Segment.recover
    monkeypatch.setattr(Segment, "recover", lambda s, a, b: read.append(b - a) or original(s, a, b))
    assert PartitionLog(log.directory, CONFIG).high_watermark == 50
    assert sum(read) < 33 * 1024 * 1024 < log.size
