"""`shop verify` names what breaks an invariant: ids and places, keys and columns, a few of each and how many more."""

from __future__ import annotations

import json
import re

import pytest
from confluent_kafka import Producer
from psycopg import sql

from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import Selection
from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.differences import compare, key_of
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.telling import short_i1, tell_i1
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.operations.test_reconcile_hours import HOUR, START, admin, at
from tests.support.events import LedgerProducer, event


def send_without_ledger(shop, *events, value: bytes | None = None):
    """Send valid events (or ``value`` under their ids) as somebody whose account nobody keeps."""
    producer = Producer(shop.settings.kafka_client(log_level=0))
    for each in events:
        topic = TOPIC_OF_TYPE[each["type"]].name
        content = json.dumps(each).encode() if value is None else value
        producer.produce(
            topic, content, key=each["subject"], headers=[("ce_id", each["id"]), ("ce_time", each["time"])]
        )
    assert producer.flush(30) == 0


def foreign(number: int, *args, **envelope):
    return at(number, *args) | {"source": "/elsewhere"} | envelope


def text(outcome) -> str:
    return "\n".join(tell_i1(outcome))


def test_events_of_a_producer_without_a_ledger_are_counted_apart_and_break_nothing(shop):
    LedgerProducer(shop.settings).send(at(n, START + n % 2 * HOUR) for n in range(10))
    strange = [foreign(n, START + n % 3 * HOUR) for n in range(6)]
    send_without_ledger(shop, *strange, *strange[:2])  # two of them twice
    send_without_ledger(shop, foreign(7, START), value=b"{")  # and one that nobody can read, but for its id
    ingest_until_end(shop.settings)
    send_without_ledger(shop, strange[0])
    ingest_until_end(shop.settings)
    found = reconcile(shop.settings)
    assert found.holds, text(found)
    assert (found.produced, found.foreign, found.landed, found.dead_lettered, found.duplicates) == (10, 7, 16, 1, 3)
    said = text(found)
    assert "I1 holds: 10 produced + 7 events of producers without a ledger = 16 landed + 1 dead-lettered" in said

    # A person mends the unreadable one; whatever source is written into it, the simulated shop did not send it.
    ((letter, event_id),) = admin(shop, "select dead_letter_id, event_id::text from ops.dead_letters")
    mended = at(8, START + 4 * HOUR) | {"id": event_id}
    fix_one(shop.settings, letter, json.dumps(mended).encode(), actor="ada")
    assert replay(shop.settings, Selection(ids=(letter,)), actor="ada").landed == 1
    found = reconcile(shop.settings)
    assert found.holds and (found.foreign, found.mended, found.landed) == (6, 1, 17), text(found)
    assert "6 events of producers without a ledger + 1 that got their id when they were mended = 17" in text(found)

    # What somebody else lost is nobody's to know; a message too many of our own still is.
    admin(shop, "delete from raw.web where event_id = %s", [strange[3]["id"]])
    lost = reconcile(shop.settings)
    assert lost.ids_hold and not lost.holds and lost.foreign == 5
    assert "I1 IS BROKEN (every id is where it should be, but not every hour adds up): 10 produced" in text(lost)
    assert "UTC: 1 of 3 that had landed taken out of raw (" in text(lost)
    admin(shop, "update ops.ingest_hours set duplicates = duplicates + 9 where duplicates > 0")
    assert "more than there should be" in text(reconcile(shop.settings))


@pytest.mark.parametrize("source", ["/shop/checkout", "/shop/test"])
def test_an_event_of_a_source_that_keeps_a_ledger_must_be_in_it(shop, source):
    """A name of the simulated shop's, and one that the ledger has an event of."""
    LedgerProducer(shop.settings).send([at(1, START)])
    send_without_ledger(shop, at(2, START) | {"source": source})
    ingest_until_end(shop.settings)
    found = reconcile(shop.settings)
    assert (found.unexpected, found.foreign) == (1, 0) and not found.ids_hold


