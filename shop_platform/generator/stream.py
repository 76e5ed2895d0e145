"""The history as a stream: windows of a day, lived, encoded, spoilt here and there, in send order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from shop_platform.generator import sessions
from shop_platform.generator.encode import encode
from shop_platform.generator.faults import Held, send_order
from shop_platform.generator.message import Message
from shop_platform.generator.parameters import DAY, HISTORY_FAULTS, REAL_PACE, FaultRates, Pace, Parameters
from shop_platform.generator.seasons import LocalTime
from shop_platform.generator.shop import Shop

# Measured over several seeds; the progress bar and the first seconds of a live run depend on it.
MESSAGES_PER_VISIT = 4.45


@dataclass(frozen=True)
class HistoryPlan:
    """Everything a history depends on: the same plan gives the same bytes in the same order.

    ``start``: local midnight ``days`` before the day of ``end``; both epoch ms UTC.
    """

    seed: int
    days: int
    orders_per_day: float
    start: int
    end: int
    zone: str
    faults: FaultRates = HISTORY_FAULTS

    @classmethod
    def make(
        cls,
        *,
        seed: int,
        days: int,
        orders_per_day: float,
        until: dt.datetime,
        zone: str,
        faults: FaultRates = HISTORY_FAULTS,
    ) -> HistoryPlan:
        """Return the plan of ``days`` whole local days and the part of today that lies before ``until``."""
        end = int(until.timestamp()) * 1000
        return cls(seed, days, orders_per_day, LocalTime(zone).midnight(end, -days), end, zone, faults)

    @property
    def parameters(self) -> Parameters:
        """The shop's habits at this size."""
        return Parameters(orders_per_day=self.orders_per_day)

    def visits_per_day(self, shop: Shop) -> float:
        """Return the visits of an average day that lead to the planned orders over the whole span."""
        days = shop.local.day(np.arange(self.start, self.end, DAY, dtype=np.int64))
        conversion = sessions.expected_conversion(self.parameters)
        return self.orders_per_day / conversion / float(shop.seasonal_level(days).mean())


@dataclass
class Line:
    """The way from a shop's window to messages: one step lives, encodes and applies the faults."""

    shop: Shop
    held: Held = field(default_factory=Held)

    def window(
        self, end: int, pace: Pace, visits_per_day: float, faults: FaultRates, until: int | None = None
    ) -> list[Message]:
        """Let the shop live until ``end`` (ms) and return the messages to send, in send order."""
        start = self.shop.clock
        events = self.shop.step(end, pace, visits_per_day)
        encoded = encode(events, self.shop.seed, self.shop.parameters.products)
        rng = np.random.default_rng([self.shop.seed, start, 2])
        return send_order(rng, faults, encoded, self.held, end, until)


class HistoryStream:
    """An iterator over a plan's messages, one list a local day; afterwards ``shop`` is where live goes on."""

    def __init__(self, plan: HistoryPlan) -> None:
        self.plan = plan
        self.shop = Shop.found(plan.parameters, plan.seed, plan.zone, plan.start)
        self.visits_per_day = plan.visits_per_day(self.shop)
        days = (plan.end - plan.start) / DAY
        self.estimate = round(
            plan.orders_per_day / sessions.expected_conversion(plan.parameters) * days * MESSAGES_PER_VISIT
        )

    def __iter__(self) -> Iterator[list[Message]]:
        plan, line = self.plan, Line(self.shop)
        midnights = {self.shop.local.midnight(plan.start, day) for day in range(1, plan.days + 1)}
        edges = sorted({plan.start + self.shop.opening_ms, plan.end} | {edge for edge in midnights if edge < plan.end})
        for edge in edges:
            yield line.window(edge, REAL_PACE, self.visits_per_day, plan.faults, plan.end)


def history_chunks(
    *,
    seed: int = 42,
    days: int = 90,
    orders_per_day: float | None = None,
    until: dt.datetime,
    zone: str = "Europe/Berlin",
    faults: FaultRates = HISTORY_FAULTS,
) -> Iterator[list[Message]]:
    """Yield a history's messages without Kafka, one list a simulated day, in send order (for benchmarks and tests)."""
    rate = orders_per_day or Parameters().orders_per_day
    return iter(HistoryStream(HistoryPlan.make(
        seed=seed, days=days, orders_per_day=rate, until=until, zone=zone, faults=faults
    )))  # fmt: skip
