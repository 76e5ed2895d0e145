"""What the queries return: plain, frozen rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the daily mart holds: first and last business day, currencies with the biggest first.

    From ``provisional_from`` on (``None``: unknown) the figures of a day may still change.
    """

    first_day: date
    last_day: date
    currencies: tuple[str, ...]
    provisional_from: date | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A day whose published figures were changed after it was over: how often, and when last."""

    day: date
    times: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Day:
    """The additive measures of one business day in one currency; money in that currency."""

    day: date
    orders: int
    gross: Decimal
    discount: Decimal
    refund: Decimal
    net: Decimal
    sessions: int
    converting_sessions: int
    new_customers: int
    repeat_orders: int


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One channel's or category's money in a period and in the one compared with (zero when there is none).

    ``volume`` counts orders for a channel and units for a category.
    """

    name: str
    volume: int
    gross: Decimal
    discount: Decimal
    refund: Decimal
    net: Decimal
    previous_net: Decimal


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The last reconciliation of what was produced with what landed; ``hours_off`` hours did not add up."""

    checked_at: datetime
    holds: bool
    hours_off: int


@dataclass(frozen=True, slots=True)
class SubjectFreshness:
    """How far the marts have come with one subject's events."""

    subject: str
    events: int
    dead_letters: int
    latest_event: datetime | None
    latest_ingest: datetime | None
