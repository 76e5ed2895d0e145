"""I1 and the hours stay true when offsets are given up, read again or used anew, and after an upgrade."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest
from confluent_kafka import TopicPartition

from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import Selection
from shop_platform.ingest.decisions import accept
from shop_platform.ingest.halts import HaltError
from shop_platform.ingest.topics import admin_client, ensure_topics
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.broker.process import start_broker_process
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import load
from shop_platform.warehouse.migrate import MIGRATIONS_DIR, migrate
from tests.conftest import Shop, Warehouse, _drop
from tests.operations.test_reconcile_hours import HOUR, START, admin, at, hours, total
from tests.support.events import LedgerProducer


def test_offsets_that_a_person_gave_up_are_shown_and_do_not_break_anything(shop):
    producer = LedgerProducer(shop.settings)
    producer.send(at(n, START) for n in range(20))
    end = ingest_until_end(shop.settings).by_subject["web"].next_offsets[0]
    producer.send(at(n, START) for n in range(100))
    kafka = admin_client(shop.settings)
    for future in kafka.delete_records([TopicPartition("shop.web", 0, end + 4)]).values():
        future.result(10)
    with pytest.raises(HaltError):
        ingest_until_end(shop.settings)
    waiting = reconcile(shop.settings)
    # The other partitions go on meanwhile.
    assert waiting.holds and waiting.given_up == 0 and 4 <= waiting.in_flight < 100
    assert waiting.landed + waiting.in_flight == 120

    accept(shop.settings, "shop.web", 0, by="ada", because="the test removed them")
    ingest_until_end(shop.settings)
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds
    assert (outcome.produced, outcome.given_up, outcome.missing, outcome.landed) == (120, 4, 0, 116)
    assert total(hours(shop), "produced", "given_up", "landed", "difference") == (120, 4, 116, 0)
    assert admin(shop, "select given_up, holds from ops.reconciliations order by reconciliation_id") == [
        (0, True),
        (4, True),
    ]
    admin(shop, "delete from raw.web where subject = 'ses_000007' and kafka_partition <> 0")
    admin(shop, "delete from raw.web where subject = 'ses_000007'")
    assert reconcile(shop.settings).missing == 2, "only what was given up is excused"


def test_a_log_that_is_read_again_from_its_start_neither_doubles_nor_loses_anything(shop):
    producer = LedgerProducer(shop.settings)
    producer.send(at(n, START) for n in range(40))
    producer.send_raw("shop.web", b"{", str(uuid.uuid4()), partition=0)
    producer.flush()
    ingest_until_end(shop.settings)
    # What `shop offsets accept` writes for a log that ends early.
    admin(shop, "update ops.ingest_offsets set incarnation = 1, next_offset = 0 where topic = 'shop.web'")
    unread = reconcile(shop.settings)
    assert unread.holds and unread.hours.holds and unread.in_flight == 0

    ingest_until_end(shop.settings)
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds
    assert (outcome.produced, outcome.landed, outcome.dead_lettered, outcome.duplicates) == (41, 40, 1, 40)
    assert total(hours(shop), "produced", "read_again", "landed", "duplicates", "dead") == (41, 41, 40, 40, 2)

    producer.send(at(n, START) for n in range(7))
    assert reconcile(shop.settings).in_flight == 7 and total(hours(shop), "in_kafka", "difference") == (7, 0)


def test_a_topic_that_was_made_anew_uses_the_same_offsets_for_other_messages(shop):
    producer = LedgerProducer(shop.settings, "one")
    producer.send(at(n, START) for n in range(60))
    ingest_until_end(shop.settings)
    kafka = admin_client(shop.settings)
    kafka.delete_topics(["shop.web"])["shop.web"].result(10)
    ensure_topics(shop.settings)
    LedgerProducer(shop.settings, "two").send(at(n, START) for n in range(100, 140))
    with pytest.raises(HaltError):
        ingest_until_end(shop.settings)
    accept(shop.settings, "shop.web", None, by="ada", because="the test made it anew")

    unread = reconcile(shop.settings)
    assert unread.holds and unread.hours.holds and (unread.landed, unread.in_flight) == (60, 40)
    assert total(hours(shop), "produced", "in_kafka", "landed") == (100, 40, 60)
    ingest_until_end(shop.settings)
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds and (outcome.produced, outcome.landed) == (100, 100)

    admin(shop, "update ops.ingest_batches set next_offset = next_offset + 1 where writer <> 'ada' and batch_id = 1")
    assert reconcile(shop.settings).offset_mismatches == 1, "a hole in an old incarnation counts too"


@pytest.fixture
def old_shop(postgres_server, tmp_path):
    """A shop whose warehouse has the migrations from before the ledger by hour was there (but for its empty table)."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for path in sorted(MIGRATIONS_DIR.glob("*.sql"))[:6]:
        shutil.copy(path, folder)
    name = f"shop_{uuid.uuid4().hex[:12]}"
    settings = load(
        pg_port=postgres_server.port, pg_database=name, dagster_database=f"dagster_{name}", data_dir=tmp_path / "data"
    )
    try:
        migrate(settings, folder)
        with start_broker_process(tmp_path / "broker") as broker:
            settings = settings.model_copy(
                update={"kafka_bootstrap": f"127.0.0.1:{broker.port}", "ingest_linger_ms": 50}
            )
            ensure_topics(settings)
            yield Shop(settings, postgres_server, broker)
    finally:
        _drop(Warehouse(settings, postgres_server))