def test_an_import_has_a_ledger_though_the_shop_has_none(shop):
    LedgerProducer(shop.settings, "import-000001").send(at(n, START) for n in range(5))
    # The shop that was imported goes on under the same source, beside another one.
    send_without_ledger(shop, *(at(n, START) for n in range(10, 13)), foreign(20, START), foreign(20, START))
    ingest_until_end(shop.settings)
    found = reconcile(shop.settings)
    assert found.holds and (found.produced, found.foreign, found.unexpected) == (5, 5, 0), text(found)
    assert "no producer's ledger" not in text(found)
    ((lost, partition, offset),) = admin(
        shop, "delete from raw.web where subject = 'ses_000003' returning event_id::text, kafka_partition, kafka_offset"
    )
    found = reconcile(shop.settings)
    assert not found.ids_hold and found.missing == 1
    said = text(found)
    place = f"{lost}: acknowledged in shop.web/{partition} at offset {offset}"
    assert f"{place} (event of 2026-03-01 09:00 UTC, ledger import-000001)" in said
    assert "no producer's ledger" not in said and "I1 holds" not in said


def test_without_any_ledger_it_is_said_that_what_is_missing_cannot_be_known(shop):
    send_without_ledger(shop, foreign(1, START))
    ingest_until_end(shop.settings)
    found = reconcile(shop.settings)
    assert found.holds and found.produced is None and found.foreign == 0
    assert "I1 holds: no producer's ledger, so what is missing cannot be known: 1 landed" in text(found)


def test_every_kind_of_break_is_named_with_ids_and_places_and_how_many_more(shop):
    producer = LedgerProducer(shop.settings)
    pages = [at(n, START + n * HOUR) for n in range(40)]
    producer.send(pages)
    twice = event("shop.customer.erased.v1", "cus_1", {"customer_id": "cus_1", "reason": "gdpr"}, id=pages[0]["id"])
    producer.send([twice])
    producer.send_raw("shop.web", b"{", pages[1]["id"])
    producer.flush()
    ingest_until_end(shop.settings)
    send_without_ledger(shop, at(99, START), foreign(98, START))
    ingest_until_end(shop.settings)
    # The record of what was read: one batch lost, one stored offset moved.
    producer.send(at(n, START) for n in range(100, 112))
    ingest_until_end(shop.settings)
    producer.send(at(n, START) for n in range(100, 112))
    ingest_until_end(shop.settings)
    ((hole, first, behind),) = admin(
        shop,
        "delete from ops.ingest_batches as b where batch_id = (select batch_id from ops.ingest_batches as m"
        " where topic = 'shop.web' and first_offset > 0 and exists (select from ops.ingest_batches as n"
        " where n.topic = m.topic and n.partition = m.partition and n.first_offset = m.next_offset) limit 1)"
        " returning partition, first_offset, next_offset",
    )
    ((moved,),) = admin(
        shop,
        "update ops.ingest_offsets set next_offset = next_offset + 7 where topic = 'shop.customers' and next_offset > 0"
        " returning partition",
    )
    lost = [page["id"] for page in pages[5:17]]
    places = admin(
        shop, "delete from raw.web where event_id = any(%s::uuid[]) returning kafka_partition, kafka_offset", [lost]
    )

    found = reconcile(shop.settings)
    assert (found.missing, found.unexpected, found.in_both, found.landed_twice, found.offset_mismatches) == (
        *(12, 1, 1, 1, 2),
    )
    assert not found.holds and found.foreign == 1
    said = text(found)
    lines = said.splitlines()
    assert lines[0].startswith("I1 IS BROKEN: ") and "I1 holds" not in said
    named = [line for line in lines if any(each in line for each in lost)]
    assert len(named) == 10 and lines[lines.index(named[-1]) + 1].strip() == "and 2 more"
    assert all(
        any(f"acknowledged in shop.web/{partition} at offset {offset} (" in line for partition, offset in places)
        for line in named
    )
    (line,) = [line for line in lines if pages[0]["id"] in line]
    assert re.search(r"landed from shop.web/\d at offset \d+ \(shop.web.page_viewed.v1 of /shop/test\)", line)
    assert re.search(r"landed from shop.customers/\d at offset \d+ \(shop.customer.erased.v1 of /shop/test\)", line)
    (line,) = [line for line in lines if pages[1]["id"] in line]
    assert re.search(
        r"landed from shop.web/.*; dead letter \d+ from shop.web/\d at offset \d+ \(not_json, open\)", line
    )
    assert re.search(r"unexpected: 1 \(.*\)\n    [0-9a-f-]{36}: landed from shop.web/\d at offset \d+ \(shop.web", said)
    assert f"    shop.web/{hole}: no batch tells of offsets {first} to {behind - 1}\n" in said
    assert re.search(rf"    shop.customers/{moved}: the batches end before offset 1, the stored offset is 8\n", said)
    assert sum(found.hours.off.values()) > 10 and re.search(r"UTC: 1 missing, .*\n  and \d+ more: select", said)
    assert "What to do: docs/runbooks/invariant-broken.md." in lines[-1]

    # The same for programs, on record, and in one line where there is room for one.
    told = json.loads(json.dumps(found.as_dict()))
    assert told["holds"] is False and len(told["examples"]["missing"]) == 10
    assert {place["topic"] for place in told["examples"]["landed_twice"][0]["places"]} == {"shop.web", "shop.customers"}
    assert admin(shop, "select detail -> 'examples' from ops.reconciliations") == [(told["examples"],)]
    short = short_i1(found)
    assert "\n" not in short and f"landed twice 1, e.g. {pages[0]['id']}: landed from" in short


