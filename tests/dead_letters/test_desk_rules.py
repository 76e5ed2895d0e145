"""What the desk does and refuses: each step on record, the books balanced after it."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from shop_platform.dead_letters import pages
from shop_platform.dead_letters.discard import discard, reopen
from shop_platform.dead_letters.edits import read_edits
from shop_platform.dead_letters.fix import fix_many, fix_one
from shop_platform.dead_letters.listing import entries, groups
from shop_platform.dead_letters.render import fix_lines
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import Selection, select
from shop_platform.errors import ShopError
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dead_letters.wire import Wire, actions, as_json, assert_books_balance, broken, letters, one_broken, query
from tests.support.events import event, page_view

ME = "me@desk"


def test_a_dry_run_counts_what_would_be_given_up_and_changes_nothing(settings, wire):
    for _ in range(7):
        wire.send(b"{")
    wire.deliver()
    report = discard(settings, select(topic="web"), actor=ME, because="a test", dry_run=True, page=3)
    assert report.discarded == 7 and len(entries(settings, select(), 0)) == 7
    assert query(settings, "select 1 from ops.dead_letter_actions") == []
    discard(settings, select(topic="web"), actor=ME, because="a test")
    report = reopen(settings, select(topic="web"), actor=ME, dry_run=True, page=3)
    assert report.reopened == 7 and entries(settings, select(), 0) == []


def test_filters_choose_and_a_word_that_means_nothing_is_refused(settings, wire):
    one_broken(wire)
    wire.send(b"{")
    wire.deliver()
    assert [entry.id for entry in entries(settings, select(error_class="not_json"), 0)] == [2]
    assert [entry.id for entry in entries(settings, select(event_type="shop.web.page_viewed.v1"), 0)] == [1]
    assert [entry.id for entry in entries(settings, select(topic="web"), 1)] == [1]
    assert entries(settings, select(topic="shop.orders"), 0) == []
    assert entries(settings, select(status="replayed"), 0) == []
    assert len(entries(settings, select(status="all", since="1h"), 0)) == 2
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    assert entries(settings, select(since="24h", now=ahead), 0) == []
    for wrong in ({"topic": "wbe"}, {"error_class": "bad"}, {"status": "done"}, {"since": "yesterday"}):
        with pytest.raises(ShopError, match=next(iter(wrong.values()))):
            select(**wrong)


def test_a_value_that_is_still_invalid_is_refused_with_the_violation_and_not_stored(settings, wire):
    letter_id, good = one_broken(wire)
    for value, said in (
        (b"", "no value"),
        (as_json(good | {"data": {}}), "`session_id` is missing"),
        (as_json(good)[:-1], "not a JSON document"),
        (as_json(good).replace(b'"page_type"', b'"huge": 1e400000, "page_type"'), "database_rejected"),
        (as_json(good | {"type": "shop.order.paid.v1"}), "belongs to topic"),
    ):
        with pytest.raises(ShopError, match=said) as refusal:
            fix_one(settings, letter_id, value, actor=ME)
        assert refusal.value.exit_code == 1
    assert letters(settings, "status, fixed_value") == [("open", None)]
    assert actions(settings, letter_id) == []


def test_a_fix_must_keep_the_id_that_the_message_is_known_by(settings, wire):
    letter_id, good = one_broken(wire)
    with pytest.raises(ShopError, match=f"known by id '{good['id']}'"):
        fix_one(settings, letter_id, as_json(good | {"id": str(uuid.uuid4())}), actor=ME)
    fix_one(settings, letter_id, as_json(good), actor=ME)
    assert replay(settings, select(), actor=ME).landed == 1
    assert_books_balance(settings)


def test_a_body_that_contradicts_its_header_does_not_land_under_the_wrong_id(settings, wire):
    body = page_view(1, type="shop.web.page_viewed.v2")
    known_by = wire.send(body, str(uuid.uuid4()))
    wire.deliver()
    query(settings, "update ops.dead_letters set message_value = %s returning 1", as_json(page_view(1)))
    assert replay(settings, select(), actor=ME).still_invalid == 1
    ((error_class, error, path),) = letters(settings, "error_class, error, schema_path")
    assert (error_class, path) == ("envelope_invalid", "$.id") and known_by in error
    fix_many(settings, select(ids=[1]), read_edits([], [], give_id=True), actor=ME)
    assert replay(settings, select(), actor=ME).landed == 1
    assert [str(row[0]) for row in query(settings, "select event_id from raw.web")] == [known_by]
    assert_books_balance(settings)


def test_a_letter_that_nobody_could_attribute_gets_an_id_that_is_no_other_event_s(settings, wire):
    landed = page_view(7)
    wire.send(landed, landed["id"])
    for number in range(3):
        bad, _ = broken(number)
        wire.send(bad | {"id": "none"}, header=False)
    wire.deliver()
    assert letters(settings, "event_id") == [(None,)] * 3
    with pytest.raises(ShopError, match="belongs to another message"):
        fix_one(settings, 1, as_json(page_view(1, id=landed["id"])), actor=ME)
    own = page_view(1)
    fix_one(settings, 1, as_json(own), actor=ME)
    with pytest.raises(ShopError, match="belongs to another message"):
        fix_one(settings, 2, as_json(page_view(2, id=own["id"])), actor=ME)

    wanted = read_edits(['$.data.page="/x"', f'$.id="{uuid.uuid4()}"'], [], give_id=False)
    alike = fix_many(settings, select(ids=[2, 3]), wanted, actor=ME, dry_run=True)
    assert (alike.fixed, alike.still_invalid) == (1, 1)  # one id for two messages would lose one of them
    edits = read_edits(['$.data.page="/x"'], [], give_id=True)
    assert fix_many(settings, select(ids=[2, 3]), edits, actor=ME).fixed == 2
    assert replay(settings, select(), actor=ME).landed == 3
    ((count, distinct),) = query(settings, "select count(*), count(distinct event_id) from raw.web")
    assert (count, distinct) == (4, 4)


def test_a_replay_repeated_lands_once_and_says_so(settings, wire):
    letter_id, good = one_broken(wire)
    fix_one(settings, letter_id, as_json(good), actor=ME)
    assert replay(settings, select(ids=[letter_id]), actor=ME).landed == 1
    again = replay(settings, select(ids=[letter_id]), actor=ME)
    assert (again.landed, again.replayed_before, again.looked_at) == (0, 1, 0)
    assert replay(settings, select(), actor=ME).looked_at == 0
    assert actions(settings, letter_id) == [("fix", "fixed"), ("replay", "landed")]
    with pytest.raises(ShopError, match="is replayed"):
        fix_one(settings, letter_id, as_json(good), actor=ME)


def test_what_stays_invalid_stays_open_and_is_told_once_per_reason(settings, wire):
    letter_id, _ = one_broken(wire)
    for _ in range(3):
        assert replay(settings, select(), actor=ME).still_invalid == 1
    assert actions(settings, letter_id) == [("replay", "still_invalid")]
    query(settings, "update ops.dead_letters set error_class = 'unknown_version', error = 'of old' returning 1")
    replay(settings, select(), actor=ME)
    ((detail,),) = query(settings, "select detail from ops.dead_letter_actions order by action_id desc limit 1")
    assert detail["was"]["error"] == "of old" and detail["is"]["error_class"] == "data_invalid"
    assert letters(settings, "status, error_class, schema_path") == [("open", "data_invalid", "$.data")]
    assert_books_balance(settings)


def test_a_fixed_letter_that_no_longer_fits_is_open_again_and_keeps_its_corrected_value(settings, wire):
    letter_id, good = one_broken(wire)
    fix_one(settings, letter_id, as_json(good), actor=ME)
    worse = as_json(broken()[0] | {"id": good["id"]})
    query(settings, "update ops.dead_letters set fixed_value = %s returning 1", worse)
    assert replay(settings, select(), actor=ME).still_invalid == 1
    assert letters(settings, "status, fixed_value") == [("open", worse)]
    assert actions(settings, letter_id) == [("fix", "fixed"), ("replay", "still_invalid")]


def test_letters_of_one_id_become_one_event(settings, wire):
    bad, good = broken()
    for _ in range(4):
        wire.send(bad, bad["id"])
    wire.deliver()
    discard(settings, select(ids=[4]), actor=ME, because="sent twice")
    fix_one(settings, 2, as_json(good), actor=ME)
    report = replay(settings, select(ids=[2]), actor=ME)
    assert (report.landed, report.duplicates) == (1, 3)
    assert letters(settings, "status, outcome") == [
        ("replayed", "duplicate"),
        ("replayed", "landed"),
        ("replayed", "duplicate"),
        ("replayed", "duplicate"),
    ]
    assert_books_balance(settings)


def test_two_valid_letters_of_one_id_in_one_page_land_once(settings, wire):
    bad, _ = broken()
    for _ in range(3):
        wire.send(bad, bad["id"])
    wire.deliver()
    edits = read_edits(['$.data.page="/x"'], [], give_id=False)
    assert fix_many(settings, select(error_class="data_invalid"), edits, actor=ME).fixed == 3
    report = replay(settings, select(), actor=ME)
    assert (report.landed, report.duplicates) == (1, 2)
    assert query(settings, "select kafka_offset from raw.web") == [(0,)]
    assert_books_balance(settings)


def test_a_repetition_of_a_letter_that_postgres_refuses_may_land_itself(settings, wire):
    bad, good = broken()
    for _ in range(2):
        wire.send(bad, bad["id"])
    wire.deliver()
    fix_one(settings, 2, as_json(good), actor=ME)
    # Only the database can tell that the first is none.
    huge = as_json(good).replace(b'"page_type"', b'"huge": 1e400000, "page_type"')
    query(settings, "update ops.dead_letters set message_value = %s where dead_letter_id = 1 returning 1", huge)
    report = replay(settings, select(), actor=ME)
    assert (report.landed, report.duplicates, report.still_invalid) == (1, 1, 0)
    assert query(settings, "select kafka_offset from raw.web") == [(1,)]
    assert_books_balance(settings)


def test_offsets_that_were_used_twice_are_two_messages(settings, wire):
    wire.send(b"{")
    wire.deliver()
    wire.begin_again()
    bad, good = broken()
    wire.send(bad, bad["id"])
    wire.deliver()
    fix_one(settings, 2, as_json(good), actor=ME)
    report = replay(settings, select(), actor=ME)
    assert (report.landed, report.still_invalid) == (1, 1)
    found = letters(settings, 'incarnation, "offset", status, error_class')
    assert found == [(0, 0, "open", "not_json"), (1, 0, "replayed", "data_invalid")]
    assert query(settings, "select event_id::text, kafka_offset from raw.web") == [(good["id"], 0)]


def test_an_event_in_the_wrong_topic_is_settled_once_the_right_one_has_it(settings, wire):
    paid = {"order_id": "ord_1", "payment_id": "p", "method": "card", "amount": "1.00", "currency": "EUR"}
    sent = event("shop.order.paid.v1", "ord_1", paid)
    wire.send(sent, sent["id"])
    wire.deliver()
    assert letters(settings, "error_class") == [("wrong_topic",)]
    assert replay(settings, select(), actor=ME).still_invalid == 1
    orders = Wire(settings, "shop.orders", topic_id="topic-b")
    orders.send(sent, sent["id"])
    assert orders.deliver().landed == 1
    assert replay(settings, select(), actor=ME).duplicates == 1
    assert_books_balance(settings)


def test_discarding_needs_a_reason_and_can_be_taken_back(settings, wire):
    letter_id, good = one_broken(wire)
    with pytest.raises(ShopError, match="for a reason"):
        discard(settings, select(ids=[letter_id]), actor=ME, because="  ")
    with pytest.raises(ShopError, match="which letters"):
        discard(settings, select(), actor=ME, because="all of them")
    assert discard(settings, select(ids=[letter_id]), actor=ME, because="a test order").discarded == 1
    assert discard(settings, select(ids=[letter_id]), actor=ME, because="a test order").unchanged == 1
    assert_books_balance(settings)
    with pytest.raises(ShopError, match="is discarded"):
        replay(settings, select(ids=[letter_id]), actor=ME)
    assert replay(settings, select(), actor=ME).looked_at == 0
    assert reopen(settings, select(ids=[letter_id]), actor=ME, because="no test").reopened == 1
    assert reopen(settings, select(ids=[letter_id]), actor=ME).unchanged == 1
    fix_one(settings, letter_id, as_json(good), actor=ME)
    discard(settings, select(ids=[letter_id]), actor=ME, because="after all")
    reopen(settings, select(ids=[letter_id]), actor=ME)
    assert letters(settings, "status") == [("fixed",)]
    replay(settings, select(), actor="another@desk")
    told = query(settings, "select action, outcome, actor, reason from ops.dead_letter_actions order by action_id")
    assert told == [
        ("discard", "discarded", ME, "a test order"),
        ("reopen", "reopened", ME, "no test"),
        ("fix", "fixed", ME, None),
        ("discard", "discarded", ME, "after all"),
        ("reopen", "reopened", ME, None),
        ("replay", "landed", "another@desk", None),
    ]
    assert_books_balance(settings)


def test_a_letter_whose_event_has_landed_is_settled_instead_of_discarded(settings, wire):
    letter_id, good = one_broken(wire)
    wire.send(good, good["id"])
    wire.deliver()
    report = discard(settings, select(ids=[letter_id]), actor=ME, because="sent again")
    assert (report.discarded, report.duplicates) == (0, 1)
    assert_books_balance(settings)


def test_a_dry_run_tells_the_outcome_and_changes_nothing(settings, wire):
    bad, good = broken()
    for _ in range(2):
        wire.send(bad, bad["id"])
    wire.send(b"{")
    wire.deliver()
    fix_one(settings, 1, as_json(good), actor=ME)
    before = query(settings, "select * from ops.dead_letters order by 1")
    for page in (1, 5000):
        report = replay(settings, select(), actor=ME, dry_run=True, page=page)
        assert (report.landed, report.duplicates, report.still_invalid) == (1, 1, 1)
    assert query(settings, "select * from ops.dead_letters order by 1") == before
    assert query(settings, "select count(*) from raw.web") == [(0,)]
    assert actions(settings, 1) == [("fix", "fixed")]


def test_a_fix_that_is_refused_says_why(settings, wire):
    bad, _ = broken()
    wire.send(bad, bad["id"])
    wire.deliver()
    report = fix_many(settings, select(ids=[1]), read_edits(["$.data.page=5"], [], give_id=False), actor=ME)
    text = "\n".join(fix_lines(report, dry_run=False))
    assert "data_invalid  $.data.page  (for example 1)" in text
    assert "`page` must be" in text and "Mend this place too" in text
    assert report.as_dict()["reasons"][0]["reason"].startswith("`page` must be")


def test_a_name_told_twice_is_mended_by_saying_which_one_holds(settings, wire):
    good = page_view(1)
    twice = as_json(good).replace(b'"page": "/sale"', b'"page": "/sale", "page": "/other"')
    wire.send(twice, good["id"])
    wire.deliver()
    beside = read_edits(['$.data.page_type="home"'], [], give_id=False)
    text = "\n".join(fix_lines(fix_many(settings, select(ids=[1]), beside, actor=ME), dry_run=False))
    assert "`page` stands twice in its object; tell it once" in text
    assert "--set '$.data.page=...' leaves one of them; or give the whole document with --value FILE" in text
    with pytest.raises(ShopError) as refused:
        fix_one(settings, 1, twice, actor=ME)
    assert "--value FILE" in refused.value.hint
    assert fix_many(settings, select(ids=[1]), read_edits(['$.data.page="/sale"'], [], give_id=False), actor=ME).fixed
    assert replay(settings, select(), actor=ME).landed == 1
    assert query(settings, "select data ->> 'page' from raw.web") == [("/sale",)]


def test_a_bulk_fix_stores_what_becomes_valid_and_counts_the_rest(settings, wire):
    for number in range(4):
        bad, _ = broken(number)
        if number == 3:
            del bad["data"]["visitor_id"]
        wire.send(bad, bad["id"])
    wire.send(b"[1]")
    wire.deliver()
    edits = read_edits(['$.data.page="/mended"'], ["$.data.page_type"], give_id=False)
    with_type = read_edits(['$.data.page="/mended"'], [], give_id=False)
    chosen = select(topic="web")
    report = fix_many(settings, chosen, edits, actor=ME)
    assert (report.fixed, report.still_invalid, report.no_document) == (0, 4, 1)  # page_type is required
    report = fix_many(settings, chosen, with_type, actor=ME, dry_run=True)
    assert (report.fixed, report.still_invalid, len(report.examples)) == (3, 1, 3)
    assert letters(settings, "status") == [("open",)] * 5
    report = fix_many(settings, chosen, with_type, actor=ME, page=2)
    assert (report.fixed, report.still_invalid, report.no_document) == (3, 1, 1)
    assert fix_many(settings, chosen, with_type, actor=ME).unchanged == 3
    assert replay(settings, select(), actor=ME).landed == 3
    assert query(settings, "select distinct data ->> 'page' from raw.web") == [("/mended",)]
    assert_books_balance(settings)


def test_a_letter_that_is_too_large_fits_without_its_largest_part(settings, wire):
    large = page_view(1)
    large["data"]["dump"] = "x" * 1_000_001
    wire.send(large, large["id"])
    wire.deliver()
    assert letters(settings, "error_class") == [("too_large",)]
    edits = read_edits([], ["$.data.dump"], give_id=False)
    assert fix_many(settings, select(error_class="too_large"), edits, actor=ME).fixed == 1
    assert replay(settings, select(), actor=ME).landed == 1
    assert_books_balance(settings)


def test_unknown_letters_are_named(settings, wire):
    one_broken(wire)
    for attempt in (
        lambda: replay(settings, select(ids=[1, 77]), actor=ME),
        lambda: fix_one(settings, 77, b"", actor=ME),
        lambda: discard(settings, select(ids=[77]), actor=ME, because="x"),
        lambda: reopen(settings, select(ids=[77]), actor=ME),
    ):
        with pytest.raises(ShopError, match="no dead letter 77"):
            attempt()


def test_a_page_ends_before_it_holds_too_many_bytes(settings, wire, monkeypatch):
    for number in range(7):
        bad, _ = broken(number)
        wire.send(bad, bad["id"])
    wire.deliver()
    monkeypatch.setattr(pages, "_PAGE_BYTES", 2 * len(as_json(broken()[0])) + 10)
    with pages.desk(settings) as connection:
        sizes = list(pages.in_pages(connection, Selection(), lambda _, found: len(found)))
    assert sizes == [2, 2, 2, 1]


def test_a_warehouse_before_the_desk_is_told_to_migrate(settings, wire):
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("alter table ops.dead_letters drop column error_sentence cascade")
    with pytest.raises(ShopError, match="shop migrate"):
        groups(settings, select())
