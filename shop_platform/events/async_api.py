"""The AsyncAPI document: servers, topics, how messages are keyed, their headers in both modes, an example of each."""

from __future__ import annotations

from typing import Any

from shop_platform.events.envelope import CONTENT_TYPE, JSON_TYPE, MAX_MESSAGE_BYTES
from shop_platform.events.examples import example
from shop_platform.events.json_schema import DIALECT
from shop_platform.events.personal import KEPT_TEXTS, PERSONAL_FIELDS
from shop_platform.events.registry import TOPICS, EventType, Topic, successor

PERSONAL = "x-personal"
"""Lists a type's personal fields: they are kept apart from the rest of the event, and erased on request."""
KEPT = "x-kept"
"""Tells how the free texts of a type that are not personal are kept (``Kept`` in ``personal.py``)."""
SUPERSEDED_BY = "x-superseded-by"
"""Names the newer version that a producer should emit instead; the older one is still accepted."""
_DATA = "data."
_FORMAT = f"application/schema+json;version={DIALECT.split('/')[-2]}"
_BINARY = ".binary"

_TEXT = {"type": "string"}
_HEADERS = {
    "structured": {
        "description": "Structured mode: the whole event is the value. Every header may be left out.",
        "headers": {
            "type": "object",
            "properties": {
                "content-type": {"const": CONTENT_TYPE},
                "ce_id": {
                    **_TEXT,
                    "description": "The event's `id` again, so that even an unreadable message can be attributed.",
                },
                "ce_time": {**_TEXT, "description": "The event's `time` again, for the same reason."},
            },
        },
    },
    "binary": {
        "description": "Binary mode: the attributes are headers (UTF-8), `data` alone is the value.",
        "contentType": JSON_TYPE,
        "headers": {
            "type": "object",
            "properties": {
                "ce_specversion": {"const": "1.0"},
                "ce_id": {**_TEXT, "description": "A UUID of the event's own."},
                "ce_source": {**_TEXT, "description": "Which system emitted the event, a URI reference."},
                "ce_type": {**_TEXT, "description": "The type, which is the message's name without `.binary`."},
                "ce_time": {**_TEXT, "description": "When it happened, as RFC 3339 writes it."},
                "ce_subject": {**_TEXT, "description": "The message's key."},
                "content-type": {
                    **_TEXT,
                    "description": f"`{JSON_TYPE}`; not an `application/cloudevents+` type.",
                },
            },
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"],
        },
    },
}
_SECURITY = {
    "scramSha512": {"type": "scramSha512", "description": "User and password; the password is never sent."},
    "scramSha256": {"type": "scramSha256", "description": "The same with SHA-256."},
    "plain": {"type": "plain", "description": "User and password, which is sent: over TLS only."},
    "certificate": {"type": "X509", "description": "Mutual TLS: the client's certificate says who it is."},
}


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Shop Platform events", "version": "1.2.0", "description": _description()},
        "defaultContentType": CONTENT_TYPE,
        "servers": _servers(),
        "channels": {topic.subject: _channel(topic) for topic in TOPICS},
        "operations": {f"emit_{topic.subject}": _operation(topic) for topic in TOPICS},
        "components": {
            "messages": {
                name: message
                for topic in TOPICS
                for kind in topic.event_types
                for name, message in {kind.name: _message(kind), f"{kind.name}{_BINARY}": _binary(kind)}.items()
            },
            "messageTraits": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


def _servers() -> dict[str, Any]:
    logins = [{"$ref": f"#/components/securitySchemes/{name}"} for name in ("scramSha512", "scramSha256", "plain")]
    told = {
        "plaintext": ("kafka", "Neither encrypted nor a login (PLAINTEXT): the development broker.", []),
        "sasl_plaintext": ("kafka", "A login without encryption (SASL_PLAINTEXT).", logins[:2]),
        "ssl": (
            "kafka-secure",
            "TLS; who you are says a certificate, where the broker asks for one (SSL).",
            [{"$ref": "#/components/securitySchemes/certificate"}],
        ),
        "sasl_ssl": ("kafka-secure", "TLS and a login (SASL_SSL).", logins),
    }
    return {
        name: {
            "host": "{bootstrap}",
            "protocol": protocol,
            "description": f"{description} Which of the four it is, whoever runs the cluster says.",
            "variables": {"bootstrap": {"default": "127.0.0.1:9092", "description": "A broker's host and port."}},
            **({"security": security} if security else {}),
        }
        for name, (protocol, description, security) in told.items()
    }


def _channel(topic: Topic) -> dict[str, Any]:
    (field,) = {kind.subject_field for kind in topic.event_types}
    return {
        "address": topic.name,
        "description": (
            f"{topic.description} Of every type in it, the message's key and the event's `subject` are"
            f" `{_DATA}{field}`: what is told of one {field.removesuffix('_id')} stays in order."
        ),
        "messages": {
            name: {"$ref": f"#/components/messages/{name}"}
            for kind in topic.event_types
            for name in (kind.name, f"{kind.name}{_BINARY}")
        },
        "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions}},
    }


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{topic.subject}"},
        "summary": f"A shop emits {topic.subject} events; the platform receives them.",
    }


