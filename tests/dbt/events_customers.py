"""Hand-written events for customers, baskets and stock, beside those of ``events``."""

from __future__ import annotations

import dataclasses

from tests.dbt import events as e

_DAY = "2026-03-01"


def told_again(event: e.Event, telling: int = 2) -> e.Event:
    """Return the same content under another event id."""
    return dataclasses.replace(event, telling=telling)


def basket(order_id: str, *products: str, customer_id: str = "anna", day: str = _DAY) -> e.Event:
    """Return an order of one unit of each of ``products``, 10.00 apiece."""
    lines = [(product, 1, "10.00", "0.00", "1.90") for product in products]
    return e.order_placed(order_id, f"{day} 10:00", lines, customer_id=customer_id)


def purchase(order_id: str, customer_id: str, day: str, price: str = "10.00", currency: str = "EUR") -> e.Event:
    """Return an order of one desk."""
    lines = [("desk", 1, price, "0.00", "0.00")]
    return e.order_placed(order_id, f"{day} 10:00", lines, customer_id=customer_id, currency=currency)
