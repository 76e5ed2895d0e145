"""Whoever asks to be forgotten is, whichever event comes last and whoever writes at the same time."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import threading
import time
import uuid

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shop_platform.dead_letters.discard import reopen
from shop_platform.dead_letters.fix import fix_one
from shop_platform.dead_letters.listing import details
from shop_platform.dead_letters.render import detail_lines
from shop_platform.dead_letters.replay import replay
from shop_platform.dead_letters.selection import select
from shop_platform.errors import ShopError
from shop_platform.ingest.batch import People
from shop_platform.ingest.erase import keep_apart
from shop_platform.operations.erase import reapply
from shop_platform.operations.reconcile import reconcile
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.conftest import _drop, _new_warehouse
from tests.support import people as p

_numbers = itertools.count(1)
LETTERS = "select status, message_key, message_value, fixed_value, headers, erased_at is not null from ops.dead_letters"


@pytest.fixture
def road(fresh_warehouse):
    road = p.Road(fresh_warehouse.settings)
    yield road
    road.close()


@pytest.fixture(scope="module")
def long_road(postgres_server, tmp_path_factory):
    """One warehouse for all examples of a law; each has a customer of its own."""
    made = _new_warehouse(postgres_server, tmp_path_factory.mktemp("data"))
    road = p.Road(made.settings)
    yield road
    road.close()
    _drop(made)


def subjects(road):
    return [subject for (subject,) in p.rows(road.settings, "select subject from pii.personal_data order by 1")]


def story(number):
    """One customer's events, two sessions among them; only the second one's order tells whose it is."""
    customer, logged_in, guest = f"cus_{number}", f"ses_{number}a", f"ses_{number}b"
    return [
        p.created(customer),
        p.updated(customer),
        p.erased(customer),
        p.session_started(logged_in, customer),
        p.searched(logged_in),
        p.searched(guest),
        p.ordered(f"ord_{number}", customer, guest),
    ]


@example(order=[0, 1, 2, 3, 5, 6, 4], cuts={6}, again=[])  # words of a session that is known to be theirs come last
@example(order=[2, 6, 3, 0, 1, 4, 5], cuts={1, 2, 3, 4, 5, 6}, again=[5, 4])
@example(order=[4, 5, 0, 1, 6, 3, 2], cuts={1, 2, 3, 4, 5, 6}, again=[0])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.permutations(range(7)),
    cuts=st.sets(st.integers(1, 6), min_size=2),
    again=st.lists(st.integers(0, 6), max_size=3),
)
def test_nothing_stays_in_whatever_order_and_company_the_events_come(long_road, order, cuts, again):
    number = next(_numbers)
    events, other = story(number), f"cus_{number}x"
    told = [events[n] for n in order]
    bystanders = [p.created(other), p.session_started(f"ses_{number}x", other), p.searched(f"ses_{number}x")]
    edges = [0, *sorted(cuts), len(told)]
    for first, last in itertools.pairwise(edges):
        long_road.land(*told[first:last], *(bystanders if first == 0 else ()))
    for n in again:
        long_road.land(events[n])
    with connect(long_road.settings, Role.ADMIN) as admin:
        left = admin.execute(
            "select subject from pii.personal_data where subject ~ %s order by 1", [f"^(cus|ses)_{number}(?![0-9])"]
        ).fetchall()
        kept = admin.execute(
            "select (select count(*) from raw.customers where subject = %s), (select count(*) from raw.orders where"
            " subject = %s)",
            [f"cus_{number}", f"ord_{number}"],
        ).fetchone()
    assert left == [(other,), (f"ses_{number}x",)], "only the bystander is left"
    assert kept == (3, 1), "the events themselves stay"


def test_the_planners_statistics_keep_no_examples(road):
    road.land(*(p.created(f"cus_{n}") for n in range(40)), *(letter_about(f"bad_{n}") for n in range(40)))
    with connect(road.settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute("set bytea_output = 'escape'")
        admin.execute("analyze pii.personal_data, ops.dead_letters, raw.customers")
        found = admin.execute(
            "select schemaname, tablename, attname from pg_stats as s where s::text ~* %s",
            ["|".join(map(re.escape, p.PLANTED))],
        ).fetchall()
    assert found == []


def test_a_session_that_nobody_is_known_to_have_had_keeps_its_words(road):
    road.land(p.created("cus_1"), p.searched("ses_anonymous"), p.session_started("ses_anonymous"), p.erased("cus_1"))
    assert subjects(road) == ["ses_anonymous"]


def test_a_session_and_a_customer_of_one_name_are_not_mistaken_for_each_other(road):
    road.land(p.created("twin"), p.searched("twin"), p.session_started("other", "cus_1"), p.erased("cus_1"))
    road.land(p.erased("other"))
    assert subjects(road) == ["twin", "twin"]
    road.land(p.erased("twin"))
    assert p.rows(road.settings, "select customer_id from pii.personal_data") == [(None,)]


@pytest.mark.parametrize("last", ["erasure", "account"])
def test_two_writers_at_once_cannot_miss_each_other(fresh_warehouse, last):
    """One writes the account, one the erasure, and neither sees what the other has not committed."""
    settings = fresh_warehouse.settings
    first, second = p.Road(settings, 0), p.Road(settings, 1)
    events = {"account": [p.created("cus_1"), p.searched("ses_1"), p.session_started("ses_1", "cus_1")],
              "erasure": [p.erased("cus_1")]}  # fmt: skip
    written, go_on = threading.Event(), threading.Event()

    def hold(*_):
        written.set()
        assert go_on.wait(60)

    slow = threading.Thread(
        target=lambda: first.land(*events["account" if last == "erasure" else "erasure"], admit=hold)
    )
    quick = threading.Thread(target=lambda: second.land(*events[last]))
    slow.start()
    assert written.wait(60)
    quick.start()
    deadline = time.monotonic() + 60
    while p.rows(settings, "select count(*) from pg_locks where locktype = 'advisory' and not granted") == [(0,)]:
        assert quick.is_alive() and time.monotonic() < deadline, "the second one must wait"
        time.sleep(0.02)
    go_on.set()
    slow.join(60)
    quick.join(60)
    assert subjects(first) == []
    first.close()
    second.close()


def test_a_writer_that_fell_silent_does_not_hold_up_an_erasure(road):
    other = p.Road(road.settings, 1)
    with contextlib.suppress(psycopg.OperationalError), other.connection.transaction():
        keep_apart(other.connection, People(named={"cus_1"}), letters=False)
        road.connection.execute("set lock_timeout = '500ms'")
        time.sleep(0.6)  # silent is who has been so for longer than that
        road.land(p.created("cus_1"), p.erased("cus_1"))
    assert subjects(road) == [] and other.connection.broken
    other.close()


def letter_about(customer, **changes):
    """An event that lacks something, so that it cannot land."""
    bad = p.created(customer) | changes
    del bad["data"]["locale"]
    return "shop.customers", json.dumps(bad).encode()


@pytest.mark.parametrize("first", ["letter", "erasure"])
def test_letters_that_mention_the_customer_lose_their_content_on_record(road, first):
    steps = {"letter": [letter_about("cus_1"), letter_about("cus_11")], "erasure": [p.erased("cus_1")]}
    road.land(*steps[first])
    if first == "letter":
        assert p.places_with(road.settings) == {"ops.dead_letters": 2}
    road.land(*steps["erasure" if first == "letter" else "letter"])
    mine, others = p.rows(road.settings, LETTERS + " order by dead_letter_id")
    assert mine == ("discarded", None, None, None, [], True)
    assert others[0] == "open" and others[2] is not None, "cus_11 is somebody else"
    ((action, outcome, reason, detail),) = p.rows(
        road.settings, "select action, outcome, reason, detail from ops.dead_letter_actions"
    )
    assert (action, outcome, reason) == ("discard", "discarded", "erased")
    assert detail["bytes"] == len(steps["letter"][0][1]) and len(detail["sha256"]) == 64
    ((error_class, path, offset),) = p.rows(
        road.settings, 'select error_class, schema_path, "offset" from ops.dead_letters where erased_at is not null'
    )
    assert (error_class, path, offset) == ("data_invalid", "$.data", 0 if first == "letter" else 1)
    assert reconcile(road.settings).holds


def test_a_letter_that_knows_the_customer_by_the_address_alone_goes_too(road):
    order = p.ordered("ord_1", "cus_2")
    order["data"]["customer_id"] = p.PLANTED[2]
    road.land(p.created("cus_1"), ("shop.orders", json.dumps(order).encode()))
    road.land(p.erased("cus_1"))
    assert p.places_with(road.settings) == {}


@pytest.mark.parametrize(
    "value",
    [
        b'{"subject": "cus_1", "broken',
        "ü cus_1.\nü".encode(),
        b"\xff\xfecus_1\x00",
        b"id=cus_1;name=Plantedgiven",
        b'"{\\"customer_id\\":\\"cus_1\\"}"',
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_a_customer_is_found_in_any_bytes(road, value, late):
    steps = [[("shop.web", value)], [p.erased("cus_1")]]
    for step in reversed(steps) if late else steps:
        road.land(*step)
    assert p.rows(road.settings, LETTERS) == [("discarded", None, None, None, [], True)]


@pytest.mark.parametrize("value", [b"cus_12", b"xcus_1", b"a-cus_1", b"cus_1-2", b"cus_1.b", b"nothing"])
@pytest.mark.parametrize("late", [False, True])
def test_a_letter_about_somebody_else_is_left_alone(road, value, late):
    steps = [[("shop.web", value)], [p.erased("cus_1")]]
    for step in reversed(steps) if late else steps:
        road.land(*step)
    ((status, _, content, _, _, is_erased),) = p.rows(road.settings, LETTERS)
    assert (status, content, is_erased) == ("open", value, False)


def test_an_erased_letter_is_not_taken_up_again_and_says_why(road):
    road.land(letter_about("cus_1"), p.erased("cus_1"))
    ((letter,),) = p.rows(road.settings, "select dead_letter_id from ops.dead_letters")
    report = reopen(road.settings, select(ids=[letter]), actor="test")
    assert (report.reopened, report.erased) == (0, 1)
    with pytest.raises(ShopError, match="discarded"):
        fix_one(road.settings, letter, b"{}", actor="test")
    assert any("asked to be forgotten" in line for line in detail_lines(details(road.settings, letter)))


def test_a_letter_whose_event_has_landed_is_settled_as_a_duplicate_after_all(road):
    account = p.created("cus_1")
    broken = letter_about("cus_1", id=account["id"])[1]
    road.land(("shop.customers", broken))
    with connect(road.settings, Role.ADMIN) as admin:
        admin.execute("update ops.dead_letters set event_id = %s", [account["id"]])
    road.land(account)
    road.land(p.erased("cus_1"))
    assert p.rows(road.settings, LETTERS) == [("open", None, None, None, [], True)]
    assert replay(road.settings, select(), actor="test").duplicates == 1
    assert p.rows(road.settings, "select status from ops.dead_letters") == [("replayed",)]


def test_a_replayed_letter_of_the_forgotten_lands_without_them_and_keeps_no_content(road):
    road.land(("shop.customers", b"{garbled"), p.erased("cus_1"))
    ((letter, known_by),) = p.rows(road.settings, "select dead_letter_id, event_id::text from ops.dead_letters")
    fix_one(road.settings, letter, json.dumps(p.created("cus_1") | {"id": known_by}).encode(), actor="test")
    assert replay(road.settings, select(), actor="test").landed == 1
    assert p.places_with(road.settings) == {}
    assert p.rows(road.settings, LETTERS) == [("replayed", None, None, None, [], True)]
    assert reconcile(road.settings).holds


def test_an_erasure_that_is_replayed_erases(road):
    bad = p.erased("cus_1")
    del bad["data"]["reason"]
    road.land(p.created("cus_1"), ("shop.customers", json.dumps(bad).encode()))
    ((letter, known_by),) = p.rows(road.settings, "select dead_letter_id, event_id::text from ops.dead_letters")
    assert subjects(road) == ["cus_1"], "a dead letter erases nobody"
    fix_one(road.settings, letter, json.dumps(p.erased("cus_1") | {"id": known_by}).encode(), actor="test")
    replay(road.settings, select(), actor="test")
    assert subjects(road) == []


def test_after_a_restore_everything_is_erased_again(road):
    stories = [event for number in range(3) for event in story(number)]
    road.land(*stories, p.created("cus_other"))
    with connect(road.settings, Role.ADMIN) as admin:  # what an older backup brings back
        admin.execute(
            "insert into pii.personal_data (event_id, event_type, subject, customer_id, event_time, data)"
            " select event_id, event_type, subject, subject, event_time,"
            " jsonb_build_object('email', 'planted@private.example')"
            " from raw.customers where event_type like '%created%' and subject <> 'cus_other' union all"
            " select event_id, event_type, subject, null, event_time,"
            " jsonb_build_object('query', 'planted wish') from raw.web"
            " where event_type like '%searched%'"
        )
        admin.execute("truncate pii.erased_sessions")
        for value in (b"about cus_2 ...", b"planted@private.example", b"about cus_other"):
            admin.execute(
                'insert into ops.dead_letters (topic_id, topic, partition, "offset", message_value, error_class, error)'
                " values (%s, 'shop.web', 0, 1, %s, 'not_json', 'no JSON')",
                [str(uuid.uuid4()), value],
            )
    assert vars(reapply(road.settings)) == {"customers": 3, "personal_data": 9, "dead_letters": 2}
    assert subjects(road) == ["cus_other"]
    assert p.rows(road.settings, "select message_value from ops.dead_letters where erased_at is null") == [
        (b"about cus_other",)
    ]
    assert vars(reapply(road.settings)) == {"customers": 3, "personal_data": 0, "dead_letters": 0}
