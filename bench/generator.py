"""Events per second of processor time: a shop simulated and encoded, against encoding one msgspec struct an event."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import uuid_utils

from shop_platform.events import types as t
from shop_platform.events.vocabulary import Payload
from shop_platform.generator.campaigns import CAMPAIGNS
from shop_platform.generator.catalogue import product_texts
from shop_platform.generator.encode import encode
from shop_platform.generator.parameters import CHANNELS, COUNTRIES, DEVICES, NO_FAULTS, REAL_PACE, Parameters
from shop_platform.generator.sessions import PAGES, QUERIES
from shop_platform.generator.stream import HistoryPlan, HistoryStream, history_chunks
from shop_platform.generator.tables import Table

_COMMAND = "make bench ONLY=generator"
_UNTIL = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
_SEED = 1
_LARGE = 400.0
_WEB = ("session_started", "page_viewed", "product_viewed", "searched", "cart_changed")


class _Envelope(msgspec.Struct):
    specversion: str
    id: str
    source: str
    type: str
    time: dt.datetime
    subject: str
    datacontenttype: str
    data: Any


def run() -> list[dict[str, Any]]:
    """Measure a large shop (400 orders a day) and the demo's own size, in processor time: it is one thread.

    The first two values cover everything: the shop's life, ids, bytes, faults, send order. The third is the encoding
    alone. The reference encodes the web events of the same columns in the straightforward way, and nothing else.
    """
    days = _web_days()
    events = sum(len(table["time"]) for day in days for table in day.values())
    own = events / _seconds(lambda: [encode(day, _SEED, Parameters().products) for day in days])
    reference = events / _seconds(lambda: [list(_straightforward(day)) for day in days])
    return [
        _row("generator.events_per_second", _whole(days=20, orders_per_day=_LARGE), reference),
        _row(
            "generator.events_per_second_demo", _whole(days=90, orders_per_day=Parameters().orders_per_day), reference
        ),
        _row("generator.encode_events_per_second", own, reference),
    ]


def _row(name: str, value: float, reference: float) -> dict[str, Any]:
    figures = {"value": round(value), "unit": "events/s", "reference": round(reference)}
    return {"name": name, **figures, "ratio": round(value / reference, 2), "command": _COMMAND}


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _whole(*, days: int, orders_per_day: float) -> float:
    counts: list[int] = []

    def produce() -> None:
        counts.extend(
            len(chunk) for chunk in history_chunks(days=days, orders_per_day=orders_per_day, until=_UNTIL, seed=_SEED)
        )

    seconds = _seconds(produce)
    return sum(counts) / seconds


def _web_days() -> list[dict[str, Table]]:
    """Return the columns of the web events of four days; names and product texts are made on the way."""
    plan = HistoryPlan.make(
        seed=_SEED, days=4, orders_per_day=_LARGE, until=_UNTIL, zone="Europe/Berlin", faults=NO_FAULTS
    )
    stream = HistoryStream(plan)
    shop = stream.shop
    shop.step(plan.start + shop.opening_ms, REAL_PACE, stream.visits_per_day)
    ends = [shop.local.midnight(plan.start, day) for day in range(1, plan.days + 1)]
    days = [shop.step(end, REAL_PACE, stream.visits_per_day) for end in ends]
    return [{kind: day[kind] for kind in _WEB} for day in days]


def _straightforward(day: dict[str, Table]) -> Iterator[bytes]:
    """Encode event by event: identifiers and money by f-string, a struct for the data, one for the envelope."""
    encoder = msgspec.json.Encoder()
    products = [text.product.decode() for text in product_texts(_SEED, Parameters().products)]

    def money(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}"

    def data(kind: str, row: dict[str, Any], who: dict[str, Any]) -> Payload:
        if kind == "session_started":
            return t.SessionStarted(
                **who,
                channel=CHANNELS[row["channel"]],
                device=DEVICES[row["device"]],
                country=COUNTRIES[row["country"]],
                landing_page=PAGES[row["landing"]][0],
                customer_id=f"cus_{row['shown']}" if row["shown"] else None,
                campaign=CAMPAIGNS[row["campaign"]].name if row["campaign"] >= 0 else None,
            )
        if kind == "page_viewed":
            return t.PageViewed(**who, page=PAGES[row["page"]][0], page_type=PAGES[row["page"]][1])
        if kind == "searched":
            return t.Searched(**who, query=QUERIES[row["query"]], results=row["results"])
        product = products[row["product"]]
        if kind == "product_viewed":
            return t.ProductViewed(**who, product_id=product, price=money(row["price"]), currency="EUR")
        units: dict[str, Any] = {"delta": row["delta"], "quantity": row["quantity"]}
        return t.CartChanged(**who, product_id=product, **units, unit_price=money(row["unit_price"]), currency="EUR")

    for kind, table in day.items():
        names = list(table)
        for values in zip(*(column.tolist() for column in table.values()), strict=True):
            row = dict(zip(names, values, strict=True))
            session = f"ses_{row['session']}"
            yield encoder.encode(
                _Envelope(
                    specversion="1.0",
                    id=str(uuid_utils.uuid7()),
                    source="/shop/web",
                    type=f"shop.web.{kind}.v1",
                    time=dt.datetime.fromtimestamp(row["time"] / 1000, dt.UTC),
                    subject=session,
                    datacontenttype="application/json",
                    data=data(kind, row, {"session_id": session, "visitor_id": f"vis_{row['visitor']}"}),
                )
            )
