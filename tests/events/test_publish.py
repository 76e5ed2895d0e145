"""The published contract is what the code enforces."""

from __future__ import annotations

import inspect
import json

import pytest
from jsonschema import Draft202012Validator

from shop_platform.events.decode import ContractViolation, decode
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, family
from shop_platform.events.publish import (
    CONTRACT_DIR,
    KEPT,
    PERSONAL,
    SUPERSEDED_BY,
    asyncapi,
    documents,
    event_schema,
    main,
)
from shop_platform.events.registry import EVENT_TYPES, TOPICS
from tests.support.events import REFUNDS, page_view, refund


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
def test_a_description_is_the_same_on_every_python(name):
    """Python 3.13 and later take the indentation from a docstring, earlier ones do not."""
    for definition in event_schema(EVENT_TYPES[name])["$defs"].values():
        assert definition.get("description", "") == inspect.cleandoc(definition.get("description", ""))


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
    assert validator.is_valid(sent) == accepted


def test_asyncapi_names_every_topic_and_every_file_it_points_to():
    document = asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == {topic.name for topic in TOPICS}
    for message in document["components"]["messages"].values():
        assert message["payload"]["schema"]["$ref"].removeprefix("./") in documents()
    assert (CONTRACT_DIR / "asyncapi.json").exists()


def test_personal_fields_are_marked_and_no_others():
    def marked(node, path="", mark=PERSONAL):
        if isinstance(node, dict):
            if node.get(mark):
                yield path
            for name, below in node.items():
                yield from marked(below, name, mark)

    for name, kind in EVENT_TYPES.items():
        wanted = {path.rpartition(".")[2] for path in PERSONAL_FIELDS.get(family(name), ())}
        if name.startswith("shop.customer.updated"):
            wanted.discard("birth_date")  # an update carries none
        assert set(marked(event_schema(kind))) == wanted
        kept = {path.rpartition(".")[2] for path in KEPT_TEXTS.get(family(name), {})}
        assert set(marked(event_schema(kind), mark=KEPT)) == kept


def test_a_superseded_version_says_which_one_to_emit_and_the_newest_says_nothing():
    told = {name: event_schema(kind).get(SUPERSEDED_BY) for name, kind in EVENT_TYPES.items()}
    assert {name: newer for name, newer in told.items() if newer} == {"shop.refund.issued.v1": "shop.refund.issued.v2"}
    assert event_schema(EVENT_TYPES["shop.refund.issued.v1"])["deprecated"] is True
    assert "deprecated" not in event_schema(EVENT_TYPES["shop.refund.issued.v2"])
    messages = asyncapi()["components"]["messages"]
    assert messages["shop.refund.issued.v1"][SUPERSEDED_BY] == "shop.refund.issued.v2"
    assert SUPERSEDED_BY not in messages["shop.refund.issued.v2"]
    accepted = asyncapi()["channels"]["returns"]["messages"]
    assert {"shop.refund.issued.v1", "shop.refund.issued.v2"} <= accepted.keys()


def test_the_schemas_of_both_versions_of_a_refund_refuse_each_others_money():
    sent = {version: refund(version) for version in REFUNDS}
    for schema_of in sent:
        validator = Draft202012Validator(event_schema(EVENT_TYPES[f"shop.refund.issued.v{schema_of}"]))
        for version, document in sent.items():
            as_if = document | {"type": f"shop.refund.issued.v{schema_of}"}
            assert validator.is_valid(as_if) == (version == schema_of)
