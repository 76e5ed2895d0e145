"""The published contract is what the code enforces."""

from __future__ import annotations

import inspect
import json

import pytest
from jsonschema import Draft202012Validator

from shop_platform.events.async_api import KEPT, PERSONAL, SUPERSEDED_BY, asyncapi
from shop_platform.events.decode import CONTRACT, ContractViolation, decode
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS, family
from shop_platform.events.publish import CONTRACT_DIR, documents, event_schema, main
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
        file, _, below = message["payload"]["schema"]["$ref"].removeprefix("./").partition("#")
        assert file in documents()
        assert below in {"", "/properties/data"}
    assert (CONTRACT_DIR / "asyncapi.json").exists()


def referred(document, node):
    """Yield what every reference within the document leads to."""
    if isinstance(node, dict):
        if node.get("$ref", "").startswith("#/"):
            found = document
            for step in node["$ref"][2:].split("/"):
                found = found[step]
            yield found
        for below in node.values():
            yield from referred(document, below)
    elif isinstance(node, list):
        for below in node:
            yield from referred(document, below)


def test_each_reference_of_asyncapi_leads_somewhere():
    document = asyncapi()
    assert len(list(referred(document, document))) > 100


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_each_example_is_an_event_in_both_modes_keyed_as_its_topic_says(topic):
    document = asyncapi()
    channel = document["channels"][topic.subject]
    for kind in topic.event_types:
        structured, binary = (document["components"]["messages"][f"{kind.name}{mode}"] for mode in ("", ".binary"))
        sent = structured["examples"][0]["payload"]
        event = decode(json.dumps(sent).encode(), topic.name)
        assert Draft202012Validator(event_schema(kind)).is_valid(sent)
        assert f"`data.{kind.subject_field}`" in channel["description"] and sent["data"][kind.subject_field]
        assert sent["subject"] == sent["data"][kind.subject_field]
        headers = [(name, value.encode()) for name, value in binary["examples"][0]["headers"].items()]
        value = json.dumps(binary["examples"][0]["payload"]).encode()
        assert CONTRACT.decode_message(value, headers, topic.name) == event
        for message in (structured, binary):
            (trait,) = message["traits"]
            told = document["components"]["messageTraits"][trait["$ref"].rpartition("/")[2]]["headers"]
            Draft202012Validator(told).validate(message["examples"][0]["headers"])


def test_personal_fields_are_marked_and_no_others():
    for name, kind in EVENT_TYPES.items():
        wanted = {f"data.{path}" for path in PERSONAL_FIELDS.get(family(name), ())}
        if name.startswith("shop.customer.updated"):
            wanted.discard("data.birth_date")  # an update carries none
        kept = {f"data.{path}": how for path, how in KEPT_TEXTS.get(family(name), {}).items()}
        message = asyncapi()["components"]["messages"][name]
        assert set(message.get(PERSONAL, ())) == wanted
        assert message.get(KEPT, {}) == kept
        commented = {path for path, comment in comments(event_schema(kind)["$defs"], kind.payload.__name__)}
        assert commented == wanted | kept.keys()


def comments(definitions, name, path="data"):
    for field, schema in definitions[name]["properties"].items():
        if "$comment" in schema:
            yield f"{path}.{field}", schema["$comment"]
        below = schema.get("$ref", "").rpartition("/")[2]
        if "properties" in definitions.get(below, {}):
            yield from comments(definitions, below, f"{path}.{field}")


def test_a_superseded_version_says_which_one_to_emit_and_the_newest_says_nothing():
    told = {name: event_schema(kind).get("$comment") for name, kind in EVENT_TYPES.items()}
    assert {name: newer for name, newer in told.items() if newer} == {
        "shop.refund.issued.v1": "Superseded: emit shop.refund.issued.v2 instead."
    }
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
