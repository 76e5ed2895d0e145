"""Where Kafka and the warehouse disagree, ingestion halts and names the exact difference."""

from __future__ import annotations

import pytest
from confluent_kafka import TopicPartition

from shop_platform.ingest.halts import HaltError
from shop_platform.ingest.reader import PartitionReader
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view


@pytest.fixture
def read_web(shop):
    """A shop whose web topic was produced and ingested; gives its number of messages per partition."""
    LedgerProducer(shop.settings).send(page_view(n) for n in range(120))
    return ingest_until_end(shop.settings).by_subject["web"].next_offsets


def test_a_recreated_topic_halts(shop, read_web):
    admin = admin_client(shop.settings)
    admin.delete_topics(["shop.web"])["shop.web"].result(10)
    ensure_topics(shop.settings)
    LedgerProducer(shop.settings).send(page_view(n) for n in range(5))
    with pytest.raises(HaltError, match=r"shop\.web was recreated"):
        ingest_until_end(shop.settings)


def test_retention_that_passed_the_stored_offset_halts_with_the_exact_gap(shop, read_web):
    LedgerProducer(shop.settings).send(page_view(n) for n in range(120))
    end = read_web[0]
    admin = admin_client(shop.settings)
    for future in admin.delete_records([TopicPartition("shop.web", 0, end + 4)]).values():
        future.result(10)
    with pytest.raises(HaltError, match=rf"offsets {end} to {end + 3} \(4 messages\)"):
        ingest_until_end(shop.settings)


def test_a_log_that_ends_below_the_stored_offset_halts(shop, read_web):
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("update ops.ingest_offsets set next_offset = next_offset + 7 where topic = 'shop.web'")
    LedgerProducer(shop.settings).send([page_view(1)])
    with PartitionReader(shop.settings, ["shop.web"]) as reader:
        reader.assign_all()
        assert reader.positions == {} and len(reader.held) == len(read_web)
        assert all("the log ends at" in held.mismatch.message for held in reader.held.values())


def test_a_writer_that_was_overtaken_writes_nothing_and_goes_on_from_the_truth(shop, read_web):
    with PartitionReader(shop.settings, ["shop.web"]) as zombie:
        zombie.assign_all()
        LedgerProducer(shop.settings).send(page_view(n) for n in range(200, 260))
        ingest_until_end(shop.settings)
        landed = 0
        LedgerProducer(shop.settings, "later").send([page_view(999)])
        for _ in range(40):
            landed += sum(written.landed for written in zombie.step(1000, 0.1))
            if landed:
                break
    assert landed == 1
    with connect(shop.settings, Role.ADMIN) as admin:
        assert admin.execute("select count(*), count(distinct event_id) from raw.web").fetchone() == (181, 181)
