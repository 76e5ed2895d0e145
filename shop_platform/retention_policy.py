"""Which raw tables may be shortened, and what somebody asks for in ``SHOP_RETENTION``."""

from __future__ import annotations

import re

# Months that any rule keeps at least: orders look back thirty days for their visits, Kafka may deliver for weeks.
LEAST_MONTHS = 3

RETAINABLE = ("web",)
# Their marts tell a life from its first event; without the beginning no number of it could be computed again.
_LIFE_LONG = {
    "customers": "dim_customers, cohorts and lifetime value begin with a customer's first event",
    "products": "the history of prices and descriptions holds for everything that was ever sold",
    "orders": "an order, its refunds and its customer's lifetime value are computed from all its events",
    "returns": "a refund belongs to an order, and orders are kept for life",
    "inventory": "a stock level is the sum of all movements before it",
    "marketing": "attribution of an order is computed from its touches whenever the order changes",
}
_RULE = re.compile(r"([a-z]+)=([0-9]+)")


def parse_retention(text: str) -> dict[str, int]:
    """Return months to keep per raw table from ``web=25``; empty: keep everything for ever.

    Raises :class:`ValueError` with a sentence for a table that may not be shortened, for less than
    :data:`LEAST_MONTHS`, and for what cannot be read.
    """
    months: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        rule = _RULE.fullmatch(part)
        if rule is None:
            raise ValueError(f"'{part}' is not a table and its months; write for example web=25")
        table, kept = rule[1], int(rule[2])
        if table in _LIFE_LONG:
            raise ValueError(f"raw.{table} is kept for life: {_LIFE_LONG[table]}. Only {', '.join(RETAINABLE)} may end")
        if table not in RETAINABLE:
            raise ValueError(f"there is no raw table '{table}'; only {', '.join(RETAINABLE)} may end")
        if table in months:
            raise ValueError(f"'{table}' stands twice")
        if kept < LEAST_MONTHS:
            raise ValueError(f"{part} is too short: keep at least {LEAST_MONTHS} months")
        months[table] = kept
    return months
