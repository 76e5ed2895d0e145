"""Stock: units come, are held by carts that will become orders, go, come back and run out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from shop_platform.generator.parameters import DAY, Pace, Parameters
from shop_platform.generator.tables import Floats, Ints, Mask, Table

REASONS = ("opening", "replenishment", "sale", "cancellation", "return", "damage")
OPENING, REPLENISHMENT, SALE, CANCELLATION, RETURN, DAMAGE = range(6)
_LARGEST_CART_LINE = 8


@dataclass
class Stock:
    """Units per product. ``table`` columns: level (in the warehouse), free (level minus what decided orders hold),
    coming (ordered from suppliers), lead (days), care (how early the buyer orders anew), lot (smallest purchase).

    A unit is held as soon as it is known that it will be put into a cart, and only from units that will have arrived by
    then. A session that is going to order keeps it until the level falls with the order; any other gives it back at
    the moment of the cart (:meth:`release`). So the level never falls below zero, nor below what goes into a cart.
    """

    table: Table

    @classmethod
    def empty(cls, rng: np.random.Generator, parameters: Parameters) -> Stock:
        """Return the stock of a shop that has bought nothing yet."""
        count = parameters.products
        careless = rng.random(count) < parameters.careless_share
        zero = np.zeros(count, np.int64)
        return cls(
            {
                "level": zero,
                "free": zero.copy(),
                "coming": zero.copy(),
                "lead": rng.uniform(*parameters.lead_days, count),
                "care": np.where(careless, rng.uniform(0.0, 0.7, count), rng.uniform(1.3, 2.2, count)),
                "lot": rng.integers(4, 13, count),
            }
        )

    def opening_events(self, rng: np.random.Generator, demand: Floats, time: Ints, cover_days: float) -> Table:
        """Return the first delivery of every product (``demand``: expected units a day) at the given times."""
        t = self.table
        units = np.maximum((demand * cover_days * rng.uniform(0.4, 1.2, len(demand))).astype(np.int64), t["lot"])
        t["coming"] += units
        return _events(time, np.arange(len(demand)), units, OPENING)

    def review(
        self, rng: np.random.Generator, now: int, demand: Floats, wanted: Mask, cover_days: float, pace: Pace
    ) -> Table:
        """Order what falls short (``demand``: expected units per real day) and return the deliveries to come."""
        t = self.table
        lead = t["lead"] * pace.restock
        position = t["free"] + t["coming"]
        reorder = demand * lead * t["care"] + (t["care"] > 1)
        product = np.flatnonzero(wanted & (position <= reorder))
        cover = np.maximum(demand * (lead + cover_days * pace.fulfil), t["lot"])[product]
        units = np.ceil(cover - position[product]).astype(np.int64)
        product, units = product[units > 0], units[units > 0]
        delay = lead[product] * rng.uniform(0.7, 1.5, len(product)) * DAY
        t["coming"][product] += units
        return _events(now + 1000 + delay.astype(np.int64), product, units, REPLENISHMENT)

    def damage_some(self, rng: np.random.Generator, start: int, end: int, count: int) -> Table:
        """Find a few units broken and return the write-offs; only from products that have some to spare."""
        t = self.table
        plenty = np.flatnonzero(t["free"] >= 5)
        product = np.sort(rng.choice(plenty, min(count, len(plenty)), replace=False)) if len(plenty) else plenty
        t["free"][product] -= 1
        return _events(rng.integers(start, end, len(product)), product, np.full(len(product), -1), DAMAGE)

    def allocate(self, product: Ints, time: Ints, quantity: Ints, holds: Mask, supply: Table | None) -> Mask:
        """Tell which cart lines find enough free units, in the order of time, and hold those.

        Lines with ``holds`` become orders; the caller releases the others when their time has come.

        ``supply``: the stock events known to happen in this window; units that come count from their time on.
        """
        free = self.table["free"]
        held = np.where(holds, quantity, 0)
        demand = np.bincount(product, held, len(free)).astype(np.int64)
        accepted = np.ones(len(product), np.bool_)
        scarce = np.flatnonzero((free < demand + _LARGEST_CART_LINE)[product])
        if len(scarce):
            self._allocate_scarce(scarce[np.lexsort((time[scarce], product[scarce]))], accepted,
                                  (product, time, quantity, holds), supply)  # fmt: skip
        np.subtract.at(free, product[accepted], quantity[accepted])
        return accepted

    def release(self, carts: Table) -> None:
        """Give back the units of carts that will not become orders, once they have been put into the cart."""
        np.add.at(self.table["free"], carts["product"], carts["quantity"])

    def _allocate_scarce(
        self, order: Ints, accepted: Mask, lines: tuple[Ints, Ints, Ints, Mask], supply: Table | None
    ) -> None:
        product, time, quantity, holds = (column[order].tolist() for column in lines)
        arrivals: dict[int, list[tuple[int, int]]] = defaultdict(list)
        if supply is not None:
            positive = supply["delta"] > 0
            known = (supply[name][positive].tolist() for name in ("product", "time", "delta"))
            for item, at, units in zip(*known, strict=True):
                arrivals[item].append((at, units))
        current, free = -1, 0
        waiting: list[tuple[int, int]] = []
        for position, item, at, wanted, hold in zip(order.tolist(), product, time, quantity, holds, strict=True):
            if item != current:
                current, free = item, int(self.table["free"][item])
                waiting = sorted(arrivals.get(item, ()), reverse=True)
            while waiting and waiting[-1][0] < at:
                free += waiting.pop()[1]
            if free < wanted:
                accepted[position] = False
            elif hold:
                free -= wanted

    def settle(self, events: Table) -> Ints:
        """Book the events of a window (sorted by time) and return the level after each."""
        t = self.table
        product, delta = events["product"], events["delta"]
        order = np.argsort(product, kind="stable")
        running = np.cumsum(delta[order])
        first = np.flatnonzero(np.r_[True, product[order][1:] != product[order][:-1]])
        lengths = np.diff(np.r_[first, len(order)])
        before = np.repeat(running[first] - delta[order][first], lengths)
        level = np.empty(len(order), np.int64)
        level[order] = t["level"][product[order]] + running - before
        np.add.at(t["level"], product, delta)
        arrived = delta > 0
        np.add.at(t["free"], product[arrived], delta[arrived])
        bought = events["reason"] <= REPLENISHMENT
        np.add.at(t["coming"], product[bought], -delta[bought])
        return level


def _events(time: Ints, product: Ints, delta: Ints, reason: int) -> Table:
    none = np.zeros(len(product), np.int64)
    return {"time": time, "product": product, "delta": delta, "reason": none + reason, "order": none}


def order_events(time: Ints, product: Ints, delta: Ints, reason: int, order: Ints) -> Table:
    """Return stock events that belong to orders."""
    return _events(time, product, delta, reason) | {"order": order}
