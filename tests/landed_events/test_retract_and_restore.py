"""A landed event is taken back and landed again: raw, the desk, both ledgers and the record agree at every step."""

from __future__ import annotations

import json

import pytest

from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select as select_letters
from shop_platform.errors import ShopError
from shop_platform.landed_events import find
from shop_platform.landed_events.restore import look as look_back
from shop_platform.landed_events.restore import restore
from shop_platform.landed_events.retract import look, retract
from shop_platform.landed_events.selection import select
from shop_platform.operations.reconcile import reconcile
from shop_platform.operations.telling import tell_i1
from shop_platform.orchestration import after_retraction
from shop_platform.orchestration.watermark import read_watermark
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dead_letters.wire import Wire, actions, assert_books_balance, letters, one_broken, query
from tests.support.events import START, event, page_view

ME = "me@desk"


def raw(settings, subject="web"):
    return [str(row[0]) for row in query(settings, f"select event_id from raw.{subject} order by kafka_offset")]


def take_back(settings, *ids, because="the till counted twice", **more):
    return retract(settings, select(ids=ids), actor=ME, because=because, **more)


def bring_back(settings, *ids, because="it was right after all"):
    return restore(settings, select(ids=ids), actor=ME, because=because)


def test_a_retracted_event_is_a_dead_letter_and_no_repetition_or_replay_brings_it_back(settings, wire):
    kept, gone = page_view(1), page_view(2)
    for each in (kept, gone):
        wire.send(each, each["id"])
    wire.deliver()
    before = query(settings, "select data, kafka_partition, kafka_offset from raw.web where event_id = %s", gone["id"])

    assert take_back(settings, gone["id"]).retracted == 1

    assert raw(settings) == [kept["id"]]
    ((letter_id, status, error_class, stored, event_type),) = letters(
        settings, "dead_letter_id, status, error_class, message_value, event_type"
    )
    assert (status, error_class, event_type) == ("retracted", "retracted", gone["type"])
    document = json.loads(stored)
    assert (document["id"], document["data"], document["subject"]) == (gone["id"], gone["data"], gone["subject"])
    assert actions(settings, letter_id) == [("retract", "retracted")]
    assert_books_balance(settings)
    verdict = reconcile(settings, record=False)
    assert (verdict.produced, verdict.landed, verdict.dead_lettered, verdict.retracted) == (2, 1, 1, 1)
    assert "retracted: 1 of the dead letters had landed, and a person took it back" in "\n".join(tell_i1(verdict))

    # Kafka delivers it again: an id above all that were seen, which nobody would look up.
    wire.send(gone, gone["id"])
    written = wire.deliver()
    assert (written.landed, written.duplicates) == (0, 1)
    assert raw(settings) == [kept["id"]]
    assert_books_balance(settings)

    assert replay(settings, select_letters(), actor=ME).looked_at == 0
    with pytest.raises(ShopError, match="shop events restore"):
        replay(settings, select_letters(ids=[letter_id]), actor=ME)
    assert take_back(settings, gone["id"]).as_dict() | {"kinds": []} == {
        "retracted": 0,
        "unchanged": 1,
        "erasures": 0,
        "expired": 0,
        "kinds": [],
        "twice": [],
    }

    assert bring_back(settings, gone["id"]).restored == 1
    again = query(settings, "select data, kafka_partition, kafka_offset from raw.web where event_id = %s", gone["id"])
    assert again == before
    assert letters(settings, "status, outcome") == [("replayed", "landed")]
    assert actions(settings, letter_id) == [("retract", "retracted"), ("restore", "restored")]
    assert_books_balance(settings)
    wire.send(gone, gone["id"])
    assert wire.deliver().duplicates == 1
    # A second time: the same letter.
    take_back(settings, gone["id"])
    assert letters(settings, "dead_letter_id, status, outcome") == [(letter_id, "retracted", None)]
    assert bring_back(settings, gone["id"]).unchanged == 0
    assert bring_back(settings, gone["id"]).unchanged == 1
    assert_books_balance(settings)


