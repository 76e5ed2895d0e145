"""The books themselves, on days whose numbers were computed by hand, and what a difference looks like."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.dbt.random_worlds import random_worlds
from tests.dbt.test_golden_days import AFTER, BEFORE
from tests.truth.account import Books, Event
from tests.truth.compare import compared, untold
from tests.truth.kpis import kpis

_DAY = dt.date(2026, 10, 25)
_GOLDEN = [Event(str(event.id), event.name, event.time, event.data) for event in [*BEFORE, *AFTER]]


def test_the_books_say_what_was_computed_by_hand() -> None:
    tables = kpis(Books(_GOLDEN, "Europe/Berlin", {"EUR": [(dt.date(2020, 1, 1), Decimal(1))]}))

    assert tables["kpi_daily"][_DAY, "EUR"] == {
        "orders_count": 2,
        "cancelled_orders_count": 1,
        "units": 6,
        "gross_amount": Decimal("40.00"),
        "discount_amount": Decimal("1.00"),
        "refund_amount": Decimal("10.00"),
        "net_amount": Decimal("29.00"),
        "shipping_amount": Decimal("4.90"),
        "tax_amount": Decimal("7.41"),
        "total_amount": Decimal("51.31"),
        "paid_amount": Decimal("33.46"),
        "unpaid_amount": Decimal("17.85"),
        "known_paid_amount": Decimal("33.46"),
        "orders_with_unknown_payment": 0,
        "refund_tax_amount": Decimal("1.90"),
        "refund_shipping_amount": Decimal("3.00"),
        "refund_total_amount": Decimal("14.90"),
        "customers_count": 2,
        "new_customer_orders": 2,
        "repeat_customer_orders": 0,
        "new_customers": 2,
        "sessions_count": 3,
        "converting_sessions_count": 2,
        "costed_revenue_amount": Decimal("39.00"),
        "cost_amount": Decimal("24.00"),  # six pieces of 4
        "margin_amount": Decimal("15.00"),
        "margin_rate": Decimal("0.384615"),
        "cost_coverage": Decimal("1.000000"),
        "refund_amount_base": Decimal("10.00"),
        "net_amount_base": Decimal("29.00"),
        "total_amount_base": Decimal("51.31"),
        "margin_amount_base": Decimal("15.00"),
        "average_order_value": Decimal("19.50"),
        "conversion_rate": Decimal("0.666667"),
        "repeat_rate": Decimal("0.000000"),
        "refund_rate": Decimal("0.256410"),
    }
    assert tables["kpi_daily_by_category"][_DAY, "EUR", "office"]["net_amount"] == Decimal("9.00")
    assert tables["kpi_daily_by_category"][_DAY, "EUR", "lighting"]["net_amount"] == Decimal("20.00")
    assert tables["kpi_daily_by_channel"][_DAY, "EUR", "email"]["sessions_count"] == 2
    # 00:30 in Berlin, in the longer hour before the clocks go back.
    hour = dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC)
    assert tables["kpi_hourly"][hour, _DAY, "EUR"]["orders_count"] == 1


@given(st.randoms(use_true_random=False), st.integers(0, 999))
def test_the_books_do_not_depend_on_the_order_in_which_events_are_read(rng: random.Random, seed: int) -> None:
    stream = [Event(str(e.id), e.name, e.time, e.data) for batch in random_worlds(seed, 3, 1) for e in batch]

    repeated = rng.sample([*stream, *stream[:5]], len(stream) + len(stream[:5]))

    assert kpis(Books(repeated, "Europe/Berlin")) == kpis(Books(stream, "Europe/Berlin"))


def test_a_difference_names_day_column_told_and_expected() -> None:
    expected = kpis(Books(_GOLDEN, "Europe/Berlin"))["kpi_daily"]
    told = {key: dict(row) for key, row in expected.items()}
    assert compared("kpi_daily", told, expected) == []

    told[_DAY, "EUR"]["gross_amount"] += Decimal("0.01")
    assert compared("kpi_daily", told, expected) == [
        "kpi_daily 2026-10-25 EUR gross_amount: told 40.01, expected 40.00"
    ]

    del told[_DAY, "EUR"]
    (missing,) = compared("kpi_daily", told, expected)
    assert missing.startswith("kpi_daily 2026-10-25 EUR: told no row, expected {'orders_count': 2,")


def test_a_column_that_the_books_do_not_know_is_a_difference() -> None:
    expected = kpis(Books(_GOLDEN, "Europe/Berlin"))["kpi_daily"]
    columns = set(next(iter(expected.values())))

    assert untold("kpi_daily", columns, expected) == []
    (unknown,) = untold("kpi_daily", columns | {"margin"}, expected)
    assert unknown == "kpi_daily.margin: the books do not know it (tests/truth/kpis.py)"
