"""The eight KPIs: their definitions, their arithmetic, their change against another period. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum

from dashboard.data.periods import Period
from dashboard.data.rows import Day


class Kind(Enum):
    """What a KPI counts, which decides how it and its change are written."""

    MONEY = "money"
    COUNT = "count"
    RATE = "rate"


class Tone(Enum):
    """Whether a change is welcome; the value is the CSS modifier."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Totals:
    """Additive measures summed over some days; money in one currency."""

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
class Change:
    """How a KPI moved: a share of the earlier value, or a difference of rates (0.01 = one percentage point)."""

    amount: float
    in_points: bool
    tone: Tone


@dataclass(frozen=True, slots=True)
class Kpi:
    """One KPI. ``value`` gives ``None`` where the KPI is not defined (nothing to divide by)."""

    key: str
    label: str
    kind: Kind
    definition: str
    value: Callable[[Totals | Day], float | None]
    more_is_better: bool = True


@dataclass(frozen=True, slots=True)
class KpiResult:
    """A KPI of one period, its earlier value and change (``None``: not comparable), and its recent course."""

    kpi: Kpi
    value: float | None
    previous: float | None
    change: Change | None
    course: tuple[float | None, ...]


def _ratio(numerator: Decimal | int, denominator: Decimal | int) -> float | None:
    return float(Decimal(numerator) / Decimal(denominator)) if denominator else None


KPIS: tuple[Kpi, ...] = (
    Kpi(
        "net_revenue",
        "Net revenue",
        Kind.MONEY,
        "Gross sales minus discounts and refunds, before tax and shipping. Cancelled orders do not count.",
        lambda t: float(t.net),
    ),
    Kpi("orders", "Orders", Kind.COUNT, "Orders placed and not cancelled.", lambda t: float(t.orders)),
    Kpi(
        "average_order_value",
        "Average order value",
        Kind.MONEY,
        "Gross sales minus discounts, divided by orders.",
        lambda t: _ratio(t.gross - t.discount, t.orders),
    ),
    Kpi(
        "conversion_rate",
        "Conversion rate",
        Kind.RATE,
        "Share of sessions that led to an order.",
        lambda t: _ratio(t.converting_sessions, t.sessions),
    ),
    Kpi("sessions", "Sessions", Kind.COUNT, "Visits to the shop.", lambda t: float(t.sessions)),
    Kpi(
        "new_customers",
        "New customers",
        Kind.COUNT,
        "Customers whose first order was placed in the period.",
        lambda t: float(t.new_customers),
    ),
    Kpi(
        "repeat_rate",
        "Repeat rate",
        Kind.RATE,
        "Share of orders placed by customers who had ordered before.",
        lambda t: _ratio(t.repeat_orders, t.orders),
    ),
    Kpi(
        "refund_rate",
        "Refund rate",
        Kind.RATE,
        "Refunds booked in the period, as a share of gross sales minus discounts.",
        lambda t: _ratio(t.refund, t.gross - t.discount),
        more_is_better=False,
    ),
)


def total(days: Iterable[Day]) -> Totals:
    """Sum the additive measures of ``days``."""
    rows = list(days)
    return Totals(
        orders=sum(row.orders for row in rows),
        gross=sum((row.gross for row in rows), Decimal()),
        discount=sum((row.discount for row in rows), Decimal()),
        refund=sum((row.refund for row in rows), Decimal()),
        net=sum((row.net for row in rows), Decimal()),
        sessions=sum(row.sessions for row in rows),
        converting_sessions=sum(row.converting_sessions for row in rows),
        new_customers=sum(row.new_customers for row in rows),
        repeat_orders=sum(row.repeat_orders for row in rows),
    )


def change(kpi: Kpi, value: float | None, previous: float | None) -> Change | None:
    """Return how ``kpi`` moved from ``previous`` to ``value``; ``None`` when that cannot be said."""
    if value is None or previous is None:
        return None
    in_points = kpi.kind is Kind.RATE
    if not in_points and previous <= 0:
        return None
    amount = value - previous if in_points else (value - previous) / previous
    # What is shown as zero must not be coloured: one decimal of a per cent, two of a percentage point.
    shown = round(amount, 4 if in_points else 3)
    tone = Tone.NEUTRAL if shown == 0 else Tone.GOOD if (shown > 0) == kpi.more_is_better else Tone.BAD
    return Change(amount, in_points, tone)


def evaluate(days: Sequence[Day], period: Period, compared: Period | None, *, course_from: date) -> list[KpiResult]:
    """Return every KPI of ``period``; its course runs from ``course_from`` to the period's last day."""
    current = total(row for row in days if row.day in period)
    earlier = total(row for row in days if row.day in compared) if compared is not None else None
    course = [row for row in days if course_from <= row.day <= period.end]
    results = []
    for kpi in KPIS:
        value = kpi.value(current)
        previous = kpi.value(earlier) if earlier is not None else None
        results.append(
            KpiResult(kpi, value, previous, change(kpi, value, previous), tuple(kpi.value(row) for row in course))
        )
    return results
