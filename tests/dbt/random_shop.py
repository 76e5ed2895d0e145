"""Random streams of a very small shop, with everything that a stream does to a warehouse."""

from __future__ import annotations

import datetime as dt
import os
import random

from tests.dbt import events as e

SEEDS = range(1, 1 + int(os.environ.get("SHOP_TEST_DBT_STREAMS", "1")))
"""The streams that each law about streams is tried with. One takes a minute or two: more are asked for."""

_START = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)
_PRODUCTS = ("desk", "lamp", "chair")
_CUSTOMERS = ("anna", "ben", "carla", "dora")
_CHANNELS = ("email", "direct", "paid_search")


def random_stream(seed: int) -> list[e.Event]:
    """A few days of a shop around a clock change, in order of arrival: shuffled, repeated, partly lost."""
    rng = random.Random(seed)
    stream = [*_catalogue(rng), *_people(rng)]
    for number in range(rng.randint(6, 14)):
        stream += _visit(rng, number)
    # Lost for good (a dead letter), told again under another id's clock, landed twice.
    stream = [event for event in stream if rng.random() > 0.06]
    stream += [event for event in stream if rng.random() < 0.1]
    rng.shuffle(stream)
    return stream


def split(stream: list[e.Event], batches: int, seed: int) -> list[list[e.Event]]:
    """Cut ``stream`` at random places; a batch may be empty."""
    rng = random.Random(seed)
    cuts = sorted(rng.randint(0, len(stream)) for _ in range(batches - 1))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def _moment(rng: random.Random, after: dt.datetime = _START, hours: int = 160) -> dt.datetime:
    return after + dt.timedelta(seconds=rng.randint(0, hours * 3600))


def _catalogue(rng: random.Random) -> list[e.Event]:
    found: list[e.Event] = []
    for product in _PRODUCTS:
        found.append(e.product_created(product, _moment(rng), category=rng.choice(["office", "home"])))
        for _ in range(rng.randint(0, 2)):
            found.append(e.product_updated(product, _moment(rng), category=rng.choice(["office", "home", "garden"])))
        found.append(e.price_changed(product, _moment(rng), f"{rng.randint(1, 99)}.50"))
        found += [e.stock_changed(product, _moment(rng), -1, rng.randint(0, 9), rng.choice("ab")) for _ in range(3)]
    return found


def _people(rng: random.Random) -> list[e.Event]:
    found: list[e.Event] = []
    for customer in _CUSTOMERS:
        found.append(e.customer_created(customer, _moment(rng)))
        if rng.random() < 0.5:
            found.append(e.customer_updated(customer, _moment(rng), marketing_consent=False))
        if rng.random() < 0.3:
            found.append(e.customer_erased(customer, _moment(rng)))
    return found


def _visit(rng: random.Random, number: int) -> list[e.Event]:
    session, order = f"s{number}", f"o{number}"
    begun = _moment(rng)
    soon = lambda: _moment(rng, begun, hours=1)  # noqa: E731
    channel = rng.choice(_CHANNELS)
    found = [
        e.session_started(session, begun, channel=channel),
        *(e.page_viewed(session, soon()) for _ in range(rng.randint(0, 3))),
        *(e.product_viewed(session, soon(), rng.choice(_PRODUCTS)) for _ in range(rng.randint(0, 2))),
        *(e.cart_changed(session, soon(), rng.choice(_PRODUCTS), rng.choice([1, 1, -1])) for _ in range(2)),
        e.searched(session, soon()),
        e.marketing_touched(f"visitor-of-{session}", begun),
    ]
    if rng.random() < 0.1:
        found.append(e.session_started(session, soon(), channel=rng.choice(_CHANNELS)))
    return found + (_order(rng, session, order, soon(), channel) if rng.random() < 0.8 else [])


def _order(rng: random.Random, session: str, order: str, placed: dt.datetime, channel: str) -> list[e.Event]:
    lines = [
        (rng.choice(_PRODUCTS), rng.randint(1, 3), f"{rng.randint(5, 60)}.{rng.randint(10, 99)}", "0.10", "1.23")
        for _ in range(rng.randint(1, 3))
    ]
    customer = rng.choice(_CUSTOMERS)
    session_id = session if rng.random() < 0.8 else None
    later = lambda: _moment(rng, placed, hours=90)  # noqa: E731
    details = {"customer_id": customer, "channel": channel, "session_id": session_id}
    found = [e.order_placed(order, placed, lines, **details)]
    if rng.random() < 0.15:
        found.append(e.order_placed(order, placed, lines, telling=2, **details))
    if rng.random() < 0.1:
        found.append(e.order_placed(f"{order}-again", placed + dt.timedelta(minutes=5), lines, **details))
    payment = f"pay-{order}"
    if rng.random() < 0.3:
        found.append(e.payment_failed(order, later(), rng.choice([payment, f"{payment}-first"])))
    found.append(e.order_paid(order, later(), payment_id=payment))
    if rng.random() < 0.25:
        found.append(e.order_cancelled(order, later()))
    else:
        found += [e.order_shipped(order, later(), "2026-10-27"), e.order_delivered(order, later())]
    if rng.random() < 0.4:
        refunded = [(1, lines[0][0], "2.00"), (len(lines), lines[-1][0], "1.00")][: rng.randint(1, 2)]
        version = 1 + sum(order.encode()) % 2  # a shop in the middle of a rollout
        shipping = {"shipping": "1.50"} if len(refunded) == 2 else {}
        found.append(e.refund_issued(order, later(), refunded, tax="0.57", version=version, **shipping))
        if rng.random() < 0.3:
            found.append(e.refund_issued(order, later(), refunded, version=3 - version))
        if rng.random() < 0.3:
            found.append(e.refund_issued(order, later(), [(1, lines[0][0], "0.50")], refund_id=f"second-{order}"))
    return found
