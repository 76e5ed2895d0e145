"""Many very small shops in one stream, each with everything that a stream does to a warehouse.

Shops share no key, and hardly a day, so that one of them cannot hide what was forgotten about another.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt import events_web as w

_ZONE = ZoneInfo("Europe/Berlin")
_CLOCK_CHANGES = ("2026-03-27", "2026-10-23", "2025-03-28", "2025-10-24", "2024-10-25")
_DAYS = 9
_CURRENCIES = ("EUR", "EUR", "EUR", "CHF", "USD", "KES")
_CHANNELS = ("email", "direct", "paid_search", "carrier_pigeon")
_COUNTRIES = ("DE", "AT", "ZZ")
_DEVICES = ("mobile", "desktop")
_KINDS = ("impression", "click", "email_sent", "email_opened")


def random_worlds(seed: int, worlds: int, batches: int) -> list[list[e.Event]]:
    """Return the streams of ``worlds`` shops, cut into ``batches`` in order of arrival; a shop may rest in some.

    Of each shop some events are lost, some arrive twice. Half of the shops arrive in the order of time with some events
    up to seven days late, half in any order.
    """
    rng = random.Random(seed)
    found: list[list[e.Event]] = [[] for _ in range(batches)]
    for number in range(worlds):
        stream = _World(rng, f"w{number}", _beginning(rng, number)).events
        stream = [event for event in stream if rng.random() > 0.05]
        stream += [event for event in stream if rng.random() < 0.1]
        stream = _arrival(rng, stream)
        cuts = sorted(rng.randint(0, len(stream)) for _ in range(batches - 1))
        for batch, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(stream)], strict=True)):
            found[batch] += stream[start:end]
    for batch in found:
        rng.shuffle(batch)
    return found


def _beginning(rng: random.Random, number: int) -> dt.datetime:
    if number < len(_CLOCK_CHANGES):
        return dt.datetime.fromisoformat(_CLOCK_CHANGES[number]).replace(tzinfo=_ZONE)
    return dt.datetime(2022, 1, 1, tzinfo=_ZONE) + dt.timedelta(days=rng.randint(0, 1900))


def _arrival(rng: random.Random, stream: list[e.Event]) -> list[e.Event]:
    if rng.random() < 0.5:
        return rng.sample(stream, len(stream))
    late = {id(event): rng.random() * 7 * 86_400 if rng.random() < 0.15 else 0.0 for event in stream}
    return sorted(stream, key=lambda event: event.time.timestamp() + late[id(event)])


@dataclass
class _World:
    """One shop's few days. Names begin with its own."""

    rng: random.Random
    name: str
    start: dt.datetime
    events: list[e.Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.products = [f"{self.name}-p{n}" for n in range(3)]
        self.customers = [f"{self.name}-c{n}" for n in range(3)]
        self.sessions = [f"{self.name}-s{n}" for n in range(self.rng.randint(1, 4))]
        self.visitors = [f"{self.name}-v{n}" for n in range(4)]
        for product in self.products:
            self._product(product)
        for customer in self.customers:
            self._customer(customer)
        for session in self.sessions:
            self._session(session)
        for number in range(self.rng.randint(1, 4)):
            self._order(f"{self.name}-o{number}")
        for number in range(self.rng.randint(1, 6)):
            self._repeated(3, lambda number=number: self._touch(f"{self.name}-t{number}"))

    def _when(self) -> dt.datetime:
        """An instant: often that of something else, often at midnight in the shop's zone or a second beside it."""
        day = self.start + dt.timedelta(days=self.rng.randint(0, _DAYS))
        match self.rng.randint(0, 3):
            case 0:
                return (day + dt.timedelta(seconds=self.rng.choice([-1, 0, 1]))).astimezone(dt.UTC)
            case 1:  # 00:30 to 02:30 UTC: on the days of a clock change, on both sides of it
                return day.astimezone(dt.UTC).replace(hour=self.rng.choice([0, 1, 2]), minute=30)
            case 2:
                return day.astimezone(dt.UTC).replace(hour=12)
            case _:
                return day.astimezone(dt.UTC) + dt.timedelta(seconds=self.rng.randrange(86_400))

    def _repeated(self, most: int, tell: Callable[[], e.Event]) -> None:
        """Tell the same thing up to ``most`` times: otherwise, often at the same instant, or word for word."""
        first = tell()
        self.events.append(first)
        for _ in range(self.rng.choice([0, 0, 0, *range(1, most)])):
            again = tell()
            self.events.append(replace(again, time=first.time) if self.rng.random() < 0.3 else again)
            if self.rng.random() < 0.1:
                self.events.append(o.told_again(self.events[-1]))

    def _maybe(self, chance: float, most: int, tell: Callable[[], e.Event]) -> None:
        if self.rng.random() < chance:
            self._repeated(most, tell)

    def _amount(self) -> str:
        return f"{self.rng.randint(0, 60)}.{self.rng.randint(10, 99)}"

    def _product(self, product: str) -> None:
        pick, when = self.rng.choice, self._when
        described = lambda: {"category": pick(["office", "home", "garden"])}  # noqa: E731
        self._maybe(0.8, 2, lambda: e.product_created(product, when(), currency=pick(_CURRENCIES), **described()))
        self._maybe(0.6, 3, lambda: e.product_updated(product, when(), **described()))
        self._maybe(
            0.7,
            3,
            lambda: o.cost_changed(product, when(), self._amount(), price=self._amount(), currency=pick(_CURRENCIES)),
        )
        for _ in range(self.rng.randint(0, 3)):
            self._repeated(3, lambda: e.stock_changed(product, when(), pick([-2, 3]), pick([0, 1, 7]), pick("ab")))

    def _customer(self, customer: str) -> None:
        consent = lambda: {"marketing_consent": self.rng.random() < 0.5}  # noqa: E731
        self._maybe(0.7, 2, lambda: e.customer_created(customer, self._when(), **consent()))
        self._maybe(0.4, 3, lambda: e.customer_updated(customer, self._when(), **consent()))
        self._maybe(0.2, 2, lambda: e.customer_erased(customer, self._when()))

    def _session(self, session: str) -> None:
        pick, when = self.rng.choice, self._when
        self._repeated(
            3,
            lambda: e.session_started(
                session,
                when(),
                visitor_id=pick(self.visitors),
                customer_id=pick([None, *self.customers]),
                channel=pick(_CHANNELS),
                campaign=pick([None, "spring"]),
                device=pick(_DEVICES),
                country=pick(_COUNTRIES),
            ),
        )
        self._maybe(0.5, 2, lambda: e.page_viewed(session, when()))
        self._maybe(0.3, 2, lambda: e.searched(session, when()))
        self._maybe(0.5, 2, lambda: e.product_viewed(session, when(), pick(self.products), pick(_CURRENCIES)))
        self._maybe(0.3, 2, lambda: e.checkout_started(session, when()))
        self._maybe(
            0.6,
            3,
            lambda: w.cart_holds(
                session,
                when(),
                pick(self.products),
                self.rng.randint(0, 3),
                price=self._amount(),
                currency=pick(_CURRENCIES),
                delta=pick([1, 2, -1]),
            ),
        )

    def _order(self, order: str) -> None:
        pick, when = self.rng.choice, self._when
        self._repeated(3, lambda: self._placed(order))
        self._maybe(0.3, 2, lambda: e.payment_failed(order, when(), pick(["pay-1", "pay-2"]), self._amount()))
        self._maybe(0.7, 3, lambda: e.order_paid(order, when(), self._amount(), pick(["pay-1", "pay-2"])))
        self._maybe(0.5, 2, lambda: e.order_shipped(order, when(), pick(["2026-10-27", "2026-04-01"])))
        self._maybe(0.4, 2, lambda: e.order_delivered(order, when()))
        self._maybe(0.3, 2, lambda: e.order_cancelled(order, when()))
        self._maybe(0.2, 2, lambda: o.return_requested(order, when(), pick(["ret-1", "ret-2"])))
        self._maybe(0.2, 2, lambda: o.return_received(order, when(), pick(["ret-1", "ret-2"])))
        self._maybe(0.5, 3, lambda: self._refund(order))

    def _placed(self, order: str) -> e.Event:
        pick = self.rng.choice
        lines = [self._line() for _ in range(self.rng.randint(1, 3))]
        return e.order_placed(
            order,
            self._when(),
            lines,
            customer_id=pick(self.customers),
            session_id=pick([None, f"{self.name}-unseen", *self.sessions]),
            shipping=pick(["0.00", "4.90"]),
            coupon=pick([None, None, "SPRING"]),
            campaign=pick([None, "spring"]),
            channel=pick(_CHANNELS),
            device=pick(_DEVICES),
            country=pick(_COUNTRIES),
            currency=pick(_CURRENCIES),
        )

    def _line(self) -> e.Line:
        product = self.rng.choice([*self.products, f"{self.name}-unheard-of"])
        discount = self.rng.choice(["0.00", "0.00", "0.10"])
        return (product, self.rng.randint(1, 3), self._amount(), discount, self._amount())

    def _refund(self, order: str) -> e.Event:
        pick = self.rng.choice
        numbers = self.rng.sample([1, 2, 3], self.rng.randint(1, 2))
        lines = [(number, pick(self.products), str(Decimal(self._amount()))) for number in numbers]
        told: dict[str, Any] = {"version": 2, "shipping": "1.50"} if numbers[0] == 2 else {}
        number = pick(["ref-1", "ref-2"])
        refund = e.refund_issued(order, self._when(), lines, refund_id=number, tax=self._amount(), **told)
        return o.refund_in(pick(_CURRENCIES), refund)

    def _touch(self, touch: str) -> e.Event:
        pick = self.rng.choice
        return w.touched(
            touch,
            pick(self.visitors),
            self._when(),
            customer_id=pick([None, *self.customers]),
            session_id=pick([None, *self.sessions]),
            channel=pick(_CHANNELS),
            kind=pick(_KINDS),
            cost=self._amount(),
            currency=pick(_CURRENCIES),
        )