def test_rows_that_differ_are_named_by_their_key_with_both_values(warehouse):
    columns = ["day", "currency", "units", "net"]
    with connect(warehouse.settings, Role.ADMIN) as connection:
        for table in ("mart", "rebuilt"):
            connection.execute(
                f"create temporary table {table} (day date, currency text, units int, net numeric(12, 2),"
                " primary key (day, currency)) on commit drop".encode()
            )
            connection.execute(
                f"insert into {table} select date '2026-03-01' + n, 'EUR', n, n * 1.10"
                " from generate_series(0, 29) as n".encode()
            )
        connection.execute("delete from rebuilt where units = 29; delete from mart where units = 28")
        connection.execute("update mart set units = units + 1, net = null where units < 13")
        ((schema,),) = connection.execute("select nspname from pg_namespace where oid = pg_my_temp_schema()").fetchall()
        key = key_of(connection, schema, "mart")
        mart, rebuilt = (
            sql.SQL("select day, currency, units, net from {}").format(sql.Identifier(t)) for t in ("mart", "rebuilt")
        )
        found = compare(connection, mart, rebuilt, columns, key, [])
        keyless = compare(connection, mart, rebuilt, columns, [], [])
        same = compare(connection, mart, mart, columns, key, [])
        connection.rollback()
    assert key == ["day", "currency"]
    assert same.equal and same.rows == 29 and same.examples == ()
    assert (found.changed, found.only_in_mart, found.only_in_rebuild, found.differing) == (13, 14, 14, 15)
    told = [each.sentence() for each in found.examples]
    assert len(told) == 12 and told[1] == (
        "day 2026-03-02, currency EUR: units is 2 in the mart, 1 recomputed; net is null in the mart, 1.10 recomputed"
    )
    assert told[-2:] == [
        "day 2026-03-30, currency EUR: only in the mart",
        "day 2026-03-29, currency EUR: only in the recomputation",
    ]
    assert found.as_dict()["examples"][1]["columns"]["net"] == {"mart": None, "recomputation": "1.10"}
    assert (keyless.changed, keyless.differing) == (0, 28)
    assert keyless.examples[0].key.keys() == set(columns) and keyless.examples[0].only_in == "mart"
