"""Validators of Python, JavaScript and Go compile every published schema, and all of them say what the decoder says."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from shop_platform.events.decode import Contract, ContractViolation
from shop_platform.events.publish import documents
from shop_platform.events.registry import EVENT_TYPES, TOPIC_OF_TYPE
from tests.events.cases import cases

PROGRAMS = Path(__file__).parent / "languages"
CASES = list(cases())
DOCUMENTS = documents()
SCHEMAS = {name: json.loads(DOCUMENTS[f"{name}.json"]) for name in EVENT_TYPES}
HALF = "half of a surrogate pair"


def ask(command):
    given = {
        "schemas": SCHEMAS,
        "cases": [{"type": each.type, "text": each.text} for each in CASES],
        "asyncapi": json.loads(DOCUMENTS["asyncapi.json"]),
    }
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def differs(answers, wanted):
    assert len(answers) == len(CASES)
    return [
        (each.name, answer) for each, answer, right in zip(CASES, answers, wanted, strict=True) if answer is not right
    ]


def by_schema(*, halves_are_seen):
    """Return what a schema must say: where it cannot tell, that it is right."""
    return [
        not halves_are_seen if each.beyond == HALF and "ext" not in each.text else each.right or bool(each.beyond)
        for each in CASES
    ]


def test_the_decoder_gives_each_case_its_right_answer():
    contract, answers = Contract(), []
    for each in CASES:
        topic = TOPIC_OF_TYPE[each.type].name
        said = []
        for read in (contract.decode, contract._decode_strictly):
            try:
                read(each.text.encode(), topic)
                said.append(True)
            except ContractViolation:
                said.append(False)
        assert said[0] == said[1], each.name
        answers.append(said[0])
    assert differs(answers, [each.right for each in CASES]) == []


def test_python_says_of_each_case_what_the_decoder_says():
    validators = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
    answers = [validators[each.type].is_valid(json.loads(each.text)) for each in CASES]
    assert differs(answers, by_schema(halves_are_seen=True)) == []


def test_a_strict_javascript_validator_compiles_each_schema_and_says_what_the_decoder_says(validator_in_javascript):
    found = ask(validator_in_javascript)
    assert found["refused"] == {}
    assert differs(found["valid"], by_schema(halves_are_seen=True)) == []
    assert found["asyncapi"] == [], "AsyncAPI's own schema"


def test_a_go_validator_compiles_each_schema_and_says_what_the_decoder_says(validator_in_go):
    """Go's reader of JSON puts U+FFFD where half of a surrogate pair stands: no schema sees it."""
    found = ask(validator_in_go)
    assert found["refused"] == {}
    assert differs(found["valid"], by_schema(halves_are_seen=False)) == []


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_holds_nothing_that_only_some_validators_know(name):
    def keys(node):
        if isinstance(node, dict):
            for key, value in node.items():
                yield key, value
                yield from keys(value)
        elif isinstance(node, list):
            for each in node:
                yield from keys(each)

    found = list(keys(SCHEMAS[name]))
    assert not [key for key, _ in found if key == "format" or key.startswith("x-")]
    patterns = [value for key, value in found if key == "pattern" and isinstance(value, str)]
    # A lookahead, or an escape that is none in ECMA-262's Unicode mode.
    assert not [each for each in patterns if re.search(r"\(\?|\\[^\\\[\]nt.x+]", each)]


def test_a_long_list_stands_once_in_its_file():
    for name in SCHEMAS:
        assert DOCUMENTS[f"{name}.json"].count('"ZAR"') <= 1
