"""More hand-written events of orders, products and returns."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random

from tests.dbt import events as e


def cost_changed(
    product_id: str, time: str | dt.datetime, cost: str, *, price: str = "10.00", currency: str = "EUR"
) -> e.Event:
    """A price event that also sets what the product costs the shop."""
    event = e.price_changed(product_id, time, price)
    return dataclasses.replace(event, data=event.data | {"cost": cost, "currency": currency})


def refund_in(currency: str, refund: e.Event) -> e.Event:
    """The same refund in another currency."""
    return dataclasses.replace(refund, data=refund.data | {"currency": currency})


def return_requested(order_id: str, time: str | dt.datetime, return_id: str) -> e.Event:
    """The customer announces that the first line comes back."""
    lines = [{"line_number": 1, "product_id": "desk", "quantity": 1, "reason": "regret"}]
    data = {"return_id": return_id, "order_id": order_id, "customer_id": "anna", "lines": lines}
    return e.Event("return.requested", order_id, e.at(time), data)


def return_received(order_id: str, time: str | dt.datetime, return_id: str) -> e.Event:
    """The goods are back."""
    return e.Event("return.received", order_id, e.at(time), {"return_id": return_id, "order_id": order_id})


def told_again(event: e.Event) -> e.Event:
    """The same thing under another event id."""
    return dataclasses.replace(event, telling=event.telling + 1)


def with_money_and_returns(stream: list[e.Event], seed: int) -> list[e.Event]:
    """Add to a random stream what it lacks: costs, currencies, coupons, tellings without discount, returns."""
    rng = random.Random(seed)
    found = []
    for event in stream:
        changed: dict[str, str] = {}
        if event.name == "order.placed" and rng.random() < 0.4:
            changed = {"currency": rng.choice(["CHF", "KES"])} if rng.random() < 0.6 else {"coupon": "SPRING"}
        if event.name == "order.placed" and rng.random() < 0.3:
            earlier = event.time - dt.timedelta(hours=rng.randint(0, 40))
            found.append(e.order_placed(event.subject, earlier, customer_id=event.data["customer_id"]))
        if event.name == "order.placed" and rng.random() < 0.2:
            for _ in range(rng.randint(1, 2)):
                later = event.time + dt.timedelta(hours=rng.randint(0, 90))
                found.append(e.order_amended(event, later, ("lamp", rng.randint(1, 4), "7.50", "0.50", "1.35")))
        if event.name == "order.delivered" and rng.random() < 0.6:
            found.append(return_requested(event.subject, event.time + dt.timedelta(hours=rng.randint(-9, 90)), "r1"))
            found.append(return_received(event.subject, event.time + dt.timedelta(hours=rng.randint(-9, 99)), "r1"))
        if event.name == "product.price_changed":
            at = event.time + dt.timedelta(hours=rng.randint(-160, 160))
            found.append(
                cost_changed(event.subject, at, f"{rng.randint(1, 5)}.25", currency=rng.choice(["EUR", "USD"]))
            )
            if rng.random() < 0.3:
                found.append(told_again(event))
        found.append(dataclasses.replace(event, data=event.data | changed))
    rng.shuffle(found)
    return found
