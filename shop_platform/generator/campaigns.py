"""Campaigns: when they run, on which channels, what they lift and what they cost the margin."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from functools import cache

import numpy as np

from shop_platform.generator.parameters import CHANNELS
from shop_platform.generator.tables import Floats, Ints

_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Campaign:
    """One campaign. Days are local days since 1970-01-01, both included; an always-on one has no coupon."""

    name: str
    first_day: int
    last_day: int
    channels: tuple[str, ...]
    visits: float
    conversion: float
    discount: float
    coupon: str


def _always(name: str, channel: str) -> Campaign:
    return Campaign(name, -(10**6), 10**6, (channel,), 1.0, 1.0, 0.0, "")


ALWAYS_ON = (
    _always("brand_search", "paid_search"),
    _always("shopping_ads", "paid_search"),
    _always("social_prospecting", "social"),
    _always("newsletter", "email"),
    _always("partner_program", "affiliate"),
)
_ADS = ("paid_search", "social", "email")
_ALL = (*_ADS, "affiliate", "direct")


def _black_week(year: int) -> tuple[dt.date, dt.date]:
    thursday = [d for d in calendar.Calendar().itermonthdates(year, 11) if d.month == 11 and d.weekday() == 3][3]
    return thursday - dt.timedelta(days=3), thursday + dt.timedelta(days=4)


def _payday(year: int, month: int) -> tuple[dt.date, dt.date]:
    last = dt.date(year, month, calendar.monthrange(year, month)[1])
    friday = last - dt.timedelta(days=(last.weekday() - 4) % 7)
    return friday, friday + dt.timedelta(days=2)


def _year(year: int) -> list[Campaign]:
    def make(
        name: str,
        first: dt.date,
        last: dt.date,
        channels: tuple[str, ...],
        visits: float,
        conversion: float,
        off: float,
    ) -> Campaign:
        code = f"{name.split('_', maxsplit=1)[0].upper()}{round(off * 100)}"
        days = ((first - _EPOCH).days, (last - _EPOCH).days)
        return Campaign(f"{name}_{year}", *days, channels, visits, conversion, off, code)

    def d(month: int, day: int) -> dt.date:
        return dt.date(year, month, day)

    made = [
        make("winter_sale", d(1, 7), d(1, 27), _ADS, 1.35, 1.15, 0.20),
        make("valentine", d(2, 6), d(2, 14), _ADS, 1.30, 1.10, 0.10),
        make("spring_refresh", d(3, 20), d(4, 4), ("social", "paid_search"), 1.35, 1.05, 0.10),
        make("mothers_day", d(5, 1), d(5, 10), ("email", "social"), 1.35, 1.10, 0.10),
        make("summer_sale", d(6, 25), d(7, 14), _ADS, 1.45, 1.18, 0.20),
        make("back_to_school", d(8, 20), d(9, 8), ("paid_search", "affiliate"), 1.35, 1.08, 0.10),
        make("autumn_deals", d(10, 5), d(10, 18), ("social", "email"), 1.50, 1.12, 0.15),
        make("singles_day", d(11, 11), d(11, 11), _ALL, 1.70, 1.20, 0.11),
        make("black_week", *_black_week(year), _ALL, 1.85, 1.30, 0.25),
        make("christmas", d(12, 4), d(12, 19), ("paid_search", "email", "affiliate"), 1.30, 1.12, 0.10),
    ]
    for month in range(1, 13):
        first, last = _payday(year, month)
        made.append(make(f"payday_weekend_{month:02d}", first, last, ("email", "social"), 1.55, 1.08, 0.08))
    return made


CAMPAIGNS: tuple[Campaign, ...] = ALWAYS_ON + tuple(c for year in range(2015, 2046) for c in _year(year))
"""Every campaign there ever was; an event carries its position here (-1: none)."""

COUPONS: tuple[str, ...] = ("", "WELCOME10", *sorted({c.coupon for c in CAMPAIGNS if c.coupon}))
_FIRST = np.array([c.first_day for c in CAMPAIGNS])
_LAST = np.array([c.last_day for c in CAMPAIGNS])
_TARGETS = np.array([[channel in c.channels for channel in CHANNELS] for c in CAMPAIGNS])
_ALWAYS_BY_CHANNEL = [np.flatnonzero(_TARGETS[: len(ALWAYS_ON), i]) for i in range(len(CHANNELS))]
DISCOUNT = np.array([c.discount for c in CAMPAIGNS])
CONVERSION = np.array([c.conversion for c in CAMPAIGNS])
COUPON_OF = np.array([COUPONS.index(c.coupon) for c in CAMPAIGNS])
# Of the visits by a channel that a dated campaign uses, this share carries its name.
_ATTRIBUTED = 0.65


def running(local_day: int) -> Ints:
    """Return the dated campaigns of a day, as positions in CAMPAIGNS."""
    found = np.flatnonzero((local_day >= _FIRST) & (local_day <= _LAST))
    return found[found >= len(ALWAYS_ON)]


@cache
def visit_lift(local_day: int) -> Floats:
    """Return the factor on each channel's visits on a day."""
    lift = np.ones(len(CHANNELS))
    for index in running(local_day):
        lift[_TARGETS[index]] *= CAMPAIGNS[index].visits
    return lift


def attribute(rng: np.random.Generator, channel: Ints, local_day: int) -> Ints:
    """Return the campaign of each visit (-1: none) from its channel."""
    chosen = np.full(len(channel), -1, np.int64)
    dated = running(local_day)
    for index in range(len(CHANNELS)):
        here = np.flatnonzero(channel == index)
        if not len(here):
            continue
        always = _ALWAYS_BY_CHANNEL[index]
        if len(always):
            chosen[here] = always[rng.integers(0, len(always), len(here))]
        own = dated[_TARGETS[dated, index]]
        if len(own):
            hit = here[rng.random(len(here)) < _ATTRIBUTED]
            chosen[hit] = own[rng.integers(0, len(own), len(hit))]
    return chosen
