"""The shop: everything that is remembered between two windows of time, and what happens in one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator import marketing, orders, sessions, stock
from shop_platform.generator.catalogue import Catalogue
from shop_platform.generator.draws import choose
from shop_platform.generator.fulfilment import send_back, ship
from shop_platform.generator.ids import Numbers
from shop_platform.generator.parameters import DAY, HOUR, MINUTE, Pace, Parameters
from shop_platform.generator.population import Customers
from shop_platform.generator.rollout import Rollout
from shop_platform.generator.seasons import LocalTime, day_factor, hour_weights
from shop_platform.generator.sessions import STRANGER, Browsing, RecentVisitors
from shop_platform.generator.stock import Stock
from shop_platform.generator.tables import Floats, Ints, Pending, Table, rows

Events = dict[str, Table]


@dataclass
class Shop:
    """A simulated shop at the moment ``clock`` (epoch ms). Everything before has been returned by :meth:`step`.

    Each window draws from a generator seeded by (seed, its start): the same state and the same windows give the same
    events, so a crash is mended by repeating the windows since the last snapshot.
    """

    parameters: Parameters
    seed: int
    local: LocalTime
    origin: int
    opening_ms: int
    clock: int
    customers: Customers
    catalogue: Catalogue
    stock: Stock
    recent: RecentVisitors
    pending: Pending
    reviewed: int = 0
    prices_fixed_until: int = 0
    """Sessions that are already decided may run up to here: no price may change before."""

    @classmethod
    def found(cls, parameters: Parameters, seed: int, zone: str, origin: int, opening_ms: int = 10 * MINUTE) -> Shop:
        """Return a new shop. Its first ``opening_ms`` bring in the catalogue, the stock and the accounts it has."""
        rng = np.random.default_rng([seed, 10])
        return cls(
            parameters,
            seed,
            LocalTime(zone),
            origin,
            opening_ms,
            origin,
            Customers.none_yet(seed),
            Catalogue.open(parameters, seed, origin),
            Stock.empty(rng, parameters),
            RecentVisitors.none_yet(),
            Pending(),
        )

    def step(self, end: int, pace: Pace, visits_per_day: float) -> Events:
        """Live from ``clock`` to ``end`` and return what happened: per kind a table sorted by ``time``.

        ``visits_per_day``: average visits; at a seasonal pace hours, weekdays, months and campaigns vary them.
        Every table has ``time`` (ms) and ``uid`` (a number unique for ever); other columns depend on the kind.
        """
        start = self.clock
        rng = np.random.default_rng([self.seed, start, 1])
        numbers = Numbers(start, end)
        if start == self.origin:
            self._open(rng, numbers)
        else:
            self._live(rng, numbers, end, pace, visits_per_day)
        if end - self.reviewed >= pace.review_every_ms or end >= self.local.midnight(self.reviewed, 1):
            self._review(rng, numbers, end, pace, visits_per_day)
        self.clock = end
        return self._due(end)

    def _push(self, numbers: Numbers, kind: str, table: Table) -> None:
        self.pending.push(kind, table | {"uid": numbers.take(len(table["time"]))})

    def _demand(self, visits_per_day: float) -> Floats:
        popularity = self.catalogue.table["popularity"]
        units = visits_per_day * sessions.expected_conversion(self.parameters) * self.parameters.units_per_order
        demand: Floats = popularity / popularity.sum() * units
        return demand

    def _open(self, rng: np.random.Generator, numbers: Numbers) -> None:
        p, part = self.parameters, self.opening_ms // 4
        count = len(self.catalogue)
        self._push(numbers, "product_created", self.catalogue.created_events(rng.integers(0, part, count)))
        at = self.catalogue.table["starts"] + rng.integers(part, 2 * part, count)
        demand = self._demand(p.orders_per_day / sessions.expected_conversion(p))
        self._push(numbers, "stock_changed", self.stock.opening_events(rng, demand, at, p.cover_days))
        people = round(p.opening_customers_per_daily_order * p.orders_per_day)
        number = numbers.take(people)
        row = self.customers.add(
            rng,
            p,
            number=number,
            visitor=number,
            created=np.sort(self.origin + rng.integers(2 * part, 3 * part, people)),
            country=choose(rng, p.country, people),
            channel=choose(rng, p.channel_of_strangers, people),
        )
        self._push(numbers, "customer_created", self.customers.created_events(row))

    def _arrivals(self, rng: np.random.Generator, end: int, pace: Pace, visits_per_day: float) -> Ints:
        start = self.clock
        if not pace.seasonal:
            return np.sort(rng.integers(start, end, rng.poisson(visits_per_day * (end - start) / DAY)))
        edges = np.unique(np.r_[start, np.arange(-(-start // HOUR) * HOUR, end, HOUR), end])
        local = self.local.local(edges[:-1])
        share = hour_weights(local // HOUR % 24, local // DAY) * np.diff(edges) / HOUR
        level = self.seasonal_level(local // DAY)
        count = rng.poisson(visits_per_day * level * share)
        slot = np.repeat(np.arange(len(count)), count)
        return np.sort(edges[slot] + (rng.random(len(slot)) * np.diff(edges)[slot]).astype(np.int64))

    def seasonal_level(self, local_day: Ints) -> Floats:
        """Return the factor on the average visits of each local day: season, weekday, growth and campaigns."""
        age = (local_day - self.local.day(np.array([self.origin]))) / 365.0
        lift = np.array([sessions.arrival_rates(self.parameters, int(day)).sum() for day in local_day])
        level: Floats = day_factor(local_day) * np.exp(np.log1p(self.parameters.growth_per_year) * age) * lift
        return level

    def _live(self, rng: np.random.Generator, numbers: Numbers, end: int, pace: Pace, visits_per_day: float) -> None:
        start, p = self.clock, self.parameters
        lived = start + int((end - start) / pace.fulfil)
        day = int(self.local.day(np.array([start]))[0])
        self.catalogue.settle_prices(start)
        for kind, table in (
            ("customer_erased", self.customers.erase_some(rng, p, start, lived)),
            ("customer_updated", self.customers.update_some(rng, p, start, lived)),
        ):
            table["time"] = start + ((table["time"] - start) * pace.fulfil).astype(np.int64)
            self._push(numbers, kind, table)
        visits = sessions.arrive(
            rng, p, numbers, self.customers, self.recent,
            time=self._arrivals(rng, end, pace, visits_per_day), start=start, local_day=day,
        )  # fmt: skip
        attraction = self.catalogue.attraction(start, self.opening_ms)
        happened = sessions.browse(rng, p, pace, self.catalogue, visits, attraction)
        visits, carts = happened.visits, happened.carts
        holds = visits["buys"][carts["visit"]] & ~carts["removed"]
        accepted = self.stock.allocate(
            carts["product"], carts["time"], carts["quantity"], holds, self.pending.peek("stock_changed", end)
        )
        only_looking = rows(carts, accepted & ~holds)
        self.pending.push(RELEASES, {name: only_looking[name] for name in ("time", "product", "quantity")})
        carts = rows(carts, accepted)
        kept = np.bincount(carts["visit"][~carts["removed"]], minlength=len(visits["time"])) > 0
        visits["checks_out"] &= kept
        visits["buys"] &= kept
        self._web_events(numbers, happened, carts)
        self._push(numbers, "marketing_touched", marketing.clicks(rng, p, visits, self.customers))
        shown = marketing.impressions(rng, p, visits, self.recent, (start, end), day)
        self._push(numbers, "marketing_touched", shown)
        self._customers(rng, numbers, visits)
        self._orders(rng, numbers, visits, carts, pace)
        known = visits["customer_row"] != STRANGER
        self.customers.keep_busy(visits["customer_row"][known], visits["order_at"][known] + 1)
        longest = max(int((visits["order_at"]).max(initial=0)), int(carts["time"].max(initial=0)))
        self.prices_fixed_until = max(self.prices_fixed_until, longest)

    def _web_events(self, numbers: Numbers, happened: Browsing, carts: Table) -> None:
        visits = happened.visits
        self._push(numbers, "session_started", {
            name: visits[name]
            for name in ("time", "session", "visitor", "channel", "device", "country", "landing", "shown", "campaign")
        })  # fmt: skip

        def of_session(table: Table, *columns: str) -> Table:
            who = {name: visits[name][table["visit"]] for name in ("session", "visitor")}
            return who | {name: table[name] for name in ("time", *columns)}

        self._push(numbers, "page_viewed", of_session(happened.pages, "page"))
        self._push(numbers, "product_viewed", of_session(happened.views, "product", "price"))
        self._push(numbers, "searched", of_session(happened.searches, "query", "results"))
        put = carts | {"delta": carts["quantity"]}
        taken = rows(carts, carts["removed"])
        taken |= {"time": visits["ends"][taken["visit"]] + taken["removed_after"], "delta": -taken["quantity"]}
        taken["quantity"] = np.zeros_like(taken["quantity"])
        for table in (put, taken):
            self._push(numbers, "cart_changed", of_session(table, "product", "delta", "quantity", "unit_price"))
        kept = rows(carts, ~carts["removed"])
        count = len(visits["time"])
        items = np.bincount(kept["visit"], kept["quantity"], count).astype(np.int64)
        value = np.bincount(kept["visit"], kept["quantity"] * kept["unit_price"], count).astype(np.int64)
        who = {name: visits[name] for name in ("session", "visitor")}
        checkouts = who | {"time": visits["checkout_at"], "items": items, "value": value}
        self._push(numbers, "checkout_started", rows(checkouts, visits["checks_out"]))

    def _customers(self, rng: np.random.Generator, numbers: Numbers, visits: Table) -> None:
        """Open accounts: for strangers who order, between checkout and order, and for a few who only browsed."""
        stranger = visits["customer_row"] == STRANGER
        curious = rng.random(len(stranger)) < self.parameters.registers_without_order
        new = np.flatnonzero(stranger & (visits["buys"] | curious))
        part = rng.uniform(0.2, 0.8, len(new))
        between = visits["checkout_at"][new] + part * (visits["order_at"][new] - visits["checkout_at"][new])
        created = np.where(visits["buys"][new], between.astype(np.int64), visits["ends"][new] + 2)
        number = numbers.take(len(new))
        row = self.customers.add(
            rng, self.parameters, number=number, visitor=visits["visitor"][new], created=created,
            country=visits["country"][new], channel=visits["channel"][new],
        )  # fmt: skip
        visits["new"] = np.zeros(len(stranger), np.bool_)
        visits["new"][new] = True
        visits["customer_row"][new] = row
        self._push(numbers, "customer_created", self.customers.created_events(row))

    def _orders(self, rng: np.random.Generator, numbers: Numbers, visits: Table, carts: Table, pace: Pace) -> None:
        p = self.parameters
        bought = np.flatnonzero(visits["buys"])
        buyers = rows(visits, bought)
        buyers["customer"] = self.customers.table["customer"][buyers["customer_row"]]
        mine = rows(carts, visits["buys"][carts["visit"]] & ~carts["removed"])
        mine["buyer"] = np.searchsorted(bought, mine["visit"])
        placed = orders.place(
            rng, p, buyers=buyers, new=buyers["new"], number=numbers.take(len(bought)), carts=mine, seed=self.seed
        )
        payments = orders.pay(rng, p, pace, placed.orders)
        parcels = ship(rng, p, pace, self.local, placed.orders, payments)
        back = send_back(rng, p, pace, placed, parcels, self.seed, self._refund_rollout())
        lines, order = placed.lines, placed.orders
        sold = (order["time"][lines["order_row"]], lines["product"], -lines["quantity"])
        of_line = order["order"][lines["order_row"]]
        cancelled = parcels.events["order_cancelled"]
        cancelled_at = np.zeros(len(bought), np.int64)
        cancelled_at[cancelled.pop("row")] = cancelled["time"]
        freed = cancelled_at[lines["order_row"]] > 0
        again = (cancelled_at[lines["order_row"]][freed] + 1, lines["product"][freed], lines["quantity"][freed])
        happened = (
            ("order_placed", {name: column for name, column in order.items() if name != "customer_row"}),
            ("stock_changed", stock.order_events(*sold, stock.SALE, of_line)),
            ("order_paid", payments.paid),
            ("order_payment_failed", payments.failed),
            *parcels.events.items(),
            ("stock_changed", stock.order_events(*again, stock.CANCELLATION, of_line[freed])),
            *back.items(),
        )
        for kind, table in happened:
            self._push(numbers, kind, table)
            if "order" in table and len(table["time"]) and kind != "stock_changed":
                # Events carry order numbers, which ascend with the rows.
                who = order["customer_row"][np.searchsorted(order["order"], table["order"])]
                self.customers.keep_busy(who, table["time"] + 1)

    def _refund_rollout(self) -> Rollout:
        p = self.parameters
        start, lasts = (int(days * DAY) for days in (p.refund_v2_after_days, p.refund_v2_rollout_days))
        return Rollout(self.origin + start, lasts, self.seed)

    def _review(self, rng: np.random.Generator, numbers: Numbers, end: int, pace: Pace, visits_per_day: float) -> None:
        """Buy stock, appoint prices, touch up the catalogue, find broken units and send the newsletter."""
        p = self.parameters
        days = min((end - self.reviewed) / DAY / pace.fulfil, 1.0)
        self.reviewed = end
        span = pace.review_every_ms
        wanted = self.catalogue.table["active"] & (self.catalogue.table["starts"] + self.opening_ms <= end)
        delivered = self.stock.review(rng, end, self._demand(visits_per_day), wanted, p.cover_days, pace)
        self._push(numbers, "stock_changed", delivered)
        changes = int(rng.poisson(p.price_changes_per_day * days))
        earliest = max(end + 3 * HOUR if pace.seasonal else end + 12 * MINUTE, self.prices_fixed_until + 1)
        at = np.sort(earliest + rng.integers(0, 2 * HOUR if pace.seasonal else 8 * MINUTE, changes))
        self._push(numbers, "product_price_changed", self.catalogue.change_prices(rng, changes, at))
        updates = int(rng.poisson(p.product_updates_per_day * days))
        self._push(numbers, "product_updated", self.catalogue.update_some(rng, updates, end, end + span))
        damaged = int(rng.poisson(p.damaged_per_day * days))
        self._push(numbers, "stock_changed", self.stock.damage_some(rng, end, end + span, damaged))
        mails = marketing.newsletter(rng, p, pace, self.local, self.customers, end)
        self._push(numbers, "marketing_touched", mails)

    def _due(self, end: int) -> Events:
        events: Events = {}
        for kind in KINDS:
            table = self.pending.pop(kind, end)
            if table is not None:
                events[kind] = rows(table, np.argsort(table["time"], kind="stable"))
        if "stock_changed" in events:
            events["stock_changed"]["level"] = self.stock.settle(events["stock_changed"])
        released = self.pending.pop(RELEASES, end)
        if released is not None:
            self.stock.release(released)
        return events


# Not an event: carts of sessions that will not order give their units back.
RELEASES = "releases"
# The order of events that happen in the same millisecond: causes first.
KINDS = (
    "customer_created", "customer_updated", "product_created", "product_updated", "product_price_changed",
    "marketing_touched", "session_started", "page_viewed", "product_viewed", "searched", "cart_changed",
    "checkout_started", "order_placed", "stock_changed", "order_payment_failed", "order_paid", "order_cancelled",
    "order_shipped", "order_delivered", "return_requested", "return_received", "refund_issued", "refund_issued_v2",
    "customer_erased",
)  # fmt: skip
