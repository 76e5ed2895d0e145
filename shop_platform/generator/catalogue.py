"""The catalogue: what is sold, for how much, how popular it is and how often it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from shop_platform.generator.draws import choose
from shop_platform.generator.names import json_text
from shop_platform.generator.parameters import DAY, HOUR, Parameters
from shop_platform.generator.tables import Column, Floats, Ints, Table

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Category:
    """A category: share of the demand, median price (cents), margin, share of units that come back."""

    name: str
    demand: float
    median: int
    cost: float
    returned: float
    subcategories: tuple[str, ...]
    nouns: tuple[str, ...]


CATEGORIES = (
    Category("fashion", 0.23, 3400, 0.46, 0.155, ("shirts", "trousers", "dresses", "jackets"),
             ("T-Shirt", "Jeans", "Dress", "Jacket", "Sweater")),
    Category("shoes", 0.11, 6200, 0.50, 0.170, ("sneakers", "boots", "sandals"), ("Sneaker", "Boot", "Sandal")),
    Category("electronics", 0.17, 6800, 0.72, 0.055, ("audio", "smart_home", "phone_accessories", "cameras"),
             ("Headphones", "Speaker", "Smart Plug", "Charger", "Action Cam")),
    Category("home", 0.15, 3300, 0.54, 0.040, ("kitchen", "bedding", "lighting", "storage"),
             ("Pan", "Duvet Cover", "Lamp", "Basket", "Knife")),
    Category("beauty", 0.12, 1750, 0.40, 0.015, ("skincare", "fragrance", "makeup"),
             ("Serum", "Eau de Parfum", "Lipstick", "Cream")),
    Category("sports", 0.10, 4100, 0.55, 0.065, ("fitness", "outdoor", "cycling", "running"),
             ("Yoga Mat", "Backpack", "Helmet", "Running Belt")),
    Category("toys", 0.07, 2300, 0.56, 0.030, ("building", "games", "outdoor_play"),
             ("Building Set", "Board Game", "Kite", "Puzzle")),
    Category("garden", 0.05, 3600, 0.58, 0.040, ("tools", "plants", "grill"), ("Shears", "Planter", "Grill Tongs")),
)  # fmt: skip
_BRANDS = ("Nordlicht", "Alba & Söhne", "Kiez", "Werkbund", "Loma", "Fjell", "Atelier Nº 9", "Tramontana", "Polder",
           "Hafenstadt", "Zwölf", "Mistral")  # fmt: skip
_ADJECTIVES = (
    "Classic",
    "Slim",
    "Urban",
    "Natural",
    "Compact",
    "Deluxe",
    "Light",
    "Vintage",
    "Pro",
    "Cosy",
    "Everyday",
)
PRICE_REASONS = ("promotion", "promotion_end", "cost_increase", "competition")


@dataclass(frozen=True)
class ProductText:
    """What never changes of a product, ready for JSON."""

    product: bytes
    sku: bytes
    name: bytes
    category: bytes
    subcategory: bytes
    brand: bytes


@cache
def product_texts(seed: int, count: int) -> tuple[ProductText, ...]:
    """Return the fixed texts of every product; products stand in the order of their categories."""
    rng = np.random.default_rng([seed, 11])
    made = []
    for index, category in enumerate(category_of(count).tolist()):
        kind = CATEGORIES[category]
        noun = int(rng.integers(len(kind.nouns)))
        sub = kind.subcategories[min(noun, len(kind.subcategories) - 1)]
        brand = _BRANDS[int(rng.integers(len(_BRANDS)))]
        name = f"{brand} {_ADJECTIVES[int(rng.integers(len(_ADJECTIVES)))]} {kind.nouns[noun]}"
        sku = f"{kind.name[:3].upper()}-{sub[:3].upper()}-{index + 1:05d}"
        made.append(
            ProductText(
                b"prd_%05d" % (index + 1),
                sku.encode(),
                json_text(name),
                kind.name.encode(),
                sub.encode(),
                json_text(brand),
            )
        )
    return tuple(made)


def category_of(count: int) -> Ints:
    """Return the category of each of ``count`` products: as many as its demand deserves, in blocks."""
    demand = np.array([c.demand for c in CATEGORIES])
    edges = np.round(np.cumsum(demand) / demand.sum() * count).astype(np.int64)
    return np.searchsorted(edges, np.arange(count), side="right")


@dataclass
class Catalogue:
    """Every product. ``table`` columns, one row a product: price, next_price, next_at, cost, popularity, starts,
    active, edition, base_price (money in cents, times in epoch ms).

    Prices change by appointment, hours ahead: every session that is already under way knows the price of each moment.
    """

    table: Table
    seed: int

    @classmethod
    def open(cls, parameters: Parameters, seed: int, origin: int) -> Catalogue:
        """Return the catalogue on the day the shop opens; some products will only start later."""
        count = parameters.products
        rng = np.random.default_rng([seed, 12])
        category = category_of(count)
        median = np.array([c.median for c in CATEGORIES], np.float64)[category]
        price = _charming(median * rng.lognormal(0.0, 0.62, count))
        cost_share = np.array([c.cost for c in CATEGORIES])[category] * rng.uniform(0.88, 1.12, count)
        popularity = np.empty(count)
        for index, kind in enumerate(CATEGORIES):
            here = np.flatnonzero(category == index)
            tail = 1.0 / np.arange(2, len(here) + 2) ** 0.9
            popularity[here] = kind.demand * rng.permutation(tail / tail.sum())
        later = rng.random(count) < parameters.later_products
        starts = np.where(later, origin + rng.integers(3, 120, count) * DAY + 7 * HOUR, origin)
        return cls(
            {
                "price": price,
                "next_price": price.copy(),
                "next_at": np.full(count, NEVER),
                "base_price": price.copy(),
                "cost": np.maximum((price * cost_share).astype(np.int64), 1),
                "popularity": popularity,
                "starts": starts,
                "active": np.ones(count, np.bool_),
                "edition": np.ones(count, np.int64),
            },
            seed,
        )

    def __len__(self) -> int:
        return len(self.table["price"])

    def created_events(self, delay: Ints) -> Table:
        """Return the ``product.created`` events of all products, ``delay`` ms after each one's start."""
        t = self.table
        return {"time": t["starts"] + delay, "product": np.arange(len(self)), "price": t["price"], "cost": t["cost"]}

    def attraction(self, start: int, margin: int) -> Floats:
        """Return each product's weight in the views from ``start`` on (0 until ``margin`` ms after its own start)."""
        t = self.table
        result: Floats = np.where(t["active"] & (t["starts"] + margin <= start), t["popularity"], 0.0)
        return result

    def price_at(self, product: Ints, time: Ints) -> Ints:
        """Return the price in cents of each product at each time."""
        t = self.table
        result: Ints = np.where(time >= t["next_at"][product], t["next_price"][product], t["price"][product])
        return result

    def settle_prices(self, now: int) -> None:
        """Make appointed prices that have come due the current ones."""
        t = self.table
        due = t["next_at"] <= now
        t["price"][due] = t["next_price"][due]
        t["next_at"][due] = NEVER

    def change_prices(self, rng: np.random.Generator, count: int, at: Ints) -> Table:
        """Appoint up to ``count`` price changes at the times ``at`` (each one column long) and return the events."""
        t = self.table
        free = np.flatnonzero((t["next_at"] == NEVER) & t["active"] & (t["starts"] < at.min(initial=NEVER)))
        count = min(count, len(free))
        product = np.sort(rng.choice(free, count, replace=False)) if count else free[:0]
        reduced = t["price"][product] < t["base_price"][product]
        reason = np.where(reduced, 1, choose(rng, (0.55, 0.0, 0.25, 0.20), count))
        factor = np.select(
            [reason == 0, reason == 2], [rng.uniform(0.75, 0.9, count), rng.uniform(1.02, 1.09, count)], 0.96
        )
        new = np.where(reason == 1, t["base_price"][product], _charming(t["price"][product] * factor))
        t["base_price"][product] = np.where(reason >= 2, new, t["base_price"][product])
        t["cost"][product] = np.where(reason == 2, (t["cost"][product] * 1.03).astype(np.int64), t["cost"][product])
        t["next_price"][product], t["next_at"][product] = new, at[:count]
        return {
            "time": at[:count], "product": product, "old_price": t["price"][product], "price": new,
            "cost": t["cost"][product], "reason": reason,
        }  # fmt: skip

    def update_some(self, rng: np.random.Generator, count: int, start: int, end: int) -> Table:
        """Rewrite or retire a few products and return the ``product.updated`` events."""
        t = self.table
        known = np.flatnonzero(t["active"] & (t["starts"] < start))
        count = min(count, len(known))
        product = np.sort(rng.choice(known, count, replace=False)) if count else known[:0]
        tail = t["popularity"][product] < np.median(t["popularity"])
        t["active"][product[tail & (rng.random(count) < 0.4)]] = False
        t["edition"][product] += 1
        return {
            "time": rng.integers(start, end, count), "product": product, "edition": t["edition"][product],
            "active": t["active"][product].astype(np.int64),
        }  # fmt: skip


def _charming(cents: Column) -> Ints:
    """Return prices that end in 9: people like them."""
    result: Ints = np.maximum(np.round(cents / 10).astype(np.int64) * 10 - 1, 199)
    return result