def test_a_letter_of_the_same_id_is_a_duplicate_and_leaves_the_retraction_alone(settings, wire):
    gone = page_view(1)
    wire.send(gone, gone["id"])
    wire.deliver()
    take_back(settings, gone["id"])
    broken = gone | {"time": "yesterday"}
    wire.send(broken, gone["id"])
    wire.deliver()
    (letter_id,) = (row[0] for row in letters(settings, "dead_letter_id, status") if row[1] == "open")
    query(settings, "update ops.dead_letters set status = 'fixed', fixed_value = %s where dead_letter_id = %s"
          " returning 1", json.dumps(gone).encode(), letter_id)  # fmt: skip

    assert replay(settings, select_letters(ids=[letter_id]), actor=ME).duplicates == 1

    assert raw(settings) == []
    assert sorted(letters(settings, "status")) == [("replayed",), ("retracted",)]
    assert reconcile(settings, record=False).holds


def test_an_event_that_a_replay_landed_keeps_what_kafka_delivered_and_its_place(settings, wire):
    letter_id, good = one_broken(wire)
    query(settings, "update ops.dead_letters set status = 'fixed', fixed_value = %s returning 1",
          json.dumps(good).encode())  # fmt: skip
    replay(settings, select_letters(), actor=ME)
    delivered = letters(settings, "message_value")
    wire.begin_again()
    other = page_view(2)
    wire.send(other, other["id"])
    wire.deliver()

    take_back(settings, good["id"], other["id"])

    assert letters(settings, "dead_letter_id, incarnation, status")[0] == (letter_id, 0, "retracted")
    assert letters(settings, "incarnation, status")[1] == (1, "retracted")
    assert letters(settings, "message_value")[0] == delivered[0]
    assert_books_balance(settings)
    bring_back(settings, good["id"], other["id"])
    assert_books_balance(settings)


def test_a_query_counts_before_it_takes_back_and_goes_on_where_it_was_interrupted(settings, wire):
    sent = [page_view(number, source="/shop/till" if number % 2 else "/shop/web") for number in range(8)]
    for each in sent:
        wire.send(each, each["id"])
    wire.deliver()
    chosen = select(source="/shop/till", event_type="web.page_viewed", since=START.isoformat())

    found = look(settings, chosen)
    assert (found.retracted, [(kind.events, kind.source, kind.days) for kind in found.kinds]) == (
        4,
        [(4, "/shop/till", 1)],
    )
    assert len(raw(settings)) == 8
    assert look(settings, select(source="/shop/till", until=START.isoformat())).retracted == 0

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retract(settings, chosen, actor=ME, because="a test till", chunk=1, progress=stop)
    assert len(raw(settings)) == 7
    assert_books_balance(settings)
    assert retract(settings, chosen, actor=ME, because="a test till", chunk=2).retracted == 3
    assert raw(settings) == [each["id"] for each in sent if each["source"] == "/shop/web"]
    assert_books_balance(settings)

    shown, total = find.show(settings, chosen, 3)
    assert (len(shown), total) == (3, 4)
    assert {(each.retracted_by, each.because) for each in shown} == {(ME, "a test till")}


def test_what_was_retracted_or_restored_has_to_be_built_again_and_it_is_told_which_marts_are_not(settings, wire):
    gone = page_view(1)
    wire.send(gone, gone["id"])
    wire.deliver()
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        for name in ("m", "n"):
            admin.execute(f"create schema if not exists marts; create table marts.{name} ()")

    def build(*marts):
        for mart in marts:
            query(settings, "insert into ops.model_watermarks as w (model, ceiling, invocation_id)"
                  " values (%s, pg_snapshot_xmin(pg_current_snapshot()), 'x') on conflict (model) do update"
                  " set ceiling = excluded.ceiling returning 1", mart)  # fmt: skip

    def stand():
        mark = read_watermark(settings, ["marts.m", "marts.n"])
        return mark.behind, mark.wrong, after_retraction.look(settings).behind

    build("marts.m", "marts.n", "marts.long_gone")
    assert stand() == (False, False, ())
    take_back(settings, gone["id"])
    assert stand() == (True, True, ("marts.m", "marts.n"))
    build("marts.m")
    assert stand() == (True, True, ("marts.n",))
    build("marts.n")
    assert stand() == (False, False, ())
    bring_back(settings, gone["id"])
    assert stand() == (True, True, ("marts.m", "marts.n"))
    build("marts.m", "marts.n")
    assert stand() == (False, False, ())


