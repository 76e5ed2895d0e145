"""A small day of a shop: one customer, one product, one visit that ends in a paid order, one campaign touch."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.support.events import event


def shop_day(number: int = 1, *, time: dt.datetime | None = None) -> list[dict[str, Any]]:
    """Return valid events of every topic but returns; ``number`` keeps the entities of two days apart."""
    at = time or dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    customer, product, session = f"cus_{number}", f"prd_{number}", f"ses_{number}"
    order, visitor = f"ord_{number}", f"vis_{number}"
    address = {"street": "Weg 1", "postal_code": "10115", "city": "Berlin", "country": "DE"}
    web = {"session_id": session, "visitor_id": visitor}
    line = {
        "line_number": 1,
        "product_id": product,
        "sku": f"SKU-{number}",
        "quantity": 2,
        "unit_price": "10.00",
        "discount": "1.00",
        "tax": "3.61",
    }
    made: list[tuple[str, str, dict[str, Any]]] = [
        (
            "shop.customer.created.v1",
            customer,
            {
                "customer_id": customer,
                "email": "a@example.org",
                "first_name": "A",
                "last_name": "B",
                "address": address,
                "locale": "de_DE",
                "marketing_consent": True,
                "acquisition_channel": "direct",
            },
        ),
        (
            "shop.product.created.v1",
            product,
            {
                "product_id": product,
                "sku": f"SKU-{number}",
                "name": "Lamp",
                "category": "home",
                "subcategory": "lamps",
                "brand": "Lux",
                "price": "10.00",
                "cost": "4.00",
                "currency": "EUR",
            },
        ),
        (
            "shop.stock.changed.v1",
            product,
            {"product_id": product, "warehouse": "main", "delta": 5, "level": 5, "reason": "delivery"},
        ),
        (
            "shop.marketing.touched.v1",
            visitor,
            {
                "touch_id": f"tch_{number}",
                "visitor_id": visitor,
                "channel": "email",
                "campaign": "spring",
                "kind": "click",
                "cost": "0.10",
                "currency": "EUR",
            },
        ),
        (
            "shop.web.session_started.v1",
            session,
            web | {"channel": "email", "device": "mobile", "country": "DE", "landing_page": "/"},
        ),
        (
            "shop.order.placed.v1",
            order,
            {
                "order_id": order,
                "customer_id": customer,
                "session_id": session,
                "channel": "email",
                "device": "mobile",
                "country": "DE",
                "currency": "EUR",
                "lines": [line],
                "subtotal": "20.00",
                "discount": "1.00",
                "shipping": "0.00",
                "tax": "3.61",
                "total": "22.61",
            },
        ),
        (
            "shop.order.paid.v1",
            order,
            {
                "order_id": order,
                "payment_id": f"pay_{number}",
                "method": "card",
                "amount": "22.61",
                "currency": "EUR",
            },
        ),
    ]
    return [
        event(kind, subject, data, time=at + dt.timedelta(seconds=step))
        for step, (kind, subject, data) in enumerate(made)
    ]