TODAYS = """
create function ops.ensure_partitions() returns setof text language sql as 'select null::text where false';
create table ops.retractions (
    event_id uuid, topic text, event_type text, source text, subject text, event_time timestamptz, data jsonb,
    restored_at timestamptz
);
alter table ops.dead_letters add column source text;
create schema pii;
create table pii.personal_data (event_id uuid, event_type text, data jsonb);
grant usage on schema pii to shop_ingest;
grant select on ops.retractions, pii.personal_data to shop_ingest
"""


def test_an_upgrade_counts_what_was_there_without_an_hour(old_shop):
    producer = LedgerProducer(old_shop.settings)
    events = [at(n, START) for n in range(30)]
    producer.send(events + events[:5])
    producer.send_raw("shop.web", b"{", str(uuid.uuid4()))
    producer.flush()
    # Today's ingestion asks a warehouse of that time for what it does not have yet.
    admin(old_shop, TODAYS)
    ingest_until_end(old_shop.settings)
    admin(old_shop, "drop function ops.ensure_partitions(); drop table ops.retractions; drop schema pii cascade")
    admin(old_shop, "alter table ops.dead_letters drop column source")
    # As it was before there were hours, and a place for the time of a dead letter.
    admin(old_shop, "truncate ops.ingest_hours")
    admin(old_shop, "update ops.dead_letters set event_time = null")
    migrate(old_shop.settings)

    producer.send([*events[:2], at(99, START)])
    ingest_until_end(old_shop.settings)
    outcome = reconcile(old_shop.settings)
    assert outcome.holds and outcome.hours.holds and outcome.duplicates == 7
    columns = ("produced", "landed", "duplicates", "dead", "difference")
    assert total(hours(old_shop, "event_hour is null"), *columns) == (36, 30, 5, 1, 0)
    assert total(hours(old_shop, "event_hour is not null"), *columns) == (3, 1, 2, 0, 0)

    ((letter, event_id),) = admin(old_shop, "select dead_letter_id, event_id from ops.dead_letters")
    mended = at(7, START + 2 * HOUR) | {"id": str(event_id)}
    fix_one(old_shop.settings, letter, json.dumps(mended).encode(), actor="ada")
    assert replay(old_shop.settings, Selection(ids=(letter,)), actor="ada").landed == 1
    outcome = reconcile(old_shop.settings)
    assert outcome.holds and outcome.hours.holds and outcome.landed == 32
