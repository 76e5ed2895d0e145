"""The feed for producers: whose letters, in which words, in which order, and what it never shows."""

from __future__ import annotations

import json

import pytest

from shop_platform.dead_letters import feed
from shop_platform.dead_letters.selection import select
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dead_letters.test_desk_cli import desk, printed
from tests.dead_letters.wire import broken, query
from tests.support.events import page_view


@pytest.fixture
def sent(wire):
    """Two producers with three kinds of mistakes, and a message that is nobody's."""
    for number in range(3):
        bad, _ = broken(number, source="/shop/web")
        bad["data"]["visitor_id"] = "vis_secret"
        wire.send(bad, bad["id"])
    wire.send(page_view(7, source="/shop/app") | {"type": "shop.web.page_viewed.v99"}, header=False)
    wire.send(page_view(8, source="/shop/app?user=ada@example.com") | {"subject": ""}, header=False)
    wire.send(b"{", header=False)
    wire.deliver()
    return wire


def test_a_team_reads_its_letters_by_source_and_type_with_reasons_in_words(sent):
    told = desk(sent, "feed").stdout.decode()
    assert "/shop/web  shop.web.page_viewed.v1\n        3  data_invalid  $.data  in shop.web\n" in told
    assert "           `page` is missing\n           all wait; first 20" in told
    assert "/shop/app  shop.web.page_viewed.v99" in told and "-  -\n        1  not_json" in told
    assert "secret" not in told and "ada" not in told and "N" not in told.replace("UTC", "").replace("JSON", "")
    one = desk(sent, "feed", "--source", "/shop/web").stdout.decode()
    assert "3  data_invalid" in one and "/shop/app" not in one
    assert "1  not_json" in desk(sent, "feed", "--source", "-").stdout.decode()


def test_a_cron_job_reads_each_letter_once_and_in_order(sent):
    def poll(*more):
        lines = desk(sent, "feed", "--each", "--json", *more).stdout.decode().splitlines()
        return [json.loads(line) for line in lines]

    everything = poll()
    assert [each["id"] for each in everything] == [1, 2, 3, 4, 5, 6]
    assert everything[0].keys() >= {"source", "event_type", "event_id", "reason", "cause", "cursor", "received_at"}
    read, after = [], []
    while page := poll("--limit", "4", *after):
        read += page
        after = ["--after", page[-1]["cursor"]]
    assert read == everything
    bad, _ = broken(9, source="/shop/web")
    sent.send(bad, bad["id"])
    sent.deliver()
    (new,) = poll(*after)
    assert (new["id"], new["source"], new["cause"]) == (7, "/shop/web", everything[0]["cause"])
    assert poll("--since", "30m", "--source", "/shop/app")[0]["id"] == 4
    assert not poll("--until", "30m")
    assert b"is no place in the feed" in desk(sent, "feed", "--after", "7", expect=2).stderr


def test_a_ci_fails_while_there_is_something(sent):
    desk(sent, "feed", "--source", "/shop/web", "--exit-code", expect=1)
    desk(sent, "discard", 1, 2, 3, "--because", "a client's bug")
    told = desk(sent, "feed", "--source", "/shop/web", "--status", "open", "--exit-code").stdout
    assert told == b"No such dead letters of '/shop/web'.\n"
    assert "none waits any more" in desk(sent, "feed", "--source", "/shop/web").stdout.decode()


def test_the_desk_is_told_whose_letters_too(sent):
    assert [group["letters"] for group in printed(sent, "list", "--source", "/shop/web")["groups"]] == [3]
    assert {each["source"] for each in printed(sent, "list", "--each", "--source", "/shop/app")["letters"]} == {
        "/shop/app"
    }
    assert "from /shop/web, id" in desk(sent, "show", 1).stdout.decode()
    assert printed(sent, "discard", "--source", "-", "--because", "garbage", "--yes")["discarded"] == 1


def test_a_letter_of_a_transaction_that_commits_late_is_not_passed_over(sent):
    settings = sent.settings
    add = (
        'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error)'
        " values ('late', 'shop.web', 9, %s, 'not_json', 'no')"
    )
    with connect(settings, Role.INGEST) as slow, connect(settings, Role.INGEST, autocommit=True) as quick:
        slow.execute(add, [1])
        quick.execute(add, [2])
        before = feed.each(settings, select(status="all"))
        assert [each.id for each in before] == [1, 2, 3, 4, 5, 6], "the quick one waits for the slow one"
        slow.commit()
    after = feed.each(settings, select(status="all"), after=before[-1].cursor)
    assert [each.offset for each in after] == [1, 2]


def test_what_a_person_took_back_is_no_mistake_of_a_producer(wire):
    query(
        wire.settings,
        'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error, status)'
        " values ('t', 'shop.web', 9, 1, 'retracted', 'taken back by ada: x', 'retracted') returning 1",
    )
    assert feed.each(wire.settings, select(status="all")) == []


def test_a_source_that_never_sent_a_letter_is_told_apart_from_one_whose_letters_are_gone(wire):
    def told(status="all", **filters):
        return list(feed.nothing_lines(wire.settings, select(status=status, **filters)))

    assert told() == ["No dead letters."]
    assert "none of any other source either" in told(source="/nope")[1]
    for number in range(6):
        bad, _ = broken(number, source=f"/shop/{number}")
        wire.send(bad, bad["id"])
    wire.deliver()
    first, second = desk(wire, "feed", "--source", "/nope", "--exit-code").stdout.decode().splitlines()
    assert first == "No dead letters of '/nope'."
    assert "knows no letter of that source at all: it has letters of '/shop/0', '/shop/1'," in second
    assert "'/shop/4' and 1 more." in second and "/shop/5" not in second
    assert told("discarded", source="/shop/1") == ["No such dead letters of '/shop/1'."]
    assert told(source="-") == ["No dead letters without a source."]
    assert told(error_class="not_json") == ["No such dead letters."]


def test_an_id_that_was_used_again_is_told_and_stays_no_name_of_the_letter(wire):
    sent = page_view(1, source="/nordkap/checkout")
    for title in ("a", "b"):
        changed = json.dumps(sent).replace('"data": {', f'"data": {{"weight": 1e309, "title": "{title}", ')
        wire.send(changed.encode(), header=False)
    huge = json.dumps(page_view(2, source="/nordkap/checkout")).replace('"data": {', '"data": {"weight": 1e400000, ')
    wire.send(huge.encode(), header=False)
    wire.deliver()
    reused, rejected = sorted(
        feed.each(wire.settings, select(source="/nordkap/checkout", status="all")), key=lambda each: each.offset
    )
    assert (reused.error_class, str(reused.event_id)) == ("id_reused", sent["id"])
    assert (rejected.error_class, rejected.schema_path) == ("database_rejected", "$.data.weight")
    assert rejected.reason.startswith("`weight` holds a number that PostgreSQL cannot store")
    assert query(wire.settings, "select event_id from ops.dead_letters where error_class = 'id_reused'") == [(None,)]
    assert f"event {sent['id']}" in desk(wire, "feed").stdout.decode()
    assert f"id {sent['id']}," in desk(wire, "show", reused.id).stdout.decode()
