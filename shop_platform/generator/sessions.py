"""Sessions: who comes by which channel, what they look at and how far down the funnel they go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator import campaigns
from shop_platform.generator.catalogue import CATEGORIES, Catalogue, category_of
from shop_platform.generator.draws import choose, choose_by_row, pick
from shop_platform.generator.ids import Numbers
from shop_platform.generator.parameters import CHANNELS, MINUTE, Pace, Parameters
from shop_platform.generator.population import Customers
from shop_platform.generator.tables import Floats, Ints, Table, ranks

PAGES: tuple[tuple[str, str], ...] = (
    ("/", "home"),
    *((f"/c/{category.name}", "category") for category in CATEGORIES),
    ("/sale", "campaign"),
    ("/magazine", "content"),
    ("/help/delivery", "help"),
    ("/account", "account"),
)
_PAGE_WEIGHTS = (0.22, *(0.58 * c.demand for c in CATEGORIES), 0.06, 0.06, 0.04, 0.04)
_SALE_PAGE = 1 + len(CATEGORIES)
QUERIES = ("sneaker", "geschenk", "lampe", "kopfhörer", "dress", "jacke", "pfanne", "serum", "yoga", "puzzle", "grill",
           "cadeau", "rucksack", "ladegerät", "bettwäsche")  # fmt: skip
EMAIL = CHANNELS.index("email")
STRANGER = -1
_MAX_BROWSE = 40 * MINUTE
_FOCUS = 0.62


@dataclass
class RecentVisitors:
    """Strangers of late, some of whom come back. ``table`` columns: visitor, country, device."""

    table: Table

    size = 4000

    @classmethod
    def none_yet(cls) -> RecentVisitors:
        """Return an empty memory."""
        return cls({name: np.zeros(0, np.int64) for name in ("visitor", "country", "device")})

    def remember(self, seen: Table) -> None:
        """Add visitors and forget the oldest."""
        self.table = {name: np.concatenate([column, seen[name]])[-self.size :] for name, column in self.table.items()}


def expected_conversion(p: Parameters) -> float:
    """Return the share of sessions that order when no campaign runs."""
    channel = np.asarray(p.funnel_of_channel)
    devices = np.asarray(p.device_by_channel) @ np.asarray(p.funnel_of_device)
    strangers = np.asarray(p.channel_of_strangers) / sum(p.channel_of_strangers)
    known = np.asarray(p.channel_of_customers) / sum(p.channel_of_customers)
    mix = (1 - p.known_share) * strangers + p.known_share * known * p.funnel_of_customers
    country = np.dot(p.country, p.funnel_of_country) / sum(p.country)
    product = p.engaged * p.views_product * p.fills_cart * p.checks_out * p.orders * p.in_stock
    return float(product * (mix * channel * devices).sum() * country)


def arrival_rates(p: Parameters, local_day: int) -> Floats:
    """Return visits per baseline visit, by (stranger, customer) x channel; their sum is 1 without campaigns."""
    strangers = np.asarray(p.channel_of_strangers) / sum(p.channel_of_strangers) * (1 - p.known_share)
    known = np.asarray(p.channel_of_customers) / sum(p.channel_of_customers) * p.known_share
    rates: Floats = np.stack([strangers, known]) * campaigns.visit_lift(local_day)
    return rates


def arrive(
    rng: np.random.Generator, p: Parameters, numbers: Numbers, customers: Customers, recent: RecentVisitors,
    *, time: Ints, start: int, local_day: int,
) -> Table:  # fmt: skip
    """Return one row a session that begins at ``time``: who, by which channel, device, country and campaign.

    Columns: time, session, visitor, customer_row (-1: a stranger), shown (customer number if logged in, else 0),
    channel, device, country, campaign.
    """
    count = len(time)
    kind = choose(rng, arrival_rates(p, local_day).ravel(), count)
    known, channel = kind >= len(CHANNELS), kind % len(CHANNELS)
    appetite = np.cumsum(customers.appetite_at(start))
    if not len(appetite) or appetite[-1] <= 0:
        known = np.zeros(count, np.bool_)
    session = numbers.take(count)
    row = np.full(count, STRANGER, np.int64)
    country = choose(rng, p.country, count)
    visitor = session.copy()
    shown = np.zeros(count, np.int64)
    t = customers.table
    if known.any():
        row[known] = mine = pick(rng.random(int(known.sum())), appetite)
        country[known], visitor[known] = t["country"][mine], t["visitor"][mine]
        shown[known] = np.where(rng.random(len(mine)) < p.logged_in_share, t["customer"][mine], 0)
        refuses = np.flatnonzero(known)[t["consent"][mine] == 0]
        channel[refuses[channel[refuses] == EMAIL]] = 0
    device = choose_by_row(rng, p.device_by_channel, channel)
    back = np.flatnonzero(~known & (rng.random(count) < p.returning_stranger_share))
    if len(recent.table["visitor"]) and len(back):
        which = rng.integers(0, len(recent.table["visitor"]), len(back))
        for name, column in (("visitor", visitor), ("country", country), ("device", device)):
            column[back] = recent.table[name][which]
    strangers = ~known
    recent.remember({"visitor": visitor[strangers], "country": country[strangers], "device": device[strangers]})
    campaign = campaigns.attribute(rng, channel, local_day)
    return {
        "time": time, "session": session, "visitor": visitor, "customer_row": row, "shown": shown, "channel": channel,
        "device": device, "country": country, "campaign": campaign,
    }  # fmt: skip


@dataclass(frozen=True)
class Browsing:
    """What a window's sessions do.

    ``visits``: one row a session (with landing, buys, checks_out, ends, checkout_at, order_at); the others: the single
    steps, each with a ``visit`` column that points into it.
    """

    visits: Table
    pages: Table
    views: Table
    searches: Table
    carts: Table


def browse(
    rng: np.random.Generator, p: Parameters, pace: Pace, catalogue: Catalogue, visits: Table, attraction: Floats
) -> Browsing:
    """Let the sessions happen. Carts are wishes so far: stock decides (see :mod:`stock`)."""
    count = len(visits["time"])
    campaign, known = visits["campaign"], visits["customer_row"] != STRANGER
    lift = np.where(campaign >= 0, campaigns.CONVERSION[campaign], 1.0) * np.where(known, p.funnel_of_customers, 1.0)
    step = rng.random((5, count))
    engaged = step[0] < p.engaged
    looks = engaged & (step[1] < p.views_product)
    fills = looks & (
        step[2] < np.minimum(p.fills_cart * lift * np.asarray(p.funnel_of_channel)[visits["channel"]], 0.9)
    )
    checks = fills & (step[3] < np.minimum(p.checks_out * np.asarray(p.funnel_of_device)[visits["device"]], 0.95))
    buys = checks & (step[4] < np.minimum(p.orders * np.asarray(p.funnel_of_country)[visits["country"]], 0.97))

    pages = 1 + np.where(engaged, rng.poisson(p.extra_pages, count), 0)
    searches = np.where(engaged, rng.poisson(p.searches, count), 0)
    views = np.where(looks, 1 + rng.poisson(p.extra_views + 1.0 * fills), 0)
    per_step = np.clip(rng.lognormal(3.4, 0.7, count), 6, 240) * 1000
    lasting = np.minimum((pages + searches + views - 1) * per_step, _MAX_BROWSE) * pace.browse
    begins = visits["time"]

    def moments(visit: Ints) -> Ints:
        return begins[visit] + 300 + (rng.random(len(visit)) * lasting[visit]).astype(np.int64)

    page_visit = np.repeat(np.arange(count), pages)
    page = choose(rng, _PAGE_WEIGHTS, len(page_visit))
    first = ranks(page_visit) == 0
    page[first] = np.where(campaign >= len(campaigns.ALWAYS_ON), _SALE_PAGE, page[first])
    page_time = np.where(first, begins[page_visit] + 150, moments(page_visit))
    search_visit = np.repeat(np.arange(count), searches)
    view_visit = np.repeat(np.arange(count), views)
    product = _products(rng, catalogue, attraction, view_visit, count)
    view_time = moments(view_visit)
    wished = np.where(fills, 1 + np.minimum(rng.poisson(p.extra_cart_items, count), views - 1), 0)
    carts = _carts(rng, p, pace, view_visit, product, view_time, wished)
    carts["unit_price"] = catalogue.price_at(carts["product"], carts["time"])

    ends = begins + 300 + lasting.astype(np.int64)
    checkout = (
        ends + (pace.browse * (60_000 + np.minimum(rng.exponential(40_000, count), 600_000))).astype(np.int64) + 4
    )
    order = (
        checkout + (pace.browse * (25_000 + np.minimum(rng.exponential(60_000, count), 900_000))).astype(np.int64) + 6
    )
    visits = visits | {
        "landing": page[first],
        "buys": buys,
        "checks_out": checks,
        "ends": ends,
        "checkout_at": checkout,
        "order_at": order,
    }
    return Browsing(
        visits,
        {"time": page_time, "visit": page_visit, "page": page},
        {"time": view_time, "visit": view_visit, "product": product, "price": catalogue.price_at(product, view_time)},
        {
            "time": moments(search_visit),
            "visit": search_visit,
            "query": rng.integers(0, len(QUERIES), len(search_visit)),
            "results": rng.poisson(14, len(search_visit)),
        },
        carts,
    )


def _products(rng: np.random.Generator, catalogue: Catalogue, attraction: Floats, visit: Ints, visits: int) -> Ints:
    """Draw products by popularity; most views of a session stay within the category it came for."""
    cumulated = np.cumsum(attraction)
    edges = np.searchsorted(category_of(len(catalogue)), np.arange(len(CATEGORIES) + 1))
    bounds = np.r_[0.0, cumulated][edges]
    category = pick(rng.random(visits), np.maximum.accumulate(bounds[1:]))[visit]
    focused = rng.random(len(visit)) < _FOCUS
    low = np.where(focused, bounds[category], 0.0)
    high = np.where(focused, bounds[category + 1], cumulated[-1])
    at = low + rng.random(len(visit)) * (high - low)
    found = np.searchsorted(cumulated, at, side="right")
    result: Ints = np.minimum(found, int(np.flatnonzero(attraction)[-1]))
    return result


def _carts(
    rng: np.random.Generator, p: Parameters, pace: Pace, visit: Ints, product: Ints, time: Ints, wished: Ints
) -> Table:
    """Return the cart lines: the first ``wished`` different products that each session looked at."""
    chosen = np.flatnonzero(ranks(visit) < wished[visit])
    _, once = np.unique(visit[chosen] * (product.max(initial=0) + 1) + product[chosen], return_index=True)
    chosen = np.sort(chosen[np.sort(once)])
    count = len(chosen)
    delay = (pace.browse * rng.uniform(4_000, 30_000, count)).astype(np.int64) + 1
    return {
        "time": time[chosen] + delay,
        "visit": visit[chosen],
        "product": product[chosen],
        "quantity": 1 + choose(rng, p.quantity, count),
        "removed": rng.random(count) < p.removes_item,
        # After the last line went in (30 s after the last view), before the checkout (60 s after it).
        "removed_after": (pace.browse * rng.uniform(32_000, 55_000, count)).astype(np.int64) + 2,
    }
