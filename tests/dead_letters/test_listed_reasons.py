"""What a list says of dead letters: a sentence for each cause, without what differs from letter to letter."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shop_platform.dead_letters.listing import Group, entries, groups, mixed
from shop_platform.dead_letters.render import group_lines, replay_lines
from shop_platform.dead_letters.reports import ReplayReport
from shop_platform.dead_letters.selection import select
from shop_platform.events import words
from shop_platform.events.sentences import _RULES
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dead_letters.wire import broken, query
from tests.events.every_sentence import every_sentence
from tests.support.events import START, page_view


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("`name` must have at most 500 characters", None),
        ("`delta` must be a whole number from -1000000 to 1000000; it is the number '2000000'",
         "`delta` must be a whole number from -1000000 to 1000000"),
        ("`lines` must be a list of 1 to 1000 entries; it is an empty list", None),
        ("`time` must be a time; it is '2026-03-31', which is a date without a time",
         "`time` must be a time; it is a text which is a date without a time"),
        ("`time` must be a time; it is 'x', but the hours of a day are 00 to 23",
         "`time` must be a time; the hours of a day are 00 to 23"),
        ("`time` must be a time; it is '2026-06-30T23:59:60Z', a leap second, which must be told as second 59",
         "`time` must be a time; it is a leap second, which must be told as second 59"),
        ("`specversion` must be the text `1.0`; it is '0.3'", "`specversion` must be the text `1.0`"),
        ("the message has 1200345 bytes, more than 1000000", None),
        ("not a JSON document: a comma stands before the closing brace (byte 14, near '{\"a\": 1,}')",
         "not a JSON document: a comma stands before the closing brace"),
        ("not a JSON document: it is HTML or XML, and begins with '<html>'", "not a JSON document: it is HTML or XML"),
        ("not a JSON document: something follows the document at byte 7: 'ada@example.com'",
         "not a JSON document: something follows the document"),
        ("invalid UTF-8 at byte 17; it looks like UTF-16", "invalid UTF-8; it looks like UTF-16"),
        ("`lines[1].line_number` is '3', as that of an earlier line; number each line once",
         "`lines[1].line_number` is that of an earlier line; number each line once"),
        ("`tax` is '1.23', but the sum of the lines is '4.56'", "`tax` is not the sum of the lines"),
        ("`lines[0].discount` is '5.00', more than its quantity x unit price '3.00'",
         "`lines[0].discount` is more than its quantity x unit price"),
        ("`shipping` is '1.234', but EUR has two decimals", "`shipping` does not fit: EUR has two decimals"),
        ("subject 'o-1' is not data.order_id 'o-2'", "subject is not data.order_id"),
        ("`time` is '2099-01-01', after '2026-12-01 16:13 UTC', the latest that is taken; is the clock right?",
         "`time` is after the latest that is taken; is the clock right?"),
        ("the header `ce_id` stands twice and says 'a' and 'b'; send it once",
         "the header `ce_id` stands twice; send it once"),
        ("type 'ada.byron' is not in the contract", "type is not in the contract"),
        ("`content-type` names the charset 'latin1'; JSON is read as UTF-8 only",
         "`content-type` names another charset; JSON is read as UTF-8 only"),
        ("the body says id 'a', but the message is known by id 'b'",
         "the body says another id than the message is known by"),
        ('value "1e400000" is out of range', "value is out of range"),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_words_without_what_one_message_says(warehouse, error, sentence):
    assert in_words(warehouse.settings, error) == (sentence or error)
    assert words.in_words(error) == (sentence or error), "halts say the same"


# What is left of a sentence out of which too much was taken.
_TORN = re.compile(r"\bis (but|as|,|;|\.|$)|  | [,;](?: |$)| [.:]$|[,;:]$|['\"]|\(\)|: ;|^$|expected$|\b([a-z]+) \2\b")


def test_every_sentence_of_the_contract_is_one_in_words_too(warehouse):
    reasons = sorted(every_sentence())
    with connect(warehouse.settings, Role.INGEST) as connection:
        told = connection.execute(
            "select ops.reason_in_words('data_invalid', e) from unnest(%s::text[]) with ordinality as t (e, n)"
            " order by n",
            [reasons],
        ).fetchall()
    assert len(reasons) > 300
    for reason, (said,) in zip(reasons, told, strict=True):
        assert words.in_words(reason) == said
        assert not _TORN.search(said), (reason, said)


def test_the_reason_of_a_retraction_is_shown_as_it_was_given(warehouse):
    because = "taken back by me: 10 times its 'sum', ticket 17"
    assert in_words(warehouse.settings, because, "retracted") == because


def test_every_rule_of_the_contract_is_told_whole(warehouse):
    for rule in _RULES.values():
        assert in_words(warehouse.settings, f"`it` must be {rule}; it is 'this'") == f"`it` must be {rule}"


def test_letters_of_one_cause_are_one_group_and_the_bounds_of_the_rule_stay(fresh_warehouse):
    with connect(fresh_warehouse.settings, Role.INGEST) as connection:
        for offset, quantity in enumerate(("0", "100001")):
            connection.execute(
                'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error)'
                " values ('t', 'shop.orders', 0, %s, 'data_invalid', %s)",
                [offset, f"`quantity` must be a whole number from 1 to 100000; it is the number '{quantity}'"],
            )
    (group,) = groups(fresh_warehouse.settings, select())
    assert (group.letters, group.sentence) == (2, "`quantity` must be a whole number from 1 to 100000")
    assert {each.sentence for each in entries(fresh_warehouse.settings, select(), 0)} == {group.sentence}


def in_words(settings, error, error_class="data_invalid"):
    """Return what a person reads of a letter with this reason."""
    with connect(settings, Role.INGEST) as connection:
        return connection.execute("select ops.reason_in_words(%s, %s)", [error_class, error]).fetchone()[0]


def test_one_letter_is_told_as_one():
    group = Group(1, 1, 0, 0, 0, 0, "not_json", "shop.web", None, None, "no", START, START, 1, 1, 7)
    assert list(group_lines([group]))[-1] == "        1  dead letter, 1 cause"
    told = "\n".join(group_lines([replace(group, letters=2)]))
    assert "1 of them came more than" in told and "1 of them carries an event id" in told
    assert "2 of them carry an event id" in "\n".join(group_lines([replace(group, letters=3, with_id=2)]))
    assert next(replay_lines(ReplayReport(landed=1), dry_run=False)).startswith("1 letter: 1 landed,")


def test_letters_with_one_cause_are_one_group_whatever_their_values(settings, wire):
    for number in range(5):
        view = page_view(number)
        wire.send(view | {"subject": f"other_{number}"}, view["id"])
    bad, _ = broken()
    wire.send(bad, bad["id"])
    for place in (0, 12):
        wire.send(b"x" * place + b"\xff")
    wire.deliver()
    first, torn, second = groups(settings, select())
    assert (first.letters, first.error_class, first.schema_path) == (5, "subject_mismatch", "$.subject")
    assert first.sentence == "subject is not data.session_id"
    assert (torn.letters, torn.sentence) == (2, "invalid UTF-8")
    assert (second.letters, second.event_type, second.example) == (1, "shop.web.page_viewed.v1", 6)
    assert first.first_seen <= first.last_seen


def test_an_order_among_the_garbage_of_a_burst_is_shown_apart_and_the_example_is_garbage(settings, wire):
    wire.send(b"a real order, torn", "0190a0b0-0000-7000-8000-000000000001")
    for number in range(9):
        wire.send(b"garbage %d" % number, header=False)
    wire.deliver()
    (group,) = groups(settings, select(error_class="not_json"))
    assert (group.letters, group.with_id, group.earlier, mixed([group])) == (10, 1, 0, True)
    query(
        settings,
        "update ops.dead_letters set received_at = received_at - interval '1 hour' where dead_letter_id = 1"
        " returning 1",
    )
    (group,) = groups(settings, select(error_class="not_json"))
    assert (group.earlier, group.example) == (1, 5)
    assert "1 of them came more than ten minutes before" in "\n".join(group_lines([group]))
    assert len(entries(settings, select(until="30m"), 0)) == 1 and len(entries(settings, select(since="30m"), 0)) == 9
    assert not mixed(groups(settings, select(since="30m")))
