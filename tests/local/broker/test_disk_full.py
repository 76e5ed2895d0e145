"""A disk that is full: an error to the producer, nothing half-written, reads go on, and writing again when it can."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from broker_clients import PATIENCE, Client, record_batch
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from kio.schema.errors import ErrorCode
from test_broker_wire import produce

from shop_platform.local.broker.process import BrokerProcess, start_broker_process
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.usefixtures("own_servers")


@dataclass
class FullableDisk:
    """A broker whose disk the test can fill and free."""

    broker: BrokerProcess
    data: Path
    fill: Callable[[], None]
    free: Callable[[], None]


@contextlib.contextmanager
def limited_file_size(folder: Path) -> Iterator[FullableDisk]:
    """Any user: no file of the broker may grow beyond 100 kB."""
    with start_broker_process(folder / "data", log_path=folder / "broker.log") as broker:
        unlimited = resource.prlimit(broker.pid, resource.RLIMIT_FSIZE)
        yield FullableDisk(
            broker,
            folder / "data",
            fill=lambda: resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (100_000, unlimited[1])) and None,
            free=lambda: resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, unlimited) and None,
        )


@contextlib.contextmanager
def small_file_system(folder: Path) -> Iterator[FullableDisk]:
    """Root only: a file system of 4 MB, filled by another file."""
    mounted = folder / "small"
    mounted.mkdir()
    with (
        small_disk(mounted, "4m") as disk,
        start_broker_process(mounted / "data", log_path=folder / "broker.log") as broker,
    ):
        yield FullableDisk(broker, mounted / "data", disk.fill, disk.free)


@pytest.fixture(params=[limited_file_size, pytest.param(small_file_system, marks=pytest.mark.mount)])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FullableDisk]:
    with request.param(tmp_path) as made:
        yield made


def test_a_full_disk_refuses_records_and_takes_them_again_when_there_is_room(disk: FullableDisk) -> None:
    batch = record_batch([b"x" * 30_000])
    with Client(disk.broker.bootstrap) as client:
        topic, raw = client.create(), client.raw()
        kept = sum(produce(raw, topic, batch).error_code is ErrorCode.none for _ in range(2))
        disk.fill()
        answers = [produce(raw, topic, batch).error_code for _ in range(10)]
        kept += answers.count(ErrorCode.none)
        assert set(answers) <= {ErrorCode.none, ErrorCode.kafka_storage_error}
        assert answers[-1] is ErrorCode.kafka_storage_error
        assert client.watermarks(topic) == (0, kept)
        assert len(client.read(topic, kept)) == kept
        disk.free()
        assert produce(raw, topic, batch).base_offset == kept
        assert len(client.read(topic, kept + 1)) == kept + 1
    disk.broker.kill()
    with start_broker_process(disk.data) as again, Client(again.bootstrap) as client:
        assert client.watermarks(topic) == (0, kept + 1)
        assert len(client.read(topic, kept + 1)) == kept + 1


def test_an_idempotent_producer_outlasts_a_full_disk_without_loss_or_duplicates(disk: FullableDisk) -> None:
    with Client(disk.broker.bootstrap) as client:
        topic = client.create()
        producer, done = client.producer(**{"batch.size": 20_000, "retry.backoff.ms": 50}), []
        disk.fill()
        values = [f"{i:05d}".encode() * 200 for i in range(500)]
        for value in values:
            producer.produce(topic, value, on_delivery=lambda error, _: done.append(error))
        producer.flush(1.0)
        assert len(done) < len(values)
        disk.free()
        assert producer.flush(PATIENCE) == 0
        assert done == [None] * len(values)
        assert [m.value() for m in client.read(topic, len(values))] == values


def test_topics_and_offsets_survive_a_full_disk(tmp_path: Path) -> None:
    with small_file_system(tmp_path) as disk, Client(disk.broker.bootstrap) as client:
        topic = client.create()
        partition = TopicPartition(topic, 0, 1)
        client.consumer("readers").commit(offsets=[partition], asynchronous=False)
        disk.fill()
        with pytest.raises(KafkaException) as excinfo:
            client.create("another", partitions=50)
        assert excinfo.value.args[0].code() == KafkaError.KAFKA_STORAGE_ERROR
        assert set(client.admin.list_topics(timeout=PATIENCE).topics) == {topic}
        disk.free()
        client.create("another", partitions=50)
        assert client.consumer("readers").committed([partition], timeout=PATIENCE)[0].offset == 1
