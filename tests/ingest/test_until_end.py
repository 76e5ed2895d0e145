"""Everything in Kafka lands once, and what is no event is kept as a dead letter."""

from __future__ import annotations

import datetime as dt
import json
import uuid

import pytest

from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, event, page_view


def query(settings, statement, role=Role.ADMIN):
    with connect(settings, role) as connection:
        return connection.execute(statement).fetchall()


def test_every_event_lands_once_with_its_envelope_typed_and_its_payload_whole(shop):
    sent = page_view(7)
    sent["data"]["a_new_field"] = {"deep": ["ü", "\\", "\t\n", 1.5]}
    LedgerProducer(shop.settings).send([sent])
    report = ingest_until_end(shop.settings)
    assert report.by_subject["web"].landed == 1 and report.messages == 1
    ((event_id, kind, subject, time, data),) = query(
        shop.settings, "select event_id, event_type, subject, event_time, data from raw.web"
    )
    assert (str(event_id), kind, subject, data) == (sent["id"], sent["type"], sent["subject"], sent["data"])
    assert time.isoformat() == "2026-03-01T09:00:00+00:00"


def test_a_second_run_lands_nothing_more(shop):
    LedgerProducer(shop.settings).send(page_view(n) for n in range(300))
    assert ingest_until_end(shop.settings).by_subject["web"].landed == 300
    assert ingest_until_end(shop.settings).messages == 0
    assert query(shop.settings, "select count(*), count(distinct event_id) from raw.web") == [(300, 300)]


def test_repetitions_land_once_whether_in_one_batch_or_in_a_later_one(shop):
    producer = LedgerProducer(shop.settings)
    events = [page_view(n) for n in range(50)]
    producer.send(events + events[:10])
    first = ingest_until_end(shop.settings).by_subject["web"]
    producer.send([*events[20:30], page_view(99)])
    second = ingest_until_end(shop.settings).by_subject["web"]
    assert (first.landed, first.duplicates, second.landed, second.duplicates) == (50, 10, 1, 10)
    assert reconcile(shop.settings).as_dict() | {"holds": True} == reconcile(shop.settings).as_dict()


def poison():
    good = page_view(1)
    yield b"", "empty"
    yield None, "empty"
    yield b"{", "not_json"
    yield b"\xff\xfe", "not_utf8"
    yield b"[1, 2]", "envelope_invalid"
    yield json.dumps(good | {"id": "no-uuid"}).encode(), "envelope_invalid"
    yield json.dumps(good | {"type": "shop.web.page_viewed.v99"}).encode(), "unknown_version"
    yield json.dumps(good | {"type": "something.else"}).encode(), "unknown_type"
    yield json.dumps(good | {"type": "shop.order.paid.v1"}).encode(), "wrong_topic"
    yield json.dumps(good | {"subject": "other"}).encode(), "subject_mismatch"
    yield json.dumps(good | {"time": "2099-01-01T00:00:00Z"}).encode(), "time_implausible"
    yield json.dumps(good | {"data": {"session_id": 1}}).encode(), "data_invalid"
    yield json.dumps(good | {"data": good["data"] | {"x": "a\x00b"}}).encode(), "forbidden_character"
    yield json.dumps(good | {"data": good["data"] | {"page": "x" * 1_020_000}}).encode(), "too_large"
    # Valid by the contract, but no PostgreSQL number: only the database can tell.
    text = json.dumps(good | {"id": str(uuid.uuid4())})
    yield text.replace('"page_type"', '"huge": 1e400000, "page_type"').encode(), "database_rejected"