def test_an_id_that_two_topics_hold_is_said_so_and_one_of_the_events_can_be_chosen(settings, wire):
    seen, bought = page_view(1), event("shop.customer.created.v1", "cus_1", CUSTOMER)
    bought["id"] = seen["id"]
    wire.send(seen, seen["id"])
    wire.deliver()
    customers = Wire(settings, "shop.customers", topic_id="topic-c")
    customers.send(bought, bought["id"])
    customers.deliver()
    assert reconcile(settings, record=False).landed_twice == 1

    found = look(settings, select(ids=[seen["id"]]))
    assert found.retracted == 2
    assert [each.topics for each in found.twice] == [["shop.customers", "shop.web"]]
    only = select(ids=[seen["id"]], topic="web")
    assert (look(settings, only).retracted, look(settings, only).twice) == (1, [])

    assert retract(settings, only, actor=ME, because="a test").retracted == 1
    assert (raw(settings), raw(settings, "customers")) == ([], [seen["id"]])
    # One of the two is gone: nothing is wrong any more.
    assert_books_balance(settings)
    verdict = reconcile(settings, record=False)
    assert verdict.holds, tell_i1(verdict)
    assert look(settings, select(ids=[seen["id"]])).twice == []
    with pytest.raises(ShopError, match=r"is not in shop\.orders: it is in shop\.customers, shop\.web"):
        look(settings, select(ids=[seen["id"]], topic="orders"))

    take_back(settings, seen["id"])
    assert reconcile(settings, record=False).holds
    assert len(look_back(settings, select(ids=[seen["id"]])).twice) == 1
    assert restore(settings, only, actor=ME, because="a test").restored == 1
    assert (raw(settings), raw(settings, "customers")) == ([seen["id"]], [])


def test_a_query_brings_back_what_it_took_back_and_nothing_else(settings, wire):
    sent = [page_view(number, source="/shop/till" if number % 2 else "/shop/web") for number in range(6)]
    for each in sent:
        wire.send(each, each["id"])
    wire.deliver()
    take_back(settings, *(each["id"] for each in sent))
    chosen = select(source="/shop/till", event_type="web.page_viewed", since=START.isoformat())

    found = look_back(settings, chosen)
    assert (found.restored, [(kind.events, kind.source) for kind in found.kinds]) == (3, [(3, "/shop/till")])
    assert raw(settings) == []
    assert restore(settings, chosen, actor=ME, because="it was real", chunk=2).restored == 3
    assert raw(settings) == [each["id"] for each in sent if each["source"] == "/shop/till"]
    assert (restore(settings, chosen, actor=ME, because="again").restored, look_back(settings, chosen).kinds) == (0, [])
    assert_books_balance(settings)


def test_what_retention_removed_a_part_of_is_left_alone(settings, wire):
    gone, cut = page_view(1), page_view(2)
    for each in (gone, cut):
        wire.send(each, each["id"])
    wire.deliver()
    take_back(settings, gone["id"])
    query(settings, "insert into ops.retention_runs (relation, older_than, rows_removed, actor)"
          " values ('raw.web', %s, 1, 'me') returning 1", START)  # fmt: skip
    found = take_back(settings, cut["id"])
    assert (found.retracted, found.expired) == (0, 1)

    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("alter table raw.web add constraint kept check (event_time > '2026-03-01 10:00+00') not valid")
    with pytest.raises(ShopError, match="of a time that retention has removed"):
        bring_back(settings, gone["id"])
    assert raw(settings) == [cut["id"]]
    assert_books_balance(settings)


