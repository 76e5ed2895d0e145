"""Publish the contract: a JSON Schema per event type and an AsyncAPI document, generated from the code.

``python -m shop_platform.events.publish`` writes the files, ``--check`` exits 1 when a committed one is out of date.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from shop_platform.events.envelope import CONTENT_TYPE, MAX_MESSAGE_BYTES, Envelope
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS
from shop_platform.events.registry import EVENT_TYPES, TOPICS, EventType, successor

CONTRACT_DIR = Path(__file__).resolve().parent.parent.parent / "docs" / "contract"
_JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"
PERSONAL = "x-personal"
"""Marks a personal field: it is kept apart from the rest of the event, and erased when the customer asks for it."""
KEPT = "x-kept"
"""Tells how a free text that is not personal is kept (``Kept`` in ``personal.py``)."""
SUPERSEDED_BY = "x-superseded-by"
"""Names the newer version that a producer should emit instead; the older one is still accepted."""


def event_schema(kind: EventType) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a whole event: CloudEvents envelope with typed ``data``."""
    schemas, definitions = msgspec.json.schema_components([Envelope, kind.payload], ref_template=_REF)
    envelope = definitions.pop("Envelope")
    for definition in definitions.values():  # Python keeps a docstring's indentation until 3.12 and not since
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    properties = dict(envelope["properties"])
    properties["type"] = {"const": kind.name}
    properties["data"] = schemas[1]
    for path in PERSONAL_FIELDS.get(kind.family, ()):
        _mark(definitions, kind.payload.__name__, path.split("."), PERSONAL, True)
    for path, how in KEPT_TEXTS.get(kind.family, {}).items():
        _mark(definitions, kind.payload.__name__, path.split("."), KEPT, how.value)
    # The envelope allows extensions (CloudEvents), `data` allows new optional fields: consumers ignore both.
    return {
        "$schema": _JSON_SCHEMA,
        "$id": f"{kind.name}.json",
        "title": kind.name,
        "description": inspect.cleandoc(kind.payload.__doc__ or ""),
        **_superseded(kind, deprecated=True),
        "type": "object",
        "properties": properties,
        "required": envelope["required"],
        "$defs": definitions,
    }


def _superseded(kind: EventType, **more: Any) -> dict[str, Any]:
    newer = successor(kind)
    return {SUPERSEDED_BY: newer.name, **more} if newer else {}


def _mark(definitions: dict[str, Any], name: str, path: list[str], mark: str, value: object) -> None:
    """Mark the field at ``path`` of the definition ``name``; a later version need not have it."""
    field = definitions[name]["properties"].get(path[0])
    if field is None:
        return
    if len(path) == 1:
        field[mark] = value
    else:
        _mark(definitions, field["$ref"].rpartition("/")[2], path[1:], mark, value)


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: channels (topics), their messages and how they are keyed."""
    channels, operations, messages = {}, {}, {}
    for topic in TOPICS:
        channels[topic.subject] = {
            "address": topic.name,
            "description": topic.description,
            "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in topic.event_types},
            "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions}},
        }
        operations[f"emit_{topic.subject}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{topic.subject}"},
            "summary": f"A shop emits {topic.subject} events; the platform receives them.",
        }
        for kind in topic.event_types:
            messages[kind.name] = {
                "name": kind.name,
                "contentType": CONTENT_TYPE,
                "summary": (kind.payload.__doc__ or "").strip().splitlines()[0],
                **_superseded(kind),
                "payload": {
                    "schemaFormat": f"application/schema+json;version={_JSON_SCHEMA.split('/')[-2]}",
                    "schema": {"$ref": f"./{kind.name}.json"},
                },
                "bindings": {
                    "kafka": {"key": {"type": "string", "description": f"data.{kind.subject_field} (= subject)"}}
                },
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Shop Platform events",
            "version": "1.1.0",
            "description": (
                "CloudEvents 1.0, one event a message: structured JSON mode, or binary mode (the attributes in `ce_`"
                " headers, `data` as the value). `id` is a UUID (version 7 recommended: it keeps the warehouse's index"
                " local); a repeated id lands once, and one that comes again with other content becomes a dead letter,"
                " as does every unknown or invalid event: sums that do not add up and amounts with decimals that their"
                " currency does not have are invalid, and so is a `time` before 2000 or more than a day ahead (both"
                " are settings). A name stands once in its object, and two headers of one attribute say the same."
                " Currencies are"
                " those that ISO 4217 lists, or listed since 2000, with their decimals, countries those of ISO 3166, XK"
                " and ZZ (not known). JSON is UTF-8; `data_base64` is not read."
                f" At most {MAX_MESSAGE_BYTES:,} bytes a message. In structured mode the optional"
                " headers `ce_id` and `ce_time` repeat id and time, so that even an unreadable message can be"
                " attributed. Fields marked"
                f" `{PERSONAL}` are personal: they are kept apart and erased when a customer.erased event says so."
                f" Other free texts say by `{KEPT}` how they are kept: `path` (the address of a page, without query"
                " string and fragment but for a few parameters; until the session's customer is erased), `code` (a"
                " coupon: until the customer is erased, unless another one has it; personal if it holds an `@`),"
                " `until_erased`, `public` (of no customer). An e-mail address is taken out of all of these."
                " Identifiers and words in snake_case are tokens and must tell nothing about a person; `customer_id` is"
                " the one by which a customer is erased. Every version listed is accepted,"
                f" side by side; `{SUPERSEDED_BY}` names the one to emit instead."
            ),
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def documents() -> dict[str, str]:
    """Return every published file by name."""
    content = {f"{name}.json": event_schema(kind) for name, kind in EVENT_TYPES.items()} | {"asyncapi.json": asyncapi()}
    return {name: json.dumps(document, indent=2) + "\n" for name, document in content.items()}


def main(arguments: list[str], folder: Path = CONTRACT_DIR) -> int:
    """Write the files, or compare them (``--check``); return the exit code."""
    wanted = documents()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if "--check" in arguments:
        if stale:
            sys.stderr.write(
                f"docs/contract is out of date: {', '.join(stale)}\n"
                "  Run `python -m shop_platform.events.publish` and commit what it writes.\n"
            )
        return int(bool(stale))
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
