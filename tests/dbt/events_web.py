"""Events of carts and campaigns, and a random stream of them."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from tests.dbt import events as e
from tests.dbt.random_shop import random_stream

_KINDS = ("impression", "click", "email_sent", "email_opened")


def cart_holds(
    session_id: str,
    time: str | dt.datetime,
    product_id: str,
    quantity: int,
    *,
    price: str = "10.00",
    currency: str = "EUR",
    delta: int = 1,
) -> e.Event:
    """A change of the cart after which it holds ``quantity`` of the product."""
    data = {"product_id": product_id, "delta": delta, "quantity": quantity, "unit_price": price, "currency": currency}
    return e._event("web.cart_changed", session_id, time, e._visit(session_id) | data)


def touched(touch_id: str, visitor_id: str, time: str | dt.datetime, **data: Any) -> e.Event:
    """A click of a campaign on paid search that cost 0.50, unless ``data`` says otherwise."""
    click = {"channel": "paid_search", "campaign": "spring", "kind": "click", "cost": "0.50", "currency": "EUR"}
    return e._event(
        "marketing.touched", visitor_id, time, {"touch_id": touch_id, "visitor_id": visitor_id} | click | data
    )


def random_web_stream(seed: int) -> list[e.Event]:
    """The random stream of a shop with more carts and campaigns: several touches per order, told again differently."""
    rng = random.Random(seed)
    stream = random_stream(seed)
    for event in list(stream):
        if event.name == "web.session_started":
            stream += _more(rng, event.subject, event.time)
    rng.shuffle(stream)
    return stream


def _more(rng: random.Random, session_id: str, begun: dt.datetime) -> list[e.Event]:
    customer = rng.choice([None, "anna", "ben", "carla"])
    around = lambda hours: begun + dt.timedelta(minutes=rng.randint(-hours * 60, 60))  # noqa: E731
    found = [
        cart_holds(
            session_id,
            begun + dt.timedelta(minutes=rng.randint(0, 90)),
            rng.choice(["desk", "lamp"]),
            rng.randint(0, 3),
            price=f"{rng.randint(1, 99)}.95",
            currency=rng.choice(["EUR", "EUR", "CHF"]),
            delta=rng.choice([1, -1]),
        )
        for _ in range(rng.randint(0, 3))
    ]
    # The same browser comes back, fills a cart and goes.
    again = f"{session_id}-again"
    found.append(e.session_started(again, around(50), visitor_id=f"visitor-of-{session_id}", customer_id=customer))
    found.append(cart_holds(again, around(50), "lamp", rng.randint(0, 3)))
    for number in range(rng.randint(0, 4)):
        visitor = rng.choice([f"visitor-of-{session_id}", f"visitor-of-{session_id}", "stranger"])
        told = {
            "channel": rng.choice(["email", "paid_search", "carrier_pigeon"]),
            "kind": rng.choice(_KINDS),
            "cost": f"0.{rng.randint(10, 99)}",
            "session_id": rng.choice([None, session_id]),
        }
        touch = f"touch-{session_id}-{number}"
        found.append(touched(touch, visitor, around(900), customer_id=customer, **told))
        if rng.random() < 0.3:
            found.append(touched(touch, visitor, around(900), customer_id=rng.choice(["anna", "dora"]), **told))
    return found
