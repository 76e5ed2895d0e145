"""The published contract is what the code enforces."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from shop_platform.events.decode import ContractViolation, decode
from shop_platform.events.publish import CONTRACT_DIR, asyncapi, documents, event_schema, main
from shop_platform.events.registry import EVENT_TYPES, TOPICS
from tests.support.events import page_view


def test_the_committed_contract_is_up_to_date():
    assert main(["--check"]) == 0


def test_a_stale_or_stray_file_is_noticed_and_mended(tmp_path, capsys):
    main([], tmp_path)
    assert main(["--check"], tmp_path) == 0
    (tmp_path / "asyncapi.json").write_text("{}")
    (tmp_path / "stray.json").write_text("{}")
    assert main(["--check"], tmp_path) == 1
    assert "asyncapi.json, stray.json" in capsys.readouterr().err
    main([], tmp_path)
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("name", sorted(EVENT_TYPES))
def test_each_schema_is_a_valid_json_schema(name):
    Draft202012Validator.check_schema(event_schema(EVENT_TYPES[name]))


@pytest.mark.parametrize(
    "change",
    [{}, {"time": "soon"}, {"data": {}}, {"subject": "a b"}, {"extension": 1}, {"specversion": "2"}, {"id": None}],
)
def test_schema_and_decoder_agree(change):
    sent = page_view(1) | change
    validator = Draft202012Validator(
        event_schema(EVENT_TYPES["shop.web.page_viewed.v1"]), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    try:
        decode(json.dumps(sent).encode(), "shop.web")
        accepted = True
    except ContractViolation:
        accepted = False
    if change == {"time": "soon"}:
        assert not accepted  # the JSON Schema format `date-time` is only checked where a library for it is installed
    else:
        assert validator.is_valid(sent) == accepted


def test_asyncapi_names_every_topic_and_every_file_it_points_to():
    document = asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in TOPICS}
    for message in document["components"]["messages"].values():
        assert message["payload"]["schema"]["$ref"].removeprefix("./") in documents()
    assert (CONTRACT_DIR / "asyncapi.json").exists()
