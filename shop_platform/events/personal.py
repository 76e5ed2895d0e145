"""What is personal in an event, which events name a session's customer, and which ask to forget a customer (pure).

Declared once, by family (a type without its version), so that a new version cannot forget it. The ingestion takes these
fields out of an event when it lands; the published contract marks them. A field that is added here later needs a
migration that moves it out of the rows that have landed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

import msgspec

_PERSON = (
    "email",
    "first_name",
    "last_name",
    "phone",
    "birth_date",
    "address.street",
    "address.postal_code",
)

PERSONAL_FIELDS: dict[str, tuple[str, ...]] = {
    "shop.customer.created": _PERSON,
    "shop.customer.updated": _PERSON,
    "shop.web.searched": ("query",),
}
"""Paths below ``data``. ``customer_id`` is none of them: it is the token by which everything else knows a customer."""

ERASURE = "shop.customer.erased"
"""The customer that is this event's subject asks to be forgotten."""

SESSION_OF_CUSTOMER = ("shop.web.session_started", "shop.order.placed", "shop.marketing.touched")
"""Events that may name a customer (``customer_id``) together with a session (``session_id``)."""

Tree = Mapping[str, Union["Tree", None]]
"""Personal fields by name; ``None``: the whole field, else what is personal below it."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an event of a family needs when it lands.

    ``fields`` are to be taken out of its data (none: empty); its subject is a customer if it is ``of_customer``, else a
    session. ``erases``: it asks to forget its subject. ``names_customer``: it may name a customer with a session.
    """

    fields: Tree
    of_customer: bool = False
    erases: bool = False
    names_customer: bool = False


def family(event_type: str) -> str:
    """Return ``event_type`` without its version."""
    return event_type.rpartition(".v")[0]


def treatment(event_type: str) -> Treatment | None:
    """Return what events of this type need; ``None`` for the usual one, which needs nothing."""
    name = family(event_type)
    if name in PERSONAL_FIELDS:
        return Treatment(_tree(PERSONAL_FIELDS[name]), of_customer=name.startswith("shop.customer."))
    if name == ERASURE:
        return Treatment({}, of_customer=True, erases=True)
    if name in SESSION_OF_CUSTOMER:
        return Treatment({}, names_customer=True)
    return None


def _tree(paths: tuple[str, ...]) -> Tree:
    tree: dict[str, Any] = {}
    for path in paths:
        *above, last = path.split(".")
        branch = tree
        for name in above:
            branch = branch.setdefault(name, {})
        branch[last] = None
    return tree


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def split(data: msgspec.Raw | bytes, fields: Tree) -> tuple[bytes, bytes | None]:
    """Return ``data`` without the personal fields, and these in their places; ``None`` when it has none.

    Every value stays as it came, byte for byte: a number is not read, so none loses a digit.
    """
    kept = _decode_fields(data)
    taken = _take(kept, fields)
    return (_encode(kept), _encode(taken)) if taken else (bytes(data), None)


def _take(kept: dict[str, msgspec.Raw], fields: Tree) -> dict[str, msgspec.Raw]:
    """Move ``fields`` out of ``kept`` and return them."""
    taken: dict[str, msgspec.Raw] = {}
    for name, below in fields.items():
        if name not in kept:
            continue
        if below is None:
            taken[name] = kept.pop(name)
        elif bytes(kept[name]).lstrip()[:1] == b"{":  # another version may make something else of it
            inner = _decode_fields(kept[name])
            if inner_taken := _take(inner, below):
                taken[name] = msgspec.Raw(_encode(inner_taken))
                kept[name] = msgspec.Raw(_encode(inner))
    return taken


class _Named(msgspec.Struct):
    """The part of an event that tells whose it is. Another version may hold anything there."""

    customer_id: Any = None


_decode_named = msgspec.json.Decoder(_Named).decode


def named_customer(data: msgspec.Raw | bytes) -> str | None:
    """Return the customer that an event names beside its subject, if it names one."""
    customer_id = _decode_named(data).customer_id
    return customer_id if isinstance(customer_id, str) else None
