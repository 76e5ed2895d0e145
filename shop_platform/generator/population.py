"""The customers: who they are, how eager, until when, and what changes in their lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shop_platform.generator import names as n
from shop_platform.generator.draws import choose
from shop_platform.generator.parameters import COUNTRIES, DAY, HOUR, Parameters
from shop_platform.generator.tables import Column, Floats, Growing, Ints, Table, rows

_DETAILS = (
    "customer", "country", "first", "last", "street", "house", "town", "postcode", "consent", "phone", "birth", "mail",
)  # fmt: skip
CREATED_FIELDS = (*_DETAILS, "channel")


@dataclass
class Customers:
    """Every account there ever was. ``table`` columns, one row a customer:

    customer (number), visitor (number), created, churns, busy (epoch ms; ``busy``: nothing of theirs is due after it),
    appetite (weight of their visits), erased, and the details that events carry as positions in :mod:`names`.
    """

    table: Growing
    seed: int

    @classmethod
    def none_yet(cls, seed: int) -> Customers:
        """Return an empty population."""
        columns: Table = {
            name: np.zeros(0, np.int64) for name in (*CREATED_FIELDS, "visitor", "created", "churns", "busy")
        }
        columns |= {"appetite": np.zeros(0), "erased": np.zeros(0, np.bool_)}
        return cls(Growing(columns), seed)

    def add(
        self,
        rng: np.random.Generator,
        parameters: Parameters,
        *,
        number: Ints,
        visitor: Ints,
        created: Ints,
        country: Ints,
        channel: Ints,
    ) -> Ints:
        """Append new customers and return their rows."""
        count = len(number)
        town = np.zeros(count, np.int64)
        postcode = np.zeros(count, np.int64)
        for index, place in enumerate(n.names(self.seed)):
            here = np.flatnonzero(country == index)
            town[here] = choose(rng, place.town_weights, len(here))
            free = np.array([t.postcodes for t in place.towns])[town[here]]
            postcode[here] = rng.integers(0, free)
        appetite = rng.gamma(parameters.appetite_shape, 1.0, count)
        active = rng.exponential(parameters.active_days, count)
        once = rng.random(count) < parameters.one_time_share
        active[once] = rng.exponential(2.0, int(once.sum()))
        age = np.clip(rng.normal(41, 13, count), 18, 88)
        return self.table.append(
            {
                "customer": number,
                "visitor": visitor,
                "created": created,
                "churns": created + (active * DAY).astype(np.int64),
                "busy": created,
                "appetite": appetite,
                "erased": np.zeros(count, np.bool_),
                "country": country,
                "channel": channel,
                "first": rng.integers(0, n.FIRST_NAMES, count),
                "last": rng.integers(0, n.LAST_NAMES, count),
                "street": rng.integers(0, n.STREETS, count),
                "house": rng.integers(1, 140, count),
                "town": town,
                "postcode": postcode,
                "consent": (rng.random(count) < parameters.consent_share).astype(np.int64),
                "phone": np.where(rng.random(count) < 0.55, rng.integers(150_000_000, 179_999_999, count), 0),
                "birth": np.where(rng.random(count) < 0.6, created // DAY - (age * 365.25).astype(np.int64), 0),
                "mail": rng.integers(0, len(n.MAIL_DOMAINS), count),
            }
        )

    def created_events(self, row: Ints) -> Table:
        """Return the ``customer.created`` events of the rows."""
        return self._details(row, CREATED_FIELDS) | {"time": self.table["created"][row]}

    def appetite_at(self, start: int) -> Floats:
        """Return each customer's weight in the visits from ``start`` on; 0 for those who are not or no more there."""
        t = self.table
        here = (t["created"] < start) & (t["churns"] > start) & ~t["erased"]
        result: Floats = np.where(here, t["appetite"], 0.0)
        return result

    def keep_busy(self, row: Ints, until: Column) -> None:
        """Note that something of these customers is due until then: they cannot be erased before."""
        np.maximum.at(self.table["busy"], row, until)

    def erase_some(self, rng: np.random.Generator, parameters: Parameters, start: int, end: int) -> Table:
        """Let some idle customers ask to be forgotten and return the ``customer.erased`` events."""
        t = self.table
        idle = np.flatnonzero(~t["erased"] & (t["busy"] < start) & (t["created"] < start - HOUR))
        count = min(rng.poisson(parameters.erasures_per_day * t.length * (end - start) / DAY), len(idle))
        row = np.sort(rng.choice(idle, count, replace=False)) if count else idle[:0]
        t["erased"][row] = True
        reason = choose(rng, (0.8, 0.2), count)
        return {"time": rng.integers(start, end, count), "customer": t["customer"][row], "reason": reason}

    def update_some(self, rng: np.random.Generator, parameters: Parameters, start: int, end: int) -> Table:
        """Let some customers move, change their mind or their address book, and return the events."""
        t = self.table
        here = np.flatnonzero(~t["erased"] & (t["created"] < start))
        count = min(rng.poisson(parameters.updates_per_day * len(here) * (end - start) / DAY), len(here))
        row = np.sort(rng.choice(here, count, replace=False)) if count else here[:0]
        what = choose(rng, (0.45, 0.30, 0.15, 0.10), count)
        moved, mind, phone, mail = (row[what == kind] for kind in range(4))
        t["street"][moved] = rng.integers(0, n.STREETS, len(moved))
        t["house"][moved] = rng.integers(1, 140, len(moved))
        t["consent"][mind] = 1 - t["consent"][mind]
        t["phone"][phone] = rng.integers(150_000_000, 179_999_999, len(phone))
        t["mail"][mail] = (t["mail"][mail] + 1) % len(n.MAIL_DOMAINS)
        return self._details(row, _DETAILS) | {"time": rng.integers(start, end, count)}

    def _details(self, row: Ints, fields: tuple[str, ...]) -> Table:
        return rows({name: self.table[name] for name in fields}, row)


def address_and_name(seed: int, table: Table) -> list[tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]]:
    """Return (email, first, last, street, postcode, city, region) of each row, ready for JSON."""
    everyone = n.names(seed)
    made = []
    columns = ("customer", "country", "first", "last", "street", "house", "town", "postcode", "mail")
    for number, country, first, last, street, house, town, postcode, mail in zip(
        *(table[name].tolist() for name in columns), strict=True
    ):
        place = everyone[country]
        where = place.towns[town]
        domain = n.MAIL_DOMAINS[mail].encode()
        email = b"%b.%b.%d@%b" % (place.first_mail[first], place.last_mail[last], number % 100_000_000, domain)
        road = b"%b %d" % (place.streets[street], house)
        if COUNTRIES[country] == "FR":
            road = b"%d %b" % (house, place.streets[street])
        made.append(
            (email, place.first[first], place.last[last], road, where.postcode % postcode, where.city, where.region)
        )
    return made