CUSTOMER = {
    "customer_id": "cus_1",
    "email": "anna@example.org",
    "first_name": "Anna",
    "last_name": "Muster",
    "address": {"street": "Weg 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
    "locale": "de-DE",
    "acquisition_channel": "email",
    "marketing_consent": True,
}


def _people(settings):
    """A customer's details and the search words of a session that only its beginning calls the customer's."""
    created = event("shop.customer.created.v1", "cus_1", CUSTOMER)
    customers = Wire(settings, "shop.customers", topic_id="topic-c")
    customers.send(created, created["id"])
    customers.deliver()
    began = event(
        "shop.web.session_started.v1",
        "ses_1",
        {"session_id": "ses_1", "visitor_id": "vis_1", "customer_id": "cus_1", "channel": "email", "device": "mobile",
         "country": "DE", "landing_page": "/"},
    )  # fmt: skip
    searched = event(
        "shop.web.searched.v1",
        "ses_1",
        {"session_id": "ses_1", "visitor_id": "vis_1", "query": "a ring for Ben", "results": 3},
    )
    web = Wire(settings, "shop.web", topic_id="topic-w")
    for each in (began, searched):
        web.send(each, each["id"])
    web.deliver()
    return customers, created, began, searched


def test_personal_fields_wait_beside_raw_and_an_erasure_reaches_them_there(settings):
    customers, created, began, searched = _people(settings)
    assert (len(raw(settings, "customers")), len(raw(settings))) == (1, 2)
    personal = "select data from pii.personal_data order by event_type"
    before = query(settings, personal)
    assert len(before) == 2
    everything = (created["id"], began["id"], searched["id"])

    take_back(settings, *everything)
    shown = "\n".join(str(each.as_dict()) for each in find.show(settings, select(ids=everything), 10)[0])
    kept = "\n".join(str(row) for row in letters(settings, "convert_from(message_value, 'UTF8')"))
    for word in ("anna@example.org", "Muster", "a ring for Ben"):
        assert word not in shown and word not in kept
    assert query(settings, personal) == before
    bring_back(settings, *everything)
    assert query(settings, personal) == before

    take_back(settings, *everything)
    erased = event("shop.customer.erased.v1", "cus_1", {"customer_id": "cus_1", "reason": "request"})
    customers.send(erased, erased["id"])
    customers.deliver()
    assert query(settings, personal) == []
    bring_back(settings, *everything)
    assert query(settings, personal) == []
    assert len(raw(settings)) == 2
    assert_books_balance(settings)
    # Nor does the letter of somebody who asked to be forgotten keep what it mentions.
    take_back(settings, created["id"], began["id"])
    assert [row for row in letters(settings, "message_value") if row[0] and b"cus_1" in row[0]] == []

    found = take_back(settings, erased["id"])
    assert (found.retracted, found.erasures) == (0, 1)
    assert erased["id"] in raw(settings, "customers")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s, e: select(), "Nothing says which events"),
        (lambda s, e: select(ids=["17"]), "is not the id of an event"),
        (lambda s, e: select(ids=[e["id"]], source="/shop"), "do not go together"),
        (lambda s, e: select(event_type="order.plced"), "is not a type of event"),
        (lambda s, e: take_back(s, e["id"], because=" "), "only taken back for a reason"),
        (lambda s, e: bring_back(s, e["id"], because=""), "only restored for a reason"),
        (lambda s, e: take_back(s, "019aa6b4-7c1e-7d3a-9f2e-5b1c0d4e8a77"), "There is no landed event"),
        (lambda s, e: find.show(s, select(ids=[e["broken"]]), 1), "it is dead letter"),
    ],
)
def test_a_mistake_is_explained_and_changes_nothing(settings, wire, call, said):
    _, good = one_broken(wire)
    there = page_view(2)
    wire.send(there, there["id"])
    wire.deliver()
    with pytest.raises(ShopError, match=said):
        call(settings, {"id": there["id"], "broken": good["id"]})
    assert raw(settings) == [there["id"]]
