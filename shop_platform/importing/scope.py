"""The names of several stores: every id that a shop gives is told apart by its store (pure)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

STORE = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
"""The name of a store. A colon divides it from the store's own id, so it has none itself."""

ID_FIELDS = (
    "order_id", "payment_id", "shipment_id", "return_id", "refund_id", "customer_id", "product_id", "session_id",
)  # fmt: skip
"""The fields, anywhere in an event's data, whose values only one store gives once."""


def prefix_of(store: str | None) -> str:
    """Return what stands before every id of ``store``; nothing for a shop of one store."""
    return f"{store}:" if store else ""


def source_of(source: str, store: str | None) -> str:
    """Return the ``source`` of a map as the events of ``store`` bear it."""
    return f"{source.rstrip('/')}/{store}" if store else source


def scoped(data: dict[str, Any], prefix: str, shared: Collection[str]) -> dict[str, Any]:
    """Return an event's data with ``prefix`` before every id, but those of fields that stores have in common."""
    if not prefix:
        return data
    return {name: _scoped(name, value, prefix, shared) for name, value in data.items()}


def _scoped(name: str, value: Any, prefix: str, shared: Collection[str]) -> Any:
    if isinstance(value, list):
        return [scoped(each, prefix, shared) if isinstance(each, dict) else each for each in value]
    if isinstance(value, dict):
        return scoped(value, prefix, shared)
    return prefix + value if name in ID_FIELDS and name not in shared and isinstance(value, str) else value
