"""Event ids that follow from what an event is about: the same fact has the same id, however often it is imported."""

from __future__ import annotations

import hashlib
import uuid

import msgspec

# By which field of its data an event is told apart from the others of its type and source. Version 1 for ever: the
# type's name is part of the id, so another version would land a file that is imported again a second time.
KEY_FIELDS: dict[str, str] = {
    "shop.customer.created.v1": "customer_id",
    "shop.customer.updated.v1": "customer_id",
    "shop.customer.erased.v1": "customer_id",
    "shop.product.created.v1": "product_id",
    "shop.product.updated.v1": "product_id",
    "shop.product.price_changed.v1": "product_id",
    "shop.order.placed.v1": "order_id",
    "shop.order.paid.v1": "payment_id",
    "shop.order.payment_failed.v1": "payment_id",
    "shop.order.shipped.v1": "shipment_id",
    "shop.order.delivered.v1": "shipment_id",
    "shop.order.cancelled.v1": "order_id",
    "shop.return.requested.v1": "return_id",
    "shop.return.received.v1": "return_id",
    "shop.refund.issued.v1": "refund_id",
}

_MAX_MS = (1 << 48) - 1


def event_id(source: str, event_type: str, key: str, ms: int) -> uuid.UUID:
    """Return a UUID of version 8 (RFC 9562): 48 bits of time, then 74 bits of SHA-256 of (source, type, key).

    ``ms`` is epoch milliseconds; it keeps the ids of an import in the order of time, so that the index of the raw
    table stays compact. Raises :class:`ValueError` for a time before 1970 or after the year 10889.
    """
    if not 0 <= ms <= _MAX_MS:
        raise ValueError("lies before 1970")
    digest = int.from_bytes(hashlib.sha256(msgspec.json.encode([source, event_type, key])).digest()[:10])
    high, low = digest >> 68, digest & ((1 << 62) - 1)
    return uuid.UUID(int=ms << 80 | 8 << 76 | high << 64 | 0b10 << 62 | low)
