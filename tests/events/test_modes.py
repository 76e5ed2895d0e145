"""An event in binary mode is the event that structured mode would tell; a batch is refused in words."""

from __future__ import annotations

import json

import pytest

from shop_platform.events.decode import CONTRACT, ContractViolation, ErrorClass
from shop_platform.events.modes import structured
from tests.support.events import page_view, refund

ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject")


def binary(sent, **changes):
    """Return value and headers of an event in binary mode; ``changes`` replace headers (``None``: leave out)."""
    headers = {f"ce_{name}": sent[name] for name in ATTRIBUTES} | {"content-type": "application/json"} | changes
    pairs = [(name.replace("content_type", "content-type"), text) for name, text in headers.items() if text is not None]
    return json.dumps(sent["data"]).encode(), [(name, text.encode()) for name, text in pairs]


def violation(value, headers, topic="shop.web"):
    with pytest.raises(ContractViolation) as caught:
        CONTRACT.decode_message(value, headers, topic)
    return caught.value


@pytest.mark.parametrize(("sent", "topic"), [(page_view(1), "shop.web"), (refund(2), "shop.returns")])
def test_binary_mode_is_read_like_structured_mode(sent, topic):
    for _ in range(2):  # the strict way, then the quick one
        assert CONTRACT.decode_message(*binary(sent), topic) == CONTRACT.decode(json.dumps(sent).encode(), topic)


def test_what_is_wrong_with_an_event_in_binary_mode_is_told_as_of_any_other():
    sent = page_view(1)
    for changes, error_class, path, words in (
        ({"ce_time": "yesterday"}, ErrorClass.ENVELOPE_INVALID, "$.time", "`time` must be a time"),
        ({"ce_subject": None}, ErrorClass.ENVELOPE_INVALID, "$", "`subject` is missing"),
        ({"ce_type": "shop.web.page_viewed.v7"}, ErrorClass.UNKNOWN_VERSION, "$.type", "version 7"),
        ({"content-type": "text/xml"}, ErrorClass.ENVELOPE_INVALID, "$.datacontenttype", "application/json"),
    ):
        found = violation(*binary(sent, **changes))
        assert (found.error_class, found.path) == (error_class, path), changes
        assert words in str(found)
    value, headers = binary(sent)
    found = violation(b'{"session_id": 7}', headers)
    assert (found.error_class, found.path) == (ErrorClass.DATA_INVALID, "$.data.session_id")
    assert violation(b"<xml/>", headers).error_class is ErrorClass.NOT_JSON
    assert violation(b"", headers).error_class is ErrorClass.EMPTY
    broken = [(name, b"\xff" if name == "ce_source" else text) for name, text in headers]
    assert "`source` is missing" in str(violation(value, broken))


def test_the_headers_that_our_own_structured_events_repeat_are_not_binary_mode():
    sent = page_view(1)
    headers = [("ce_id", sent["id"].encode()), ("ce_time", sent["time"].encode())]
    assert "`specversion` is missing" in str(violation(json.dumps(sent["data"]).encode(), headers))
    whole = json.dumps(sent | {"source": "a b"}).encode()
    marked = [*binary(sent)[1][:-1], ("content-type", b"application/cloudevents+json; charset=utf-8")]
    assert structured(whole, marked) is None
    assert "`source`" in str(violation(whole, marked))
    # Corrected at the desk, a letter keeps the headers that it came with.
    assert CONTRACT.decode_message(json.dumps(sent).encode(), binary(sent)[1], "shop.web").subject == sent["subject"]
    assert structured(json.dumps(sent).encode(), binary(sent)[1]) is None


def test_a_batch_is_refused_in_words():
    value = json.dumps([page_view(1), page_view(2)]).encode()
    for headers in ([], [("content-type", b"application/cloudevents-batch+json; charset=UTF-8")]):
        found = violation(value, headers)
        assert (found.error_class, found.path) == (ErrorClass.ENVELOPE_INVALID, "$")
        assert "send each event as a message of its own" in str(found)


def test_headers_in_the_spelling_of_http_are_named():
    sent = page_view(1)
    value, headers = binary(sent)
    http = [(name.replace("ce_", "ce-"), text) for name, text in headers]
    found = violation(value, http)
    assert (found.error_class, found.path) == (ErrorClass.ENVELOPE_INVALID, "$")
    assert str(found).startswith("`specversion` is missing; headers that begin with `ce-` are those of HTTP")
    assert "HTTP" not in str(violation(json.dumps(sent | {"source": "a b"}).encode(), http)), "it has its attributes"
    assert CONTRACT.decode_message(json.dumps(sent).encode(), http, "shop.web").subject == sent["subject"]


@pytest.mark.parametrize(
    "given",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/x.shop+json",
    ],
)
def test_any_json_media_type_is_read(given):
    assert (
        CONTRACT.decode(json.dumps(page_view(1, datacontenttype=given)).encode(), "shop.web").datacontenttype == given
    )
