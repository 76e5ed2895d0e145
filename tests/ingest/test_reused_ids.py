"""An id that comes again with other content is a dead letter; with the same content it is a repetition."""

from __future__ import annotations

import json

from shop_platform.dead_letters.edits import read_edits
from shop_platform.dead_letters.fix import fix_many
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, event, page_view

ME = "test@desk"


def query(settings, statement):
    with connect(settings, Role.ADMIN) as connection:
        return connection.execute(statement).fetchall()


def customer(**data):
    address = {"street": "Lindenstr. 4", "postal_code": "1", "city": "Berlin", "country": "DE"}
    whole = {
        "customer_id": "cus_1", "email": "eva@example.com", "first_name": "Eva", "last_name": "Muster",
        "address": address, "locale": "de-DE", "marketing_consent": False, "acquisition_channel": "unknown",
    } | data  # fmt: skip
    return event("shop.customer.created.v1", "cus_1", whole)


def order():
    line = {"line_number": 1, "product_id": "p", "sku": "p", "quantity": 1, "discount": "0.00", "tax": "1.90"}
    amounts = {"subtotal": "10.00", "discount": "0.00", "shipping": "0.00", "tax": "1.90", "total": "11.90"}
    about = {"order_id": "ord_1", "customer_id": "cus_1", "channel": "direct", "device": "mobile"}
    where = {"country": "DE", "currency": "EUR", "lines": [line | {"unit_price": "10.00"}]}
    return event("shop.order.placed.v1", "ord_1", about | where | amounts)


def test_other_content_under_an_id_that_has_landed_is_buried_and_counted(shop):
    """In the same batch and in a later one; what differs may be the data, the envelope, or something personal."""
    settings, producer = shop.settings, LedgerProducer(shop.settings)
    first, person = page_view(1), customer()
    producer.send([first, first | {"data": first["data"] | {"page": "/other"}}, person])
    report = ingest_until_end(settings).by_subject
    assert (report["web"].landed, report["web"].duplicates, report["web"].dead) == (1, 0, 1)

    in_another_order = json.loads(json.dumps(first, sort_keys=True))
    assert list(in_another_order) != list(first)
    producer.send(
        [
            first,
            in_another_order,
            first | {"time": "2026-03-01T10:00:00+01:00"},  # the same instant
            first | {"time": "2026-03-01T09:00:01Z"},
            first | {"source": "/shop/another"},
            first | {"data": first["data"] | {"more": 1}},
            person | {"data": person["data"] | {"email": "max@example.com"}},
            person,
        ]
    )
    report = ingest_until_end(settings).by_subject
    assert (report["web"].landed, report["web"].duplicates, report["web"].dead) == (0, 3, 3)
    assert (report["customers"].duplicates, report["customers"].dead) == (1, 1)

    letters = query(settings, "select error_class, schema_path, event_id, error_sentence from ops.dead_letters")
    assert {(error_class, path, event_id) for error_class, path, event_id, _ in letters} == {
        ("id_reused", "$.id", None)
    }
    assert len({sentence for *_, sentence in letters}) == 1, "they are one cause"
    assert query(settings, "select data ->> 'page' from raw.web") == [("/sale",)]
    outcome = reconcile(settings)
    assert outcome.holds and outcome.hours.holds
    assert (outcome.landed, outcome.in_both, outcome.duplicates) == (2, 0, 4)


def test_a_text_that_the_first_telling_did_not_have_is_other_content(shop):
    """What an erasure takes may be missing from what landed; here nobody was erased."""
    settings, producer = shop.settings, LedgerProducer(shop.settings)
    page, person, bought = page_view(1), customer(), order()
    producer.send([page, person, bought])
    ingest_until_end(settings)
    producer.send(
        [
            page | {"data": page["data"] | {"page": "/sale?utm_source=mail"}},
            person | {"data": person["data"] | {"address": person["data"]["address"] | {"region": "BE"}}},
            bought | {"data": bought["data"] | {"coupon": "WELCOME"}},
        ]
    )
    report = ingest_until_end(settings).by_subject
    assert {
        name: (report[name].duplicates, report[name].dead) for name in ("web", "customers", "orders")
    } == dict.fromkeys(("web", "customers", "orders"), (0, 1))


