"""Every hour of event time adds up, whatever the producer did; what is missing is named with its hour."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka import Producer

from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import Selection
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import START, LedgerProducer, page_view

HOUR = dt.timedelta(hours=1)


def hours(shop, where: str = "true"):
    """Return the rows of the view as dictionaries, in order."""
    with connect(shop.settings, Role.GRAFANA) as connection:
        cursor = connection.execute(
            f"select * from ops.reconciliation where {where} order by topic, partition, event_hour".encode()
        )
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def total(rows, *names):
    return tuple(sum(row[name] or 0 for row in rows) for name in names)


def admin(shop, statement: str, parameters=None):
    with connect(shop.settings, Role.ADMIN) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else None


def at(number: int, time: dt.datetime):
    return page_view(number, time=time)


def test_every_hour_of_a_faulty_history_adds_up_read_or_not(shop):
    report = run_history(shop.settings, days=3, orders_per_day=60, seed=11)
    assert {"duplicate", "late", "out_of_order", "malformed", "unknown_version"} <= report.faults.keys()

    ingest_until_end(shop.settings, subjects=["orders", "web"])
    half = reconcile(shop.settings)
    assert half.holds and half.hours.holds
    rows = hours(shop)
    assert {row["difference"] for row in rows} == {0} and all(row["adds_up"] for row in rows)
    unread = [row for row in rows if row["in_kafka"]]
    assert {row["topic"] for row in unread}.isdisjoint({"shop.orders", "shop.web"}) and unread
    assert total(unread, "landed", "dead", "duplicates") == (0, 0, 0)
    assert total(rows, "produced")[0] == report.messages

    ingest_until_end(shop.settings)
    whole = reconcile(shop.settings)
    assert whole.holds and whole.hours.holds and len(whole.hours.counted) >= 6
    rows = hours(shop)
    assert len(rows) > 300 and {row["difference"] for row in rows} == {0}
    assert all(row["event_hour"] is not None and row["landed"] == row["noted"] for row in rows)
    assert total(rows, "produced", "in_kafka", "landed", "duplicates", "dead") == (
        *(report.messages, 0, whole.landed, report.faults["duplicate"]),
        report.faults["malformed"] + report.faults["unknown_version"],
    )
    assert total(rows, "late")[0] >= report.faults["late"] * 0.5


@pytest.mark.parametrize("with_ledger", [True, False])
def test_a_row_that_is_gone_shows_in_its_hour(shop, with_ledger):
    LedgerProducer(shop.settings).send(at(n, START + n % 3 * HOUR) for n in range(30))
    ingest_until_end(shop.settings)
    if not with_ledger:
        next((shop.settings.ledger_dir / "produced").glob("*.tsv")).unlink()
    assert reconcile(shop.settings).hours.holds
    ((partition,),) = admin(shop, "delete from raw.web where subject = 'ses_000004' returning kafka_partition")
    outcome = reconcile(shop.settings)
    (lost,) = outcome.hours.worst
    assert (lost.topic, lost.partition, lost.event_hour) == ("shop.web", partition, START + HOUR)
    assert (lost.difference, lost.noted - lost.landed) == (1, 1)
    assert (lost.produced is None) is not with_ledger
    assert lost.sentence().startswith(f"shop.web/{partition}, 2026-03-01 10:00 UTC: 1 missing")
    assert [row["event_hour"] for row in hours(shop, "not adds_up")] == [START + HOUR]
    assert admin(shop, "select hours_off from ops.reconciliations order by 1") == [(0,), (1,)]


def test_a_message_that_the_ingestion_never_counted_shows_although_both_ledgers_of_the_warehouse_agree(shop):
    LedgerProducer(shop.settings).send(at(n, START) for n in range(10))
    ingest_until_end(shop.settings)
    ((partition,),) = admin(shop, "delete from raw.web where subject = 'ses_000004' returning kafka_partition")
    admin(shop, "update ops.ingest_hours set landed = landed - 1 where partition = %s", [partition])
    (lost,) = reconcile(shop.settings).hours.worst
    assert (lost.partition, lost.difference, lost.noted - lost.landed) == (partition, 1, 0)
    LedgerProducer(shop.settings).send([at(99, START + 5 * HOUR)])
    next((shop.settings.ledger_dir / "produced").glob("*.tsv")).unlink()
    assert reconcile(shop.settings).hours.holds, "without a producer's ledger nobody can know"


def test_late_events_and_repetitions_count_in_their_own_hour(shop):
    producer = LedgerProducer(shop.settings)
    first = at(1, START)
    producer.send([first, at(1, START + 6 * HOUR)])
    ingest_until_end(shop.settings)
    producer.send([first, at(1, START + 2 * HOUR)])
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings).hours.holds
    found = {row["event_hour"]: (row["produced"], row["landed"], row["duplicates"], row["late"]) for row in hours(shop)}
    assert found == {START: (2, 1, 1, 1), START + 2 * HOUR: (1, 1, 0, 1), START + 6 * HOUR: (1, 1, 0, 0)}


def test_a_message_whose_time_nobody_can_read_counts_without_an_hour(shop):
    event_id = str(uuid.uuid4())
    ledger = shop.settings.ledger_dir / "produced" / "foreign.tsv"
    ledger.parent.mkdir(parents=True)

    def acknowledged(error, message):
        assert error is None
        ledger.write_text(f"{event_id}\tshop.web\t{message.partition()}\t{message.offset()}\t{START.isoformat()}\n")

    producer = Producer(shop.settings.kafka_client())
    producer.produce("shop.web", b"\xff", headers=[("ce_id", event_id)], on_delivery=acknowledged)
    assert producer.flush(30) == 0
    ingest_until_end(shop.settings)
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds
    (row,) = hours(shop)
    assert (row["event_hour"], row["produced"], row["dead"], row["difference"]) == (None, 1, 1, 0)


def test_the_garbage_of_a_producer_without_a_ledger_is_no_loss(shop):
    producer = LedgerProducer(shop.settings)
    producer.send([page_view(1)])
    foreign = Producer({"bootstrap.servers": shop.settings.kafka_bootstrap})
    for number in range(30):
        foreign.produce("shop.web", b"\xff\xfegarbage %d" % number)
    assert foreign.flush(30) == 0
    ingest_until_end(shop.settings)
    found = reconcile(shop.settings)
    assert found.holds and found.unattributed_dead_letters == 30
    assert found.hours.holds, found.hours.worst


def test_a_replayed_letter_counts_where_its_event_happened(shop):
    """Its ledger line says 09:00; what could be read of it said 11:00; the person put 12:00 right."""
    producer = LedgerProducer(shop.settings)
    bad = at(1, START + 2 * HOUR)
    good = bad | {"time": "2026-03-01T12:30:00Z"}
    value = json.dumps(bad | {"data": {}}).encode()
    ledger = shop.settings.ledger_dir / "produced" / "test.tsv"
    producer.send_raw("shop.web", value, bad["id"], time=bad["time"])
    producer.send([at(2, START)])
    ledger.write_text(ledger.read_text().replace(bad["time"], START.isoformat()))
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings).hours.holds
    assert [(row["event_hour"], row["dead"]) for row in hours(shop, "dead > 0")] == [(START + 2 * HOUR, 1)]

    ((letter,),) = admin(shop, "select dead_letter_id from ops.dead_letters")
    fix_one(shop.settings, letter, json.dumps(good).encode(), actor="ada")
    assert reconcile(shop.settings).hours.holds
    assert replay(shop.settings, Selection(ids=(letter,)), actor="ada").landed == 1
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.hours.holds and (outcome.landed, outcome.dead_lettered) == (2, 0)
    found = {row["event_hour"]: (row["produced"], row["landed"], row["dead"]) for row in hours(shop)}
    assert found[START + 3 * HOUR] == (1, 1, 0)

    admin(shop, "delete from raw.web where event_id = %s", [bad["id"]])
    (lost,) = [hour for hour in reconcile(shop.settings).hours.worst if hour.difference]
    assert (lost.event_hour, lost.difference) == (START, 1), "nobody but the producer's ledger knows the hour now"


def test_half_a_line_of_the_ledger_waits_for_its_end(shop):
    LedgerProducer(shop.settings).send([at(1, START)])
    path = shop.settings.ledger_dir / "produced" / "test.tsv"
    with path.open("a") as file:
        file.write("0193")
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings).hours.holds
    assert total(hours(shop), "produced") == (1,)


def test_a_ledger_that_lost_lines_is_told_as_more_than_was_produced(shop):
    LedgerProducer(shop.settings).send(at(n, START) for n in range(4))
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings).hours.holds
    path = shop.settings.ledger_dir / "produced" / "test.tsv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    outcome = reconcile(shop.settings)
    (surplus,) = outcome.hours.worst
    assert surplus.difference == -1 and "1 more than there should be" in surplus.sentence()
    assert outcome.unexpected == 1
    assert total(hours(shop), "produced", "landed", "difference") == (3, 4, -1)


def test_only_hours_that_changed_are_written_and_two_at_once_take_turns(shop):
    LedgerProducer(shop.settings).send(at(1, START + n * HOUR) for n in range(5))
    ingest_until_end(shop.settings)
    reconcile(shop.settings)
    written = "select event_hour, xmin::text from ops.reconciliation_hours order by 1"
    before = dict(admin(shop, written))
    LedgerProducer(shop.settings).send([at(1, START + 4 * HOUR)])
    ingest_until_end(shop.settings)
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: reconcile(shop.settings), range(3)))
    assert all(outcome.hours.holds and outcome.landed == 6 for outcome in outcomes)
    after = dict(admin(shop, written))
    assert [hour for hour in after if after[hour] != before[hour]] == [START + 4 * HOUR]
    assert admin(shop, "select count(*) from ops.reconciliations") == [(4,)]


def test_a_look_that_is_not_recorded_writes_nothing(shop):
    LedgerProducer(shop.settings).send([at(1, START)])
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings, record=False).hours.holds
    assert hours(shop) == [] and admin(shop, "select count(*) from ops.reconciliations") == [(0,)]
