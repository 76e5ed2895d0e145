"""What is no JSON document is told in words: what stands there, where, and what to send instead."""

from __future__ import annotations

import json
from itertools import count

import pytest

from shop_platform.events.decode import CONTRACT, ContractViolation, ErrorClass
from tests.events.test_modes import binary, violation
from tests.support.events import event, page_view

GOOD = json.dumps(
    event("shop.web.searched.v1", "s", {"session_id": "s", "visitor_id": "v", "query": "q", "results": 3})
)


def told(value, topic="shop.web"):
    with pytest.raises(ContractViolation) as caught:
        CONTRACT.decode(value if isinstance(value, bytes | None) else value.encode(), topic)
    return caught.value


@pytest.mark.parametrize(
    ("value", "error_class", "words"),
    [
        (None, ErrorClass.EMPTY, "no value (a tombstone"),
        (b"", ErrorClass.EMPTY, "no value (no bytes)"),
        (" \n", ErrorClass.NOT_JSON, "nothing but white space"),
        ("\ufeff" + GOOD, ErrorClass.NOT_JSON, "begins with a byte order mark"),
        ("<html>502</html>", ErrorClass.NOT_JSON, "it is HTML or XML, and begins with '<html>502"),
        (b"\x00\x00\x00\x00\x07abc", ErrorClass.NOT_JSON, "Avro"),
        (GOOD.encode("utf-16"), ErrorClass.NOT_UTF8, "it looks like UTF-16"),
        (GOOD.replace('"q"', '"\xe9"').encode("latin-1"), ErrorClass.NOT_UTF8, "invalid UTF-8 at byte"),
        (GOOD + GOOD, ErrorClass.NOT_JSON, f"another document follows the first one at byte {len(GOOD)}"),
        (GOOD + "\n" + GOOD, ErrorClass.NOT_JSON, f"another document follows the first one at byte {len(GOOD) + 1}"),
        (GOOD + "garbage", ErrorClass.NOT_JSON, f"something follows the document at byte {len(GOOD)}: 'garbage'"),
        (GOOD[:-1], ErrorClass.NOT_JSON, "it ends too early"),
        (GOOD.replace("3}", "NaN}"), ErrorClass.NOT_JSON, "`results` is NaN (byte"),
        (GOOD.replace("3}", "-Infinity}"), ErrorClass.NOT_JSON, "`results` is Infinity (byte"),
        (GOOD.replace("3}", "3,}"), ErrorClass.NOT_JSON, "a comma stands before the closing brace"),
        (GOOD.replace("3}", "03}"), ErrorClass.NOT_JSON, "not written as JSON writes it"),
        (GOOD.replace('"q"', r'"\ud800"'), ErrorClass.NOT_JSON, "half of a surrogate pair"),
        (GOOD.replace('"q"', r'"a\ud800b"'), ErrorClass.NOT_JSON, "half of a surrogate pair"),
        (GOOD.replace('"q"', r'"\udc00\ud800"'), ErrorClass.NOT_JSON, "half of a surrogate pair"),
        (r'{"q": "\ud800"}', ErrorClass.NOT_JSON, "half of a surrogate pair"),
        (GOOD.replace('"q"', r'"\q"'), ErrorClass.NOT_JSON, "a backslash"),
        (GOOD.replace('"q"', r'"\u12"'), ErrorClass.NOT_JSON, "not four hexadecimal digits"),
        ("{a: 1}", ErrorClass.NOT_JSON, "the name of a field does not stand in double quotation marks"),
        (GOOD.replace('"q"', '"a\nb"'), ErrorClass.NOT_JSON, "a control character"),
        (GOOD.replace("3}", '3, "x": ' + "[" * 3000 + "]" * 3000 + "}"), ErrorClass.NOT_JSON, "nested too deeply"),
        ("[" + GOOD + "]", ErrorClass.ENVELOPE_INVALID, "must be an object; it is a list of one entry"),
        (GOOD.replace('"q"', r'"a\u0000"'), ErrorClass.FORBIDDEN_CHARACTER, "`query` holds the character NUL"),
        (GOOD.replace('"q"', r'"q", "x": [{"y\u0000": 1}]'), ErrorClass.FORBIDDEN_CHARACTER, "`x[0]` holds"),
    ],
    # A message has an id of its own: the names of the tests would differ from process to process.
    ids=count(),
)
def test_what_is_no_json_is_told_in_words(value, error_class, words):
    found = told(value)
    assert found.error_class is error_class
    assert words in str(found)
    assert not any(word in str(found) for word in ("recursion", "malformed", "truncated", "trailing", "invalid char"))


@pytest.mark.parametrize("number", ["1e999999", "-1e999999", "3.0", "1e400", "9" * 5000, "99999999999999999999", "-1"])
def test_a_number_that_no_field_takes_is_told_with_the_field_and_what_is_right(number):
    found = told(GOOD.replace("3}", number + "}"))
    shown = number if len(number) < 60 else number[:59] + "…"
    assert (found.error_class, found.path) == (ErrorClass.DATA_INVALID, "$.data.results")
    assert str(found) == f"`results` must be a whole number from 0 to 1000000000; it is the number '{shown}'"


def test_another_charset_is_named():
    sent = page_view(1)
    sent["data"]["page"] = "/caf\xe9"
    latin = json.dumps(sent, ensure_ascii=False).encode("latin-1")
    marked = [("content-type", b"application/cloudevents+json; charset=latin1")]
    found = violation(latin, marked)
    assert found.error_class is ErrorClass.NOT_UTF8
    assert str(found).endswith(
        "`content-type` names the charset 'latin1'; JSON is read as UTF-8 only, so name utf-8 or none"
    )
    # What is UTF-8 is read, whatever the header says: headers are not looked at as long as the value is an event.
    CONTRACT.decode_message(json.dumps(sent).encode(), marked, "shop.web")
    value, headers = binary(page_view(1), **{"content-type": "application/json; charset=latin1"})
    for each in (value, value.replace(b"/sale", b"/caf\xe9")):
        found = violation(each, headers)
        assert (found.error_class, found.path) == (ErrorClass.ENVELOPE_INVALID, "$.datacontenttype")
        assert "the charset 'latin1'" in str(found)
