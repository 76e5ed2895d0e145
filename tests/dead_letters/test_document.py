"""A document is changed where it was asked for and nowhere else, and shown safely."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_platform.dead_letters.document import Number, dump, find_line, lines, parse, read_path, set_value, unset_value
from shop_platform.dead_letters.edits import difference, read_edits
from shop_platform.dead_letters.letters import stored_headers
from shop_platform.dead_letters.visible import hex_dump, one_line, printable, show_value
from shop_platform.errors import ShopError
from shop_platform.ingest.bury import headers_json

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_a_document_that_is_read_and_written_is_the_same(document):
    assert json.loads(dump(parse(json.dumps(document).encode()))) == document
    assert json.loads("\n".join(line.text for line in lines(parse(json.dumps(document).encode())))) == document


@pytest.mark.parametrize(
    "text", ['{"a":1.50,"b":1e400000,"c":-0,"d":12345678901234567890}', '{"a":1,"a":2}', '["\\ud800"]']
)
def test_numbers_repeated_names_and_halves_of_surrogates_stay_as_written(text):
    assert dump(parse(text.encode())).decode() == text


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"[" * 100_000, b"[" * 300 + b"]" * 300])
def test_what_is_no_document_is_no_document(value):
    with pytest.raises(ValueError):
        parse(value)


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), documents, max_size=4), documents)
def test_a_change_leaves_everything_else_alone(document, value):
    tree = parse(json.dumps(document).encode())
    assert set_value(tree, ("a",), parse(json.dumps(value).encode()))
    assert json.loads(dump(tree)) == document | {"a": value}
    assert unset_value(tree, ("a",))
    assert json.loads(dump(tree)) == {name: each for name, each in document.items() if name != "a"}


def test_places_in_lists_and_places_that_are_not_there():
    tree = parse(b'{"data":{"lines":[{"price":"1"},{"price":"2"}]}}')
    assert set_value(tree, read_path("$.data.lines[1].price"), Number("3"))
    assert not set_value(tree, read_path("$.data.lines[2].price"), Number("3"))
    assert not set_value(tree, read_path("$.nowhere.price"), Number("3"))
    assert unset_value(tree, read_path("$.data.lines[0]"))
    assert not unset_value(tree, read_path("$.data.lines.price"))
    assert dump(tree) == b'{"data":{"lines":[{"price":3}]}}'


@pytest.mark.parametrize("text", ["data.page", "$", "$.", "$.a[x]", "$.a..b", "", "$a"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ShopError, match="is not a path"):
        read_path(text)


@pytest.mark.parametrize("text", ["$.data.page", "$.data.page=sale", "$.data.page="])
def test_what_sets_no_value_is_refused(text):
    with pytest.raises(ShopError, match="double quotes"):
        read_edits([text], [], give_id=False)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.data.lines[1].price", '"price": "x"'),
        ("$.data.lines[...].price", '"price": "1"'),
        ("$.data.lines[7].price", '"lines": ['),
        ("$.data.page", '"data": {'),
        ("$", "{"),
        ("key` in `$.data", None),
        (None, None),
    ],
)
def test_the_faulty_place_is_found_or_else_its_nearest_parent(path, found):
    document = list(lines(parse(b'{"id":"1","data":{"lines":[{"price":"1"},{"price":"x"}]}}')))
    number = find_line(document, path)
    assert (None if number is None else document[number].text.strip()) == found


def test_a_value_is_shown_with_its_fault_marked():
    value = json.dumps({"id": "1", "data": {"page": 7, "note": "Grüße"}}).encode()
    shown = show_value(value, "Expected `str`, got `int`", "$.data.page")
    assert [line for line in shown if line.startswith(">>")] == ['>>     "page": 7,']
    assert any("Grüße" in line for line in shown)
    torn = show_value(b'{"id": "1", "data": {"pa', "Input data was truncated (byte 24)", None)
    assert torn[-1].startswith('>> byte 24: {"id": "1", "data": {"pa >>HERE>>')
    assert show_value(None, "", None) == show_value(b"", "", None) == ["(no value)"]
    bad = show_value(b"x" * 700 + b"\xff" + b"y" * 900, "invalid UTF-8 at byte 700", None)
    assert any(line.startswith(">> 000002b0") for line in bad) and "more bytes" in bad[-1]


def test_what_is_shown_is_bounded():
    many = show_value(json.dumps(list(range(100_000))).encode(), "", "$[50000]")
    assert len(many) < 130 and any(line.startswith(">>") and "50000" in line for line in many)
    for value in (b"x" * 100_000, b'"' + b"x" * 99_998 + b'"', "é".encode() * 100_000):
        (line,) = show_value(value, "", None)
        assert len(line) < 600 and line.endswith("... (100,000 characters; --raw shows all)")
    assert len(show_value(b"x\n" * 5_000, "", None)) < 130
    assert show_value(b"x\n" * 121, "", None, "--json")[-1] == "... 1 line more (--json shows all)"
    short = json.dumps({"note": "x" * 400}).encode()
    assert "more" not in "".join(show_value(short, "", None)) and "x" * 400 in "".join(show_value(short, "", None))
    assert len(hex_dump(bytes(5_000_000))) < 50


@given(st.text())
def test_nothing_a_terminal_would_obey_is_printed(text):
    shown = printable(text)
    for character in shown:
        assert character in "\n\t" or not (ord(character) < 32 or 127 <= ord(character) < 160 or character == "\u202e")
    shown.encode()
    assert "\n" not in one_line(text)


def test_a_difference_shows_the_changed_lines():
    assert difference(b'{"a":1,"b":2}', b'{"a":1,"b":3}') == ['   "a": 1,', '-  "b": 2', '+  "b": 3', " }"]


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), st.none() | st.binary())
    )
)
def test_headers_come_back_as_they_came_from_kafka(headers):
    assert stored_headers(json.loads(headers_json(headers))) == headers
