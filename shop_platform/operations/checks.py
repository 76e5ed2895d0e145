"""The order in which checks that do not hold are told, and which of them are told as one.

Pure. A check is a row of ``ops.check_states``: ``asset``, ``check_name``, ``description``, ``failing_since``.

What stops a build is told apart from what warns, and before it. Of each, what touches money comes first: checks of
the marts in :data:`_MONEY` and of KPIs, and those that name a currency, a rate, an amount or a lifetime value. Then
everything else; last the days outside of ``dim_date``, of which one event with a wrong clock breaks a dozen. What has
failed for longest leads its kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Check = dict[str, Any]

_MONEY = (
    *("fct_orders", "fct_order_lines", "fct_payments", "fct_refunds", "fct_refund_lines", "fct_discounts"),
    *("int_exchange_rates", "dim_exchange_rates"),
)
_MONEY_WORDS = ("currenc", "rate", "amount", "lifetime_value")
_OF_DAYS = "__date_day__ref_dim_date_"
_COLUMNS_NAMED = 4


def most_important_first(checks: Sequence[Check]) -> list[Check]:
    """Return ``checks`` as they are told."""
    return sorted(
        checks, key=lambda each: (_rank(each), str(each.get("failing_since") or ""), each["asset"], each["check_name"])
    )


def names_of(checks: Sequence[Check]) -> list[str]:
    """Return the names of ``checks``; of those that stand several times with what each is about."""
    counted = Counter(each["check_name"] for each in checks)
    return [each["check_name"] + (f" of {each['asset']}" if counted[each["check_name"]] > 1 else "") for each in checks]


def days_as_one(checks: Sequence[Check]) -> list[Check]:
    """Return ``checks`` with those of days outside of ``dim_date``, if there are several, as the last one."""
    of_days = [each for each in checks if _OF_DAYS in each["check_name"]]
    if len(of_days) < 2:
        return list(checks)
    columns = [_column(each) for each in of_days]
    more = len(columns) - _COLUMNS_NAMED
    named = ", ".join(columns[:_COLUMNS_NAMED]) + (f" and {more} more" if more > 0 else "")
    told = {
        "asset": "marts/dim_date",
        "check_name": f"relationships with dim_date ({len(of_days)} checks)",
        "description": f"Days that dim_date does not have, in {named}. {of_days[0]['description'] or ''}".strip(),
        "failing_since": of_days[0].get("failing_since"),
    }
    return [*(each for each in checks if _OF_DAYS not in each["check_name"]), told]


def _rank(check: Check) -> int:
    name, mart = check["check_name"], _mart(check)
    if _OF_DAYS in name:
        return 2
    return 0 if mart in _MONEY or mart.startswith("kpi_") or any(word in name for word in _MONEY_WORDS) else 1


def _mart(check: Check) -> str:
    return str(check["asset"]).rsplit("/", 1)[-1]


def _column(check: Check) -> str:
    """Name the column of days that the check is about: ``order_date of fct_orders``."""
    mart = _mart(check)
    column = str(check["check_name"]).split(_OF_DAYS)[0].removeprefix("relationships_").removeprefix(f"{mart}_")
    return f"{column} of {mart}"
