"""What a list says of dead letters: a sentence for each cause, without what differs from letter to letter."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from shop_platform.dead_letters.listing import Group
from shop_platform.dead_letters.render import group_lines, replay_lines
from shop_platform.dead_letters.reports import ReplayReport
from shop_platform.events.sentences import _RULES
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import START


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("`name` must have at most 500 characters", "`name` must have at most 500 characters"),
        ("`quantity` must be at least -1000000", "`quantity` must be at least -1000000"),
        ("`lines` must have at least 1 entries", "`lines` must have at least 1 entries"),
        ("`specversion` must be the text 1.0, not '0.3'", "`specversion` must be the text 1.0, not '...'"),
        ("the message has 1200345 bytes, more than 1000000", "the message has N bytes, more than 1000000"),
        ("JSON is malformed: invalid character (byte 17)", "JSON is malformed: invalid character (byte N)"),
        ("`line_number` 3 stands twice in the order", "`line_number` N stands twice in the order"),
        ("`tax` is '1.23', but the sum of the lines is '4.56'", "`tax` is '...', but the sum of the lines is '...'"),
        ('value "1e400000" is out of range', 'value "..." is out of range'),
        ("`at` must be a time as RFC-3339 writes it", "`at` must be a time as RFC-3339 writes it"),
    ],
)  # fmt: skip
def test_a_reason_loses_what_differs_from_letter_to_letter_and_keeps_the_bounds_of_the_contract(
    warehouse, error, sentence
):
    assert in_general(warehouse.settings, error) == sentence


def test_the_reason_of_a_retraction_is_shown_as_it_was_given(warehouse):
    because = "taken back by me: 10 times its 'sum', ticket 17"
    assert in_general(warehouse.settings, because, "retracted") == because


def test_every_rule_of_the_contract_keeps_its_bounds_in_the_list(warehouse):
    for rule in _RULES.values():
        # An example stands in quotation marks, like what was found.
        general = re.sub("'.*?'", "'...'", rule)
        assert in_general(warehouse.settings, f"`it` must be {rule}") == f"`it` must be {general}"


def in_general(settings, error, error_class="data_invalid"):
    """Return what the list shows of a letter with this reason."""
    with connect(settings, Role.INGEST) as connection:
        ((told,),) = connection.execute(
            'insert into ops.dead_letters (topic_id, topic, partition, "offset", error_class, error)'
            " values ('t', 'shop.web', 0, 0, %s, %s) returning error_sentence",
            [error_class, error],
        ).fetchall()
        connection.rollback()
    return told


def test_one_letter_is_told_as_one():
    group = Group(1, 1, 0, 0, 0, 0, "not_json", "shop.web", None, None, "no", START, START, 1, 1, 7)
    assert list(group_lines([group]))[-1] == "        1  dead letter, 1 cause"
    told = "\n".join(group_lines([replace(group, letters=2)]))
    assert "1 of them came more than" in told and "1 of them carries an event id" in told
    assert "2 of them carry an event id" in "\n".join(group_lines([replace(group, letters=3, with_id=2)]))
    assert next(replay_lines(ReplayReport(landed=1), dry_run=False)).startswith("1 letter: 1 landed,")
