"""What is personal lands in a schema of its own, once, and nowhere else."""

from __future__ import annotations

import json
import time
import uuid

import pytest

from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.events import types
from shop_platform.events.decode import Contract
from shop_platform.events.registry import TOPICS, EventType, Topic
from shop_platform.events.vocabulary import Identifier, Payload
from shop_platform.operations.erase import reapply
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support import people as p
from tests.support.events import page_view

PERSONAL_KEYS = {"email", "first_name", "last_name", "phone", "birth_date", "address"}


@pytest.fixture
def road(fresh_warehouse):
    road = p.Road(fresh_warehouse.settings)
    yield road
    road.close()


def personal(road):
    return p.rows(
        road.settings,
        "select event_id::text, event_type, subject, customer_id, data from pii.personal_data"
        " order by subject, event_id",
    )


def test_an_event_is_split_when_it_lands_and_both_parts_make_it_whole(road):
    account, search = p.created("cus_1"), p.searched("ses_1")
    account["data"] |= {"a_new_field": {"deep": ["ü", "\\", 1.50]}}
    road.land(account, search)
    assert personal(road) == [
        (
            account["id"],
            "shop.customer.created.v1",
            "cus_1",
            "cus_1",
            {name: account["data"][name] for name in PERSONAL_KEYS - {"address"}}
            | {"address": {"street": p.PLANTED[5], "postal_code": p.PLANTED[6]}},
        ),
        (search["id"], "shop.web.searched.v1", "ses_1", None, {"query": p.PLANTED[7]}),
    ]
    ((left,),) = p.rows(road.settings, "select data from raw.customers")
    assert left["address"] == {"city": "Berlin", "country": "DE"} and left["a_new_field"] == {"deep": ["ü", "\\", 1.5]}
    assert left.keys() & PERSONAL_KEYS == {"address"}
    assert p.rows(road.settings, "select data from raw.web") == [
        ({"session_id": "ses_1", "visitor_id": "vis_ses_1", "results": 3},)
    ]
    assert p.places_with(road.settings) == {"pii.personal_data": 2}
    assert reconcile(road.settings).holds


def test_repetitions_are_personal_once_and_the_first_telling_stands(road):
    one, other = p.created("cus_1"), p.created("cus_2")
    again = p.updated("cus_1") | {"id": one["id"]}
    road.land(one, again, page_view(1), one)
    road.land(one, other, again)
    assert [row[:3] for row in personal(road)] == [
        (one["id"], one["type"], "cus_1"),
        (other["id"], other["type"], "cus_2"),
    ]
    assert p.rows(road.settings, "select count(*) from raw.customers") == [(2,)]


def test_a_repetition_of_something_that_was_not_personal_brings_nothing_personal(road):
    view = page_view(1)
    repeated = p.searched("ses_000001") | {"id": view["id"]}
    road.land(view, repeated)
    road.land(repeated)
    assert personal(road) == []
    assert p.rows(road.settings, "select event_type from raw.web") == [(view["type"],)]


def test_one_id_in_two_topics_loses_nothing(road):
    """A fault of the producer: both land, so both are personal."""
    account = p.created("cus_1")
    search = p.searched("ses_1") | {"id": account["id"]}
    road.land(account)
    road.land(search)
    assert [row[1] for row in personal(road)] == [account["type"], search["type"]]


def test_the_careful_path_splits_too_and_a_refused_row_leaves_nothing_personal(road):
    good = [p.created(f"cus_{n}") for n in range(5)]
    bad = p.created("cus_bad")
    poison = json.dumps(bad).replace('"locale"', '"huge": 1e400000, "locale"').encode()
    road.land(*good[:2])
    (written,) = road.land(*good, ("shop.customers", poison))
    assert (written.landed, written.duplicates, written.dead) == (3, 2, 1)
    assert [row[0] for row in personal(road)] == [each["id"] for each in good]
    assert p.places_with(road.settings) == {"pii.personal_data": 5, "ops.dead_letters": 1}, "a letter keeps its bytes"


class _Loose(Payload, frozen=True):
    """A later version, with anything as phone."""

    customer_id: Identifier
    phone: object


LATER = Contract(
    (
        Topic(
            "customers",
            3,
            "",
            (
                EventType("shop.customer.created.v1", types.CustomerCreated, "customer_id"),
                EventType("shop.customer.created.v2", _Loose, "customer_id"),
            ),
        ),
        *TOPICS[1:],
    )
)


def test_a_later_version_is_split_and_a_personal_value_that_the_database_refuses_is_a_dead_letter(road):
    fine, bad = (
        p.created(f"cus_{n}") | {"type": "shop.customer.created.v2", "data": {"customer_id": f"cus_{n}", "phone": n}}
        for n in (1, 2)
    )
    poison = json.dumps(bad).replace('"phone": 2', '"phone": 1e400000').encode()
    (written,) = road.land(fine, ("shop.customers", poison), contract=LATER)
    assert (written.landed, written.dead) == (1, 1)
    assert [row[4] for row in personal(road)] == [{"phone": 1}]
    assert p.rows(road.settings, "select data from raw.customers") == [({"customer_id": "cus_1"},)]