def _message(kind: EventType) -> dict[str, Any]:
    newer = successor(kind)
    personal = [f"{_DATA}{path}" for path in PERSONAL_FIELDS.get(kind.family, ()) if _has(kind, path)]
    kept = {f"{_DATA}{path}": how.value for path, how in KEPT_TEXTS.get(kind.family, {}).items() if _has(kind, path)}
    shown = example(kind)
    return {
        "name": kind.name,
        "contentType": CONTENT_TYPE,
        "summary": (kind.payload.__doc__ or "").strip().splitlines()[0],
        **({SUPERSEDED_BY: newer.name} if newer else {}),
        **({PERSONAL: personal} if personal else {}),
        **({KEPT: kept} if kept else {}),
        "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": f"./{kind.name}.json"}},
        "traits": [{"$ref": "#/components/messageTraits/structured"}],
        "bindings": _key(kind),
        "examples": [{"name": "structured", "headers": {"content-type": CONTENT_TYPE}, "payload": shown}],
    }


def _binary(kind: EventType) -> dict[str, Any]:
    shown = example(kind)
    data = shown.pop("data")
    media_type = shown.pop("datacontenttype")
    headers = {f"ce_{name}": value for name, value in shown.items()} | {"content-type": media_type}
    return {
        "name": f"{kind.name}{_BINARY}",
        "contentType": JSON_TYPE,
        "summary": f"{kind.name} in binary mode.",
        "payload": {"schemaFormat": _FORMAT, "schema": {"$ref": f"./{kind.name}.json#/properties/data"}},
        "traits": [{"$ref": "#/components/messageTraits/binary"}],
        "bindings": _key(kind),
        "examples": [{"name": "binary", "headers": headers, "payload": data}],
    }


def _key(kind: EventType) -> dict[str, Any]:
    return {
        "kafka": {"key": {"type": "string", "description": f"`{_DATA}{kind.subject_field}`, which is `subject` too."}}
    }


def _has(kind: EventType, path: str) -> bool:
    """Tell whether this version has the field."""
    return path.partition(".")[0] in kind.payload.__struct_fields__


def _description() -> str:
    keys = "; ".join(f"{topic.name}: `{_DATA}{topic.event_types[0].subject_field}`" for topic in TOPICS)
    return (
        "CloudEvents 1.0, one event a message: structured JSON mode, or binary mode (the attributes in `ce_`"
        " headers, `data` as the value). The message's key is the event's `subject`, and by topic it is a field of its"
        f" data: {keys}. `id` is a UUID (version 7 recommended: it keeps the warehouse's index"
        " local); a repeated id lands once, and one that comes again with other content becomes a dead letter,"
        " as does every unknown or invalid event: sums that do not add up and amounts with decimals that their"
        " currency does not have are invalid, and so is a `time` before 2000 or more than a day ahead (both"
        " are settings). A name stands once in its object, and two headers of one attribute say the same."
        " Whole numbers are written without a point and an exponent (`2`, not `2.0`). Currencies are"
        " those that ISO 4217 lists, or listed since 2000, with their decimals, countries those of ISO 3166, XK"
        " and ZZ (not known). JSON is UTF-8; `data_base64` is not read, and a text with half of a surrogate pair is no"
        f" JSON. At most {MAX_MESSAGE_BYTES:,} bytes a message. Extension attributes (`traceparent`, `partitionkey` and"
        " any other) are accepted and not kept: what is to stay goes into `data`, whose further fields are kept."
        f" Fields that `{PERSONAL}` lists are personal: they are kept apart and erased when a customer.erased event"
        f" says so. Other free texts: `{KEPT}` says how they are kept: `path` (the address of a page, without query"
        " string and fragment but for a few parameters; until the session's customer is erased), `code` (a"
        " coupon: until the customer is erased, unless another one has it; personal if it holds an `@`),"
        " `until_erased`, `public` (of no customer). An e-mail address is taken out of all of these."
        " Identifiers and words in snake_case are tokens and must tell nothing about a person; `customer_id` is"
        " the one by which a customer is erased. Every version listed is accepted,"
        f" side by side; `{SUPERSEDED_BY}` names the one to emit instead. The schemas are plain JSON Schema 2020-12"
        " without `format`, lookaheads and keywords of their own, for strict validators of any language. What no schema"
        " can tell, `shop events validate` does."
    )
