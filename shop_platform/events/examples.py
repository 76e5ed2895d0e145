"""One whole event of every type, for those who write a producer: a customer buys two desks and sends one back.

Money is in EUR, with 19 % tax beside it: 2 x 100.00 - 10.00 + 4.90 + 36.10 = 231.00.
"""

from __future__ import annotations

from typing import Any

from shop_platform.events.envelope import JSON_TYPE
from shop_platform.events.registry import EventType

_VISIT = {"session_id": "ses_42", "visitor_id": "vis_7"}
_PERSON = {
    "customer_id": "cus_7",
    "email": "ada@shop.example",
    "first_name": "Ada",
    "last_name": "Example",
    "address": {"street": "Hauptstr. 1", "postal_code": "10115", "city": "Berlin", "country": "DE"},
    "locale": "de_DE",
    "marketing_consent": True,
}
_PRODUCT = {"product_id": "desk", "name": "Desk", "category": "office", "subcategory": "desks", "brand": "Oak & Co"}
_ORDER = {
    "order_id": "ord_42",
    "customer_id": "cus_7",
    "channel": "web",
    "device": "mobile",
    "country": "DE",
    "currency": "EUR",
    "lines": [
        {
            "line_number": 1,
            "product_id": "desk",
            "sku": "DESK-1",
            "quantity": 2,
            "unit_price": "100.00",
            "discount": "10.00",
            "tax": "36.10",
        }
    ],
    "subtotal": "200.00",
    "discount": "10.00",
    "shipping": "4.90",
    "tax": "36.10",
    "total": "231.00",
}
_PAYMENT = {"order_id": "ord_42", "payment_id": "pay_42", "method": "card", "amount": "231.00", "currency": "EUR"}
_RETURN = {"return_id": "ret_42", "order_id": "ord_42"}
# One of the two desks: half of the goods, their discount and their tax.
_REFUND = {"refund_id": "ref_42", "order_id": "ord_42", "currency": "EUR", "reason": "return", "return_id": "ret_42"}
_BACK = {"line_number": 1, "product_id": "desk", "quantity": 1}
_MONEY = {"net": "95.00", "tax": "18.05"}
_PLACED_AT = "2026-03-31T09:30:00+02:00"

# Type without `shop.`: what it tells, and when it happened.
_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "customer.created.v1": ("2026-03-30T18:00:00+02:00", _PERSON | {"acquisition_channel": "paid_search"}),
    "customer.updated.v1": ("2026-04-02T18:00:00+02:00", _PERSON | {"phone": "+49 30 1234567"}),
    "customer.erased.v1": ("2026-12-01T10:00:00+01:00", {"customer_id": "cus_7", "reason": "requested"}),
    "product.created.v1": (
        "2026-01-02T08:00:00+01:00",
        _PRODUCT | {"sku": "DESK-1", "price": "110.00", "cost": "55.00", "currency": "EUR"},
    ),
    "product.updated.v1": ("2026-02-01T08:00:00+01:00", _PRODUCT | {"active": True}),
    "product.price_changed.v1": (
        "2026-03-01T08:00:00+01:00",
        {
            "product_id": "desk",
            "old_price": "110.00",
            "price": "100.00",
            "cost": "55.00",
            "currency": "EUR",
            "reason": "sale",
        },
    ),
    "stock.changed.v1": (
        "2026-03-31T10:00:00+02:00",
        {
            "product_id": "desk",
            "warehouse": "berlin",
            "delta": -2,
            "level": 18,
            "reason": "order",
            "order_id": "ord_42",
        },
    ),
    "web.session_started.v1": (
        "2026-03-31T09:20:00+02:00",
        _VISIT
        | {
            "channel": "paid_search",
            "device": "mobile",
            "country": "DE",
            "landing_page": "/desks",
            "campaign": "spring",
        },
    ),
    "web.page_viewed.v1": ("2026-03-31T09:20:01+02:00", _VISIT | {"page": "/desks", "page_type": "category"}),
    "web.product_viewed.v1": (
        "2026-03-31T09:21:00+02:00",
        _VISIT | {"product_id": "desk", "price": "100.00", "currency": "EUR"},
    ),
    "web.searched.v1": ("2026-03-31T09:20:30+02:00", _VISIT | {"query": "desk", "results": 12}),
    "web.cart_changed.v1": (
        "2026-03-31T09:25:00+02:00",
        _VISIT | {"product_id": "desk", "delta": 2, "quantity": 2, "unit_price": "100.00", "currency": "EUR"},
    ),
    "web.checkout_started.v1": (
        "2026-03-31T09:28:00+02:00",
        _VISIT | {"items": 2, "cart_value": "200.00", "currency": "EUR"},
    ),
    "order.placed.v1": (_PLACED_AT, _ORDER | {"session_id": "ses_42", "campaign": "spring"}),
    "order.amended.v1": (
        "2026-03-31T12:00:00+02:00",
        _ORDER | {"placed_at": _PLACED_AT, "shipping": "0.00", "total": "226.10"},
    ),
    "order.paid.v1": ("2026-03-31T09:30:05+02:00", _PAYMENT),
    "order.payment_failed.v1": (
        "2026-03-31T09:30:02+02:00",
        _PAYMENT | {"payment_id": "pay_41", "reason": "card_declined"},
    ),
    "order.shipped.v1": (
        "2026-04-01T08:00:00+02:00",
        {"order_id": "ord_42", "shipment_id": "shp_42", "carrier": "dhl", "promised_on": "2026-04-03"},
    ),
    "order.delivered.v1": ("2026-04-03T11:00:00+02:00", {"order_id": "ord_42", "shipment_id": "shp_42"}),
    "order.cancelled.v1": (
        "2026-03-31T13:00:00+02:00",
        {"order_id": "ord_41", "reason": "changed_mind", "cancelled_by": "customer"},
    ),
    "return.requested.v1": (
        "2026-04-05T09:00:00+02:00",
        _RETURN | {"customer_id": "cus_7", "lines": [_BACK | {"reason": "too_small"}]},
    ),
    "return.received.v1": ("2026-04-08T09:00:00+02:00", _RETURN),
    "refund.issued.v1": (
        "2026-04-08T10:00:00+02:00",
        _REFUND | {"amount": "95.00", "tax": "18.05", "lines": [_BACK | {"amount": "95.00"}]},
    ),
    "refund.issued.v2": (
        "2026-04-08T10:00:00+02:00",
        _REFUND | {"refunded": _MONEY, "lines": [_BACK | {"refunded": _MONEY}]},
    ),
    "marketing.touched.v1": (
        "2026-03-31T09:19:55+02:00",
        {
            "touch_id": "tch_42",
            "visitor_id": "vis_7",
            "channel": "paid_search",
            "campaign": "spring",
            "kind": "click",
            "cost": "0.35",
            "currency": "EUR",
        },
    ),
}


def example(kind: EventType) -> dict[str, Any]:
    """Return a right event of this type in structured mode."""
    time, data = _EXAMPLES[kind.name.removeprefix("shop.")]
    number = list(_EXAMPLES).index(kind.name.removeprefix("shop.")) + 1
    return {
        "specversion": "1.0",
        "id": f"0190b5e0-7c3a-7e4b-8f1d-2a3b4c5d{number:04x}",
        "source": "/shop/web",
        "type": kind.name,
        "time": time,
        "subject": data[kind.subject_field],
        "datacontenttype": JSON_TYPE,
        "data": data,
    }
