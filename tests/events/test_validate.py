"""A producer's file is judged as the ingestion would judge its messages."""

from __future__ import annotations

import contextlib
import json
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from shop_platform.errors import ShopError
from shop_platform.events.decode import CONTRACT, ContractViolation
from shop_platform.events.modes import BATCH_SENTENCE
from shop_platform.events.registry import TOPIC_OF_TYPE
from shop_platform.events.validate import judge
from shop_platform.landed_events.cli import app
from tests.events.test_repeated_names import history
from tests.support.events import page_view


def lines(*events):
    return "\n".join(json.dumps(each) for each in events).encode()


def test_what_the_simulated_shop_emits_is_right_in_every_form_of_a_file():
    events = [json.loads(value) | {"id": str(uuid4())} for _, value in history().values()]
    for text in (lines(*events), json.dumps(events).encode(), json.dumps(events, indent=2).encode()):
        found = judge(CONTRACT, text)
        assert (found.events, found.wrong, found.repeated) == (len(events), [], 0)
        assert set(found.types) == set(history())


def test_what_is_wrong_is_told_with_its_place_and_the_sentence_of_the_ingestion():
    wrong = page_view(2) | {"time": "yesterday"}
    found = judge(CONTRACT, b"\n" + lines(page_view(1), wrong, {"type": "order.made"}) + b"\ngarbage\n")
    assert [each.place for each in found.wrong] == ["line 3", "line 4", "line 5"]
    with pytest.raises(ContractViolation) as told:
        CONTRACT.decode(json.dumps(wrong).encode(), TOPIC_OF_TYPE[wrong["type"]].name)
    assert (found.wrong[0].reason, found.wrong[0].path) == (str(told.value), told.value.path)


def test_a_type_that_is_sent_to_another_topic_is_wrong_there():
    (wrong,) = judge(CONTRACT, lines(page_view(1)), "shop.orders").wrong
    assert wrong.error_class == "wrong_topic"


def test_an_id_that_comes_again_repeats_the_event_or_is_of_another_one():
    first = page_view(1)
    other = first | {"time": "2026-03-01T08:59:59Z"}
    found = judge(CONTRACT, lines(first, dict(reversed(first.items())), other))
    assert found.repeated == 1
    assert [(each.place, each.error_class) for each in found.wrong] == [("line 3", "id_reused")]


def test_an_array_that_does_not_close_is_refused_whole():
    with pytest.raises(ShopError, match="begins with `\\[`, and is not a JSON document: it ends too early"):
        judge(CONTRACT, b"[{}, ")


def test_the_command_reads_standard_input_and_its_exit_code_says_whether_all_are_right(tmp_path):
    right, nothing = tmp_path / "right.ndjson", tmp_path / "nothing.ndjson"
    right.write_bytes(lines(page_view(1)))
    nothing.write_bytes(b"\n")
    run = CliRunner().invoke
    assert run(app, ["validate", str(right)]).exit_code == 0
    assert run(app, ["validate", str(nothing)]).exit_code == 1, "an empty file is a mistake of who wrote it"
    told = run(app, ["validate", "--json"], input=b"{}\n")
    assert (told.exit_code, json.loads(told.stdout)["wrong"][0]["place"]) == (1, "line 1")


def with_number(number, sent):
    """Return a right event with a further field of its own that holds this number."""
    return json.dumps(sent).replace('"data": {', f'"data": {{"weight": {number}, ').encode()


def test_a_number_of_any_size_gets_a_verdict_and_so_do_the_lines_around_it():
    sent, other = page_view(1), page_view(2)
    text = b"\n".join([with_number("1e309", sent), with_number("1e400000", other), b"{", with_number("1e309", sent)])
    found = judge(CONTRACT, text)
    assert (found.events, found.repeated) == (4, 1), "a number beyond a float lands"
    assert [(each.place, each.error_class, each.path) for each in found.wrong] == [
        ("line 2", "database_rejected", "$.data.weight"),
        ("line 3", "not_json", None),
    ]
    assert found.wrong[0].reason.startswith("`weight` holds a number that PostgreSQL cannot store: it has more than")
    pretty = json.dumps(sent, indent=1).replace('"data": {', '"data": {"weight": 1e309,').encode()
    assert (judge(CONTRACT, pretty).events, judge(CONTRACT, pretty).wrong) == (1, [])
    array = b"[" + with_number("1e309", sent) + b"," + with_number("1.5e309", sent) + b"]"
    assert [each.error_class for each in judge(CONTRACT, array).wrong] == ["id_reused"], "compared as exactly"
    deep = with_number("[" * 900 + "]" * 900, sent)
    assert judge(CONTRACT, deep + b"\n" + deep).repeated == 1


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"[", b"\n", b'{"type": "\xff"}', b'["\xff"]', b"1e999"])))
def test_no_file_ends_the_judgement_with_a_traceback(pieces):
    for text in (b"".join(pieces), b"\n".join(pieces)):
        with contextlib.suppress(ShopError):
            judge(CONTRACT, text)


def test_a_line_that_is_a_batch_is_told_as_the_ingestion_tells_it():
    batch = json.dumps([page_view(1), page_view(2)]).encode()
    for text in (lines(page_view(3)) + b"\n" + batch, batch + b"\n" + lines(page_view(3))):
        found = judge(CONTRACT, text)
        assert (found.events, [each.reason for each in found.wrong]) == (2, [BATCH_SENTENCE])
    assert judge(CONTRACT, batch).types.total() == 2, "a file that is one array is a list of events"