def test_a_replayed_letter_lands_split(road):
    good = p.created("cus_1")
    road.land(("shop.customers", json.dumps(good | {"subject": "cus_2"}).encode()))
    ((letter, known_by),) = p.rows(road.settings, "select dead_letter_id, event_id::text from ops.dead_letters")
    good["id"] = known_by
    fix_one(road.settings, letter, json.dumps(good).encode(), actor="test")
    assert replay(road.settings, select(), actor="test").landed == 1
    assert [row[0] for row in personal(road)] == [known_by]
    ((left,),) = p.rows(road.settings, "select data from raw.customers")
    assert left.keys() & PERSONAL_KEYS == {"address"}


def test_a_row_that_is_there_without_its_event_does_not_stop_the_ingestion(road):
    """Somebody took rows out of raw, and the log is read again."""
    account = p.created("cus_1")
    road.land(account)
    p_before = personal(road)
    with connect(road.settings, Role.ADMIN) as admin:
        admin.execute("delete from raw.customers")
    (written,) = road.land(account)
    assert written.landed == 1 and personal(road) == p_before


def test_rows_of_an_older_version_are_moved_as_the_ingestion_splits_and_those_of_the_forgotten_are_dropped(
    fresh_warehouse,
):
    settings = fresh_warehouse.settings
    events = [p.created("cus_1"), p.updated("cus_1"), p.searched("ses_1"), p.session_started("ses_1"), page_view(1)]
    plain = p.updated("cus_5")  # as it may have been valid once
    plain["data"] = {"customer_id": "cus_5", "address": {"city": "Bonn"}, "locale": "de_DE"}
    texts = [p.session_started("ses_2"), page_view(2), p.ordered("ord_1", "cus_1"), p.ordered("ord_2", "cus_1"),
             p.product("desk"), p.created("cus_2")]  # fmt: skip
    texts[0]["data"]["landing_page"] = "/hello/eva%40x.example/?mail=eva@x.example&a#b"
    texts[1]["data"]["page"] = "https://eva:pw@shop.example/c;user=eva/d%3Fe#f"
    texts[2]["data"]["coupon"], texts[3]["data"]["coupon"] = "Eva@x.example", "10 % off"
    texts[4]["data"]["name"], texts[5]["data"]["address"]["city"] = "Mug for eva@x.example", "x eva&#64;x.example"
    events += texts
    gone = [p.created("cus_9"), p.session_started("ses_9", "cus_9"), p.searched("ses_9"), p.erased("cus_9"),
            p.searched("ses_8"), p.ordered("ord_8", "cus_9", "ses_8")]  # fmt: skip
    with connect(settings, Role.INGEST) as connection:
        for each in [*events, plain, *gone]:
            table = {"customer": "customers", "order": "orders", "product": "products"}.get(
                each["type"].split(".")[1], "web"
            )
            connection.execute(
                f"insert into raw.{table} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                " kafka_offset) values (%s, %s, '/old', %s, %s, %s, 0, 0)",
                [each["id"], each["type"], each["subject"], each["time"], json.dumps(each["data"])],
            )
    watermarks = "select event_id::text, _xid::text from ({}) as r".format(
        " union all ".join(
            f"select event_id, _xid from raw.{name}" for name in ("customers", "orders", "products", "web")
        )
    )
    before = dict(p.rows(settings, watermarks))
    assert p.rows(settings, "select pii.move_from_raw()") == [(7 + 5,)]
    assert p.rows(settings, "select pii.move_from_raw()") == [(0,)]
    after = dict(p.rows(settings, watermarks))
    assert {each for each in after if after[each] != before[each]} == {texts[n]["id"] for n in (4, 5)}, (
        "what models read is built again"
    )
    assert p.rows(settings, "select order_id from ops.erased_coupons") == [("ord_1",)]
    reapply(settings)
    moved = p.rows(
        settings, "select event_id, event_type, subject, customer_id, event_time, data from pii.personal_data"
    )
    rest = p.rows(
        settings,
        "select event_id, data from raw.customers where subject <> 'cus_5'"
        " union all select event_id, data from raw.web union all select event_id, data from raw.orders"
        " union all select event_id, data from raw.products",
    )
    with connect(settings, Role.ADMIN) as admin:
        admin.execute(
            "truncate raw.customers, raw.web, raw.orders, raw.products, pii.personal_data, pii.erased_sessions"
        )
    road = p.Road(settings)
    road.land(*events, *gone)
    road.close()
    assert sorted(moved) == sorted(
        p.rows(settings, "select event_id, event_type, subject, customer_id, event_time, data from pii.personal_data")
    )
    landed = p.rows(
        settings,
        "select event_id, data from raw.customers union all select event_id, data from raw.web"
        " union all select event_id, data from raw.orders union all select event_id, data from raw.products",
    )
    assert sorted(rest, key=str) == sorted(landed, key=str)


def test_nothing_personal_waits_in_a_batch_that_has_none(road):
    """The usual batch asks PostgreSQL nothing about people."""
    asked = []
    execute = road.connection.execute
    road.connection.execute = lambda query, *rest, **more: asked.append(str(query)) or execute(query, *rest, **more)
    # Ids that grow with time: of random ones it has to be asked whether they have landed, and that may end as a letter.
    now = time.time_ns() // 1_000_000
    ids = [str(uuid.UUID(int=now << 80 | 7 << 76 | 2 << 62 | number)) for number in (1, 2)]
    road.land(page_view(1, id=ids[0]), page_view(2, id=ids[1]))
    assert asked and not [query for query in asked if "pii" in query or "advisory" in query or "customers" in query]
    road.connection.execute = execute
    assert uuid.UUID(p.rows(road.settings, "select min(event_id::text) from raw.web")[0][0])