@pytest.mark.parametrize(
    ("value", "error_class"), list(poison()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_poison_becomes_a_dead_letter_and_its_neighbours_land(shop, value, error_class):
    producer = LedgerProducer(shop.settings)
    before, after = page_view(2), page_view(3)
    poisoned = str(uuid.uuid4())
    for content, event_id in (
        (json.dumps(before).encode(), before["id"]),
        (value, poisoned),
        (json.dumps(after).encode(), after["id"]),
    ):
        producer.send_raw("shop.web", content, event_id, partition=0)
    producer.flush()
    report = ingest_until_end(shop.settings).by_subject["web"]
    assert (report.landed, report.dead) == (2, 1)
    ((found, raw, attributed, offset),) = query(
        shop.settings, 'select error_class, message_value, event_id, "offset" from ops.dead_letters'
    )
    assert (found, raw, str(attributed), offset) == (error_class, value, poisoned, 1)
    outcome = reconcile(shop.settings)
    assert outcome.holds and (outcome.landed, outcome.dead_lettered) == (2, 1)


def test_reconciliation_sees_a_lost_row_and_a_row_that_nobody_sent(shop):
    LedgerProducer(shop.settings).send(page_view(n) for n in range(20))
    ingest_until_end(shop.settings)
    assert reconcile(shop.settings).holds
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("delete from raw.web where event_id in (select event_id from raw.web limit 3)")
    broken = reconcile(shop.settings)
    assert not broken.holds and broken.missing == 3
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into raw.web"
            " (event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset)"
            " values (gen_random_uuid(), 't', '/shop/test', 's', now(), '{}', 0, 0)"
        )
    assert reconcile(shop.settings).unexpected == 1


def test_events_still_in_kafka_are_in_flight_and_not_missing(shop):
    producer = LedgerProducer(shop.settings)
    producer.send(page_view(n) for n in range(10))
    ingest_until_end(shop.settings)
    producer.send(page_view(n) for n in range(5))
    outcome = reconcile(shop.settings)
    assert outcome.holds and outcome.in_flight == 5 and outcome.produced == 10


def test_rows_and_offsets_commit_together_or_not_at_all(shop):
    """A refused ledger row (the last statements of the transaction) must take the rows back with it."""
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("alter table ops.ingest_batches add constraint refuse check (messages < 0) not valid")
    LedgerProducer(shop.settings).send([page_view(1)])
    with pytest.raises(Exception, match="refuse"):
        ingest_until_end(shop.settings)
    assert query(shop.settings, "select count(*) from raw.web") == [(0,)]
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("alter table ops.ingest_batches drop constraint refuse")
    assert ingest_until_end(shop.settings).by_subject["web"].landed == 1


def test_a_malformed_header_is_kept_as_hexadecimal(shop):
    from confluent_kafka import Producer

    producer = Producer(shop.settings.kafka_client())
    producer.produce("shop.web", b"{", headers=[("ce_id", b"\xff\x00"), ("plain", "text")])
    producer.flush(10)
    ingest_until_end(shop.settings)
    assert query(shop.settings, "select headers, event_id from ops.dead_letters") == [
        ([["ce_id", {"hex": "ff00"}], ["plain", "text"]], None)
    ]


def test_only_asked_subjects_are_read(shop):
    producer = LedgerProducer(shop.settings)
    producer.send([page_view(1), event("shop.customer.erased.v1", "cus_1", {"customer_id": "cus_1", "reason": "gdpr"})])
    report = ingest_until_end(shop.settings, subjects=["customers"])
    assert set(report.by_subject) == {"customers"} and report.messages == 1
    assert ingest_until_end(shop.settings).by_subject["web"].landed == 1


def test_every_hour_of_the_ledger_counts_what_is_there_also_for_events_of_1970_and_times_nobody_can_read(shop):
    producer = LedgerProducer(shop.settings)
    wide = shop.settings.model_copy(update={"event_time_earliest": dt.date(1970, 1, 1), "shop_tz": "UTC"})
    old = page_view(1) | {"time": "1970-01-01T00:30:00Z"}
    good = page_view(2)
    huge = json.dumps(good | {"id": str(uuid.uuid4())}).replace('"page_type"', '"huge": 1e400000, "page_type"')
    from confluent_kafka import Producer

    plain = Producer(shop.settings.kafka_client())
    for value in (json.dumps(old), json.dumps(good), huge, "{"):  # without the header that tells the time
        plain.produce("shop.web", value.encode(), partition=0)
    assert plain.flush(10) == 0
    producer.flush()
    ingest_until_end(wide)
    rows = query(
        shop.settings,
        "select extract(epoch from event_hour)::bigint / 3600, landed, dead from ops.ingest_hours"
        " order by 1 nulls last",
    )
    nine = int(dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC).timestamp()) // 3600
    assert rows == [(0, 1, 0), (nine, 1, 1), (None, 0, 1)]