def test_a_letter_with_a_used_id_lands_once_it_has_an_id_of_its_own(shop):
    settings, producer = shop.settings, LedgerProducer(shop.settings)
    first = page_view(1)
    producer.send([first, first | {"data": first["data"] | {"page": "/other"}}])
    ingest_until_end(settings)
    assert replay(settings, select(), actor=ME).still_invalid == 1
    assert query(settings, "select status, error_class from ops.dead_letters") == [("open", "id_reused")]
    assert fix_many(settings, select(), read_edits([], [], give_id=True), actor=ME).fixed == 1
    assert replay(settings, select(), actor=ME).landed == 1
    assert query(settings, "select data ->> 'page' from raw.web order by 1") == [("/other",), ("/sale",)]
    outcome = reconcile(settings)
    assert outcome.holds and (outcome.produced, outcome.landed, outcome.mended) == (2, 2, 0)


def test_another_estimate_of_the_time_is_no_other_event(shop):
    settings, producer = shop.settings, LedgerProducer(shop.settings)
    guessed = page_view(1)
    guessed["data"]["time_estimated"] = True
    producer.send([guessed, guessed | {"time": "2026-03-02T09:00:00Z"}])
    ingest_until_end(settings)
    producer.send([guessed | {"time": "2026-03-03T09:00:00Z"}])
    ingest_until_end(settings)
    assert query(settings, "select count(*) from ops.dead_letters") == [(0,)]


def test_a_producer_without_ids_of_its_own_is_told_so(shop):
    settings, producer = shop.settings, LedgerProducer(shop.settings)
    nil = "00000000-0000-0000-0000-000000000000"
    producer.send([page_view(n, id=nil) for n in range(3)])
    ingest_until_end(settings)
    assert (
        query(settings, "select error_class, schema_path, event_id from ops.dead_letters")
        == [("envelope_invalid", "$.id", None)] * 3
    )
    assert reconcile(settings).holds
    assert fix_many(settings, select(), read_edits([], [], give_id=True), actor=ME).fixed == 3
    assert replay(settings, select(), actor=ME).landed == 3
    outcome = reconcile(settings)
    assert outcome.holds and (outcome.produced, outcome.landed) == (3, 3)


def test_an_event_in_binary_mode_lands_like_any_other_and_is_mended_at_the_desk_with_its_headers(shop):
    from confluent_kafka import Producer

    settings = shop.settings
    good, bad = page_view(1), page_view(2)
    bad["data"]["page_type"] = "Not A Code"
    producer = Producer(settings.kafka_client())
    for sent in (good, good, bad):
        headers = [(f"ce_{name}", sent[name]) for name in ("specversion", "id", "source", "type", "time", "subject")]
        value = json.dumps(sent["data"])
        producer.produce("shop.web", value, headers=[*headers, ("content-type", "application/json")], partition=0)
    assert producer.flush(10) == 0
    report = ingest_until_end(settings).by_subject["web"]
    assert (report.landed, report.duplicates, report.dead) == (1, 1, 1)
    assert query(settings, "select event_id::text, source, data from raw.web") == [
        (good["id"], good["source"], good["data"])
    ]
    assert query(
        settings, "select error_class, event_id::text, convert_from(message_value, 'UTF8') from ops.dead_letters"
    ) == [("data_invalid", bad["id"], json.dumps(bad["data"]))]
    assert (
        fix_many(settings, select(), read_edits(['$.data.page_type="other"'], [], give_id=False), actor=ME).fixed == 1
    )
    assert replay(settings, select(), actor=ME).landed == 1
