"""The JSON Schema of each event type, in the part of the language that validators of every programming language read.

What Python alone understands is written in another way: RE2 (Go) has no lookaheads, ``$`` is the end of the text for
JavaScript and Go and may stand before a last line feed for Python, and a strict validator refuses keywords and formats
that it does not know.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import msgspec

from shop_platform.events import vocabulary
from shop_platform.events.envelope import Envelope
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS
from shop_platform.events.registry import EventType, successor

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NOT_BEFORE_A_LINE_FEED = r"(?!\n)"
_NO_LINE_FEED = {"pattern": r"\n"}
_FURTHER = "Further"
# Named once in a file: what is long, or has a meaning that the type alone does not tell.
_SHARED = {
    name: getattr(vocabulary, name)
    for name in ("Amount", "Code", "Country", "Currency", "Day", "Identifier", "Text", "Time")
}


def event_schema(kind: EventType) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a whole event: CloudEvents envelope with typed ``data``."""
    schemas, definitions = msgspec.json.schema_components([Envelope, kind.payload], ref_template="#/$defs/{name}")
    envelope, newer = definitions.pop("Envelope"), successor(kind)
    properties = dict(envelope["properties"])
    properties["type"] = {"const": kind.name}
    properties["data"] = schemas[1]
    for definition in definitions.values():
        if "description" in definition:  # Python keeps a docstring's indentation until 3.12 and not since
            definition["description"] = inspect.cleandoc(definition["description"])
        definition["additionalProperties"] = {"$ref": f"#/$defs/{_FURTHER}"}
        definition["propertyNames"] = {"pattern": vocabulary.STORABLE}
    used: set[str] = set()
    properties, definitions = _plain(properties, used), _plain(definitions, used)
    for path in PERSONAL_FIELDS.get(kind.family, ()):
        _mark(definitions, kind.payload.__name__, path.split("."), "Personal: kept apart, and erased on request.")
    for path, how in KEPT_TEXTS.get(kind.family, {}).items():
        _mark(definitions, kind.payload.__name__, path.split("."), f"Free text, kept as: {how.value}.")
    return {
        "$schema": DIALECT,
        "$id": f"{kind.name}.json",
        "title": kind.name,
        "description": (
            f"{inspect.cleandoc(kind.payload.__doc__ or '')}\n\nFurther attributes of the envelope (CloudEvents"
            " extensions) are accepted and not kept; further fields of `data` are kept."
        ),
        **({"deprecated": True, "$comment": f"Superseded: emit {newer.name} instead."} if newer else {}),
        "type": "object",
        "properties": properties,
        "required": envelope["required"],
        "$defs": definitions
        | {name: _plain(_schemas_of_shared_types()[name], used, whole=True) for name in sorted(used)}
        | {_FURTHER: _further()},
    }


def _plain(node: Any, used: set[str], *, whole: bool = False) -> Any:
    """Return a schema as every language reads it; the names of shared types that it now refers to go into ``used``."""
    if isinstance(node, list):
        return [_plain(each, used) for each in node]
    if not isinstance(node, dict):
        return node
    if not whole:
        for name, schema in _schemas_of_shared_types().items():
            if node.items() >= schema.items():
                used.add(name)
                return {"$ref": f"#/$defs/{name}"} | {key: each for key, each in node.items() if key not in schema}
    plain = {key: _plain(value, used) for key, value in node.items() if key != "format"}
    pattern = plain.get("pattern")
    if isinstance(pattern, str) and pattern.endswith(_NOT_BEFORE_A_LINE_FEED):
        plain["pattern"] = pattern.removesuffix(_NOT_BEFORE_A_LINE_FEED)
        plain.setdefault("not", _NO_LINE_FEED)
        if "(?" in plain["pattern"]:  # the type says the same in another way beside it
            del plain["pattern"]
    return plain


@cache
def _schemas_of_shared_types() -> dict[str, dict[str, Any]]:
    return {name: msgspec.json.schema(kind) for name, kind in _SHARED.items()}


def _further() -> dict[str, Any]:
    """Return the schema of a field that the contract does not know: any JSON that PostgreSQL can store."""
    own = {"$ref": f"#/$defs/{_FURTHER}"}
    return {
        "description": "A field of the shop's own: any JSON without the character NUL and halves of surrogate pairs.",
        "anyOf": [
            {"type": "string", "pattern": vocabulary.STORABLE},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "array", "items": own},
            {"type": "object", "propertyNames": {"pattern": vocabulary.STORABLE}, "additionalProperties": own},
        ],
    }


def _mark(definitions: dict[str, Any], name: str, path: list[str], comment: str) -> None:
    """Mark the field at ``path`` of the definition ``name``; a later version need not have it."""
    field = definitions[name]["properties"].get(path[0])
    if field is None:
        return
    if len(path) == 1:
        field["$comment"] = comment
    else:
        _mark(definitions, field["$ref"].rpartition("/")[2], path[1:], comment)
