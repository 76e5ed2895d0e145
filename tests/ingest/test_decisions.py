"""A halt is written down with its numbers; what a person accepts is carried out and kept with the reason."""

from __future__ import annotations

import json
import uuid

import pytest
from confluent_kafka import TopicPartition

from shop_platform.errors import ShopError
from shop_platform.ingest.decisions import accept
from shop_platform.ingest.halts import HaltError
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view
from tests.support.shell import shop_command

WEB = "shop.web"


def query(settings, statement):
    with connect(settings, Role.ADMIN) as admin:
        return admin.execute(statement).fetchall()


def halts(settings):
    return query(
        settings,
        "select reason, topic, partition, detail, resolved_by, resolved_because from ops.ingest_halts order by halt_id",
    )


@pytest.fixture
def read_web(shop):
    """A shop whose web topic was produced and ingested; gives the next offset per partition."""
    LedgerProducer(shop.settings).send(page_view(n) for n in range(120))
    return ingest_until_end(shop.settings).by_subject["web"].next_offsets


def lose(settings, partition, before):
    admin = admin_client(settings)
    for future in admin.delete_records([TopicPartition(WEB, partition, before)]).values():
        future.result(10)


def test_a_gap_is_told_once_with_its_offsets_and_passed_after_it_was_accepted(shop, read_web):
    LedgerProducer(shop.settings, "later").send(page_view(n) for n in range(120))
    end = read_web[0]
    lose(shop.settings, 0, end + 4)
    for _ in range(2):
        with pytest.raises(HaltError, match=r"shop offsets accept shop\.web --partition 0"):
            ingest_until_end(shop.settings)
    ((reason, topic, partition, detail, by, _),) = halts(shop.settings)
    assert (reason, topic, partition, by) == ("offsets_removed", WEB, 0, None)
    assert detail == {"first": end, "last": end + 3, "messages": 4}

    (decision,) = accept(shop.settings, WEB, 0, by="ada", because="the disk is gone")
    assert decision.reason == "offsets_removed"
    assert ingest_until_end(shop.settings).by_subject["web"].lag == 0
    assert halts(shop.settings)[0][4:] == ("ada", "the disk is gone")
    outcome = reconcile(shop.settings)
    assert outcome.offset_mismatches == 0 and outcome.landed == 236


def test_a_recreated_topic_is_read_from_its_start_after_it_was_accepted_and_doubles_nothing(shop, read_web):
    admin = admin_client(shop.settings)
    admin.delete_topics([WEB])[WEB].result(10)
    ensure_topics(shop.settings)
    again = [page_view(n) for n in range(30)]
    landed_before = query(shop.settings, "select event_id, event_time, data from raw.web limit 10")
    repeated = [page_view(1) | {"id": str(i), "subject": d["session_id"], "data": d} for i, _, d in landed_before]
    LedgerProducer(shop.settings, "second").send(again + repeated)
    with pytest.raises(HaltError, match="was recreated"):
        ingest_until_end(shop.settings)
    accept(shop.settings, WEB, None, by="ada", because="moved to a new cluster")
    report = ingest_until_end(shop.settings).by_subject["web"]
    assert (report.landed, report.duplicates, report.lag) == (30, 10, 0)
    assert query(shop.settings, "select count(*), count(distinct event_id) from raw.web") == [(150, 150)]
    assert [row[0] for row in halts(shop.settings)] == ["topic_recreated"]
    assert halts(shop.settings)[0][4] == "ada"


def test_a_log_that_lost_its_end_is_read_again_and_its_offsets_may_come_a_second_time(shop, read_web):
    with connect(shop.settings, Role.ADMIN) as admin:  # as if Kafka had forgotten the last seven
        admin.execute("update ops.ingest_offsets set next_offset = next_offset + 7 where topic = 'shop.web'")
    with pytest.raises(HaltError, match="the log ends at"):
        ingest_until_end(shop.settings)
    decisions = accept(shop.settings, WEB, None, by="ada", because="the broker lost its disk")
    assert {d.reason for d in decisions} == {"log_ends_early"} and len(decisions) == len(read_web)
    producer = LedgerProducer(shop.settings, "later")
    for number in range(6):
        producer.send_raw(WEB, b"{", str(uuid.uuid4()), partition=number)
    producer.send(page_view(n) for n in range(60))
    report = ingest_until_end(shop.settings).by_subject["web"]
    assert (report.landed, report.duplicates, report.dead, report.lag) == (60, 120, 6, 0)
    incarnations = "select distinct incarnation from ops.ingest_batches where topic = 'shop.web' order by 1"
    assert query(shop.settings, incarnations) == [(0,), (1,)]


def test_fewer_partitions_than_were_read_halt(shop, read_web):
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into ops.ingest_offsets (topic_id, topic, partition, next_offset, writer)"
            " select topic_id, topic, 6, 5, 'x' from ops.ingest_offsets where topic = 'shop.web' and partition = 0"
        )
    with pytest.raises(HaltError, match="has 6 partitions, but the warehouse has read partition 6"):
        ingest_until_end(shop.settings)
    accept(shop.settings, WEB, None, by="ada", because="test")
    assert ingest_until_end(shop.settings).by_subject["web"].lag == 0


def test_a_halt_is_closed_when_the_facts_have_mended_themselves(shop, read_web):
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("update ops.ingest_offsets set next_offset = next_offset + 7 where topic = 'shop.web'")
    with pytest.raises(HaltError):
        ingest_until_end(shop.settings)
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("update ops.ingest_offsets set next_offset = next_offset - 7 where topic = 'shop.web'")
    ingest_until_end(shop.settings)
    assert [row[5] for row in halts(shop.settings)] == ["Kafka and the warehouse agree again"] * len(read_web)


def test_nothing_is_accepted_that_is_not_there(shop, read_web):
    before = query(shop.settings, "select topic_id, partition, next_offset from ops.ingest_offsets order by 1, 2")
    for topic, because, message in (
        (WEB, "why not", "nothing to accept"),
        (WEB, "  ", "needs a reason"),
        ("shop.wep", "typo", "not a topic"),
    ):
        with pytest.raises(ShopError, match=message):
            accept(shop.settings, topic, None, by="ada", because=because)
    assert (
        query(shop.settings, "select topic_id, partition, next_offset from ops.ingest_offsets order by 1, 2") == before
    )


def test_the_command_lists_what_waits_and_accepts_it(shop, read_web):
    LedgerProducer(shop.settings, "later").send(page_view(n) for n in range(60))
    lose(shop.settings, 2, read_web[2] + 1)
    ingest = shop_command(shop.settings, "ingest", "--until-end")
    assert ingest.returncode == 3 and "were removed from Kafka" in ingest.stderr and "Traceback" not in ingest.stderr
    listed = shop_command(shop.settings, "offsets", "list", "--json")
    assert listed.returncode == 1
    (halt,) = json.loads(listed.stdout)["halts"]
    assert (halt["reason"], halt["partition"]) == ("offsets_removed", 2)
    assert "HALTED" in shop_command(shop.settings, "offsets", "list").stdout
    accepted = shop_command(shop.settings, "offsets", "accept", WEB, "--partition", "2", "--because", "test")
    assert accepted.returncode == 0 and "given up" in accepted.stdout, accepted.stderr
    assert shop_command(shop.settings, "ingest", "--until-end").returncode == 0
    assert shop_command(shop.settings, "offsets", "list").returncode == 0
