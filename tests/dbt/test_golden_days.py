"""A few days around a clock change, whose numbers were computed by hand."""

from __future__ import annotations

from decimal import Decimal

from tests.dbt import events as e
from tests.dbt.project import Shop

# Berlin: 25 October 2026 lasts 25 hours, from 22:00 UTC of the 24th to 23:00 UTC.
DESK_AND_LAMP = [("desk", 2, "10.00", "1.00", "3.61"), ("lamp", 1, "5.00", "0.00", "0.95")]
LAMPS = [("lamp", 3, "5.00", "0.00", "2.85")]
BEFORE = [
    e.product_created("desk", "2026-01-01 00:00", category="office"),
    e.product_created("lamp", "2026-01-01 00:00", category="lighting"),
    e.customer_created("anna", "2026-01-01 00:00"),
    e.customer_created("ben", "2026-01-01 00:00"),
    # An older order of someone whose account has not landed.
    e.order_placed(
        "old", "2026-10-20 10:00", [("desk", 4, "10.00", "0.00", "7.60")], customer_id="carla", shipping="3.00"
    ),
    e.session_started("s1", "2026-10-24 22:20"),
    e.session_started("s2", "2026-10-25 11:50", channel="direct"),
    e.session_started("s3", "2026-10-25 10:00"),
    # 23:59 on the 25th in Berlin.
    e.order_placed("late", "2026-10-25 22:59", LAMPS, customer_id="ben", channel="direct"),
    e.order_placed("doomed", "2026-10-25 12:00", [("lamp", 1, "5.00", "0.00", "0.95")], session_id="s2"),
    # Midnight in Berlin: the 26th.
    e.order_placed("next", "2026-10-25 23:00", customer_id="ben"),
    # Paid before it is known to have been placed.
    e.order_paid("early", "2026-10-24 22:31", "33.46"),
]
AFTER = [
    # 00:30 on the 25th in Berlin.
    e.order_placed("early", "2026-10-24 22:30", DESK_AND_LAMP, shipping="4.90", session_id="s1"),
    e.order_cancelled("doomed", "2026-10-26 09:00"),
    e.refund_issued("doomed", "2026-10-26 09:01", [(1, "lamp", "5.00")]),
    e.refund_issued("old", "2026-10-25 22:30", [(1, "desk", "10.00")], tax="1.90", version=2, shipping="3.00"),
    e.refund_issued("early", "2026-10-26 10:00", [(2, "lamp", "5.00")]),
]


def _day(shop: Shop, mart: str, day: str, columns: str, where: str = "true") -> dict[str, object]:
    return shop.one(f"select {columns} from marts.{mart} where date_day = '{day}' and {where}")


def test_the_days_are_right_to_the_cent_and_restated_by_late_events(shop: Shop) -> None:
    e.write(shop.settings, BEFORE)
    shop.dbt.build()
    assert _day(shop, "kpi_daily", "2026-10-25", "orders_count, cancelled_orders_count, gross_amount, net_amount") == {
        "orders_count": 2,
        "cancelled_orders_count": 0,
        "gross_amount": Decimal("20.00"),
        "net_amount": Decimal("20.00"),
    }

    e.write(shop.settings, AFTER)
    shop.dbt.build()

    day = _day(shop, "kpi_daily", "2026-10-25", "*")
    assert {key: value for key, value in day.items() if key not in {"kpi_daily_id", "date_day"}} == {
        "currency": "EUR",
        "orders_count": 2,  # early, late
        "cancelled_orders_count": 1,
        "units": 6,
        "gross_amount": Decimal("40.00"),  # 25 + 15
        "discount_amount": Decimal("1.00"),
        "refund_amount": Decimal("10.00"),  # of the older order
        "net_amount": Decimal("29.00"),
        "shipping_amount": Decimal("4.90"),
        "tax_amount": Decimal("7.41"),  # 3.61 + 0.95 + 2.85
        "total_amount": Decimal("51.31"),  # 33.46 + 17.85
        "costed_revenue_amount": Decimal("39.00"),
        "cost_amount": Decimal("24.00"),  # six pieces of 4
        "margin_amount": Decimal("15.00"),
        "margin_rate": Decimal("0.384615"),
        "cost_coverage": Decimal("1.000000"),
        "refund_amount_base": Decimal("10.00"),
        "net_amount_base": Decimal("29.00"),
        "total_amount_base": Decimal("51.31"),
        "margin_amount_base": Decimal("15.00"),
        "paid_amount": Decimal("33.46"),  # early; late is not paid yet
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
        "converting_sessions_count": 2,  # s1, and s2 although its order was cancelled
        "average_order_value": Decimal("19.50"),  # 39 / 2
        "conversion_rate": Decimal("0.666667"),
        "repeat_rate": Decimal("0.000000"),
        "refund_rate": Decimal("0.256410"),  # 10 / 39
    }
    columns = "orders_count, gross_amount, refund_amount, net_amount, new_customers, repeat_rate, conversion_rate"
    assert tuple(_day(shop, "kpi_daily", "2026-10-26", columns).values()) == (
        1,
        Decimal("10.00"),
        Decimal("5.00"),  # of the 25th's order; the cancelled order's refund does not count
        Decimal("5.00"),
        0,
        Decimal("1.000000"),
        None,
    )

    columns = "orders_count, net_amount, sessions_count, converting_sessions_count, new_customers"
    channel = {
        name: tuple(_day(shop, "kpi_daily_by_channel", "2026-10-25", columns, f"channel = '{name}'").values())
        for name in ("email", "direct")
    }
    assert channel == {"email": (1, Decimal("14.00"), 2, 1, 1), "direct": (1, Decimal("15.00"), 1, 1, 1)}

    columns = "units, gross_amount, discount_amount, refund_amount, net_amount"
    category = {
        name: [*_day(shop, "kpi_daily_by_category", "2026-10-25", columns, f"category = '{name}'").values()]
        for name in ("office", "lighting")
    }
    assert category == {
        "office": [2, Decimal("20.00"), Decimal("1.00"), Decimal("10.00"), Decimal("9.00")],
        "lighting": [4, Decimal("20.00"), Decimal("0.00"), Decimal("0.00"), Decimal("20.00")],
    }

    anna = shop.one("select * from marts.dim_customers where customer_id = 'anna'")
    assert (anna["orders_count"], anna["gross_amount"], anna["net_amount"]) == (1, Decimal("25.00"), Decimal("19.00"))
    assert str(anna["cohort_month"]) == "2026-10-01"
    carla = shop.one("select is_inferred, orders_count from marts.dim_customers where customer_id = 'carla'")
    assert carla == {"is_inferred": True, "orders_count": 1}
    early = shop.one("select * from marts.fct_orders where order_id = 'early'")
    assert (str(early["order_date"]), early["status"], early["paid_amount"]) == ("2026-10-25", "paid", Decimal("33.46"))
    assert early["refunded_amount"] == Decimal("5.00")


def test_freshness_says_how_far_the_events_reach(shop: Shop) -> None:
    e.write(shop.settings, BEFORE)
    shop.dbt.run("--select", "+data_freshness")

    orders = shop.one("select * from marts.data_freshness where subject = 'orders'")

    assert (orders["events_count"], orders["dead_letters_count"]) == (5, 0)
    assert orders["max_event_time"] == e.at("2026-10-25 23:00")
    assert orders["max_ingested_at"] is not None


def test_a_category_is_the_one_under_which_the_line_was_sold(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-02 10:00"), e.order_placed("o2", "2026-03-04 10:00")])
    shop.dbt.run()
    assert shop.rows("select distinct category from marts.fct_order_lines") == [("unknown",)]

    e.write(
        shop.settings,
        [
            e.product_updated("desk", "2026-03-03 10:00", category="home"),
            e.product_created("desk", "2026-03-01 10:00", category="office"),
        ],
    )
    shop.dbt.refresh()

    lines = shop.rows("select order_id, category from marts.fct_order_lines order by 1")
    assert lines == [("o1", "office"), ("o2", "home")]
    assert shop.differences_from_a_full_refresh() == {}


def test_an_erased_customer_keeps_no_finer_trait_than_a_country(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.customer_created("anna", "2026-03-01 10:00"),
            e.customer_erased("anna", "2026-03-02 10:00"),
            # Landed late; it must not bring the person back.
            e.customer_updated("anna", "2026-03-03 10:00"),
            e.order_placed("o1", "2026-03-01 11:00", customer_id="anna"),
        ],
    )
    shop.dbt.run()

    anna = shop.one("select * from marts.dim_customers")

    assert (anna["is_erased"], anna["marketing_consent"]) == (True, False)
    assert (anna["country"], anna["orders_count"]) == ("DE", 1)
    assert (anna["region"], anna["city"], anna["locale"]) == (None, None, None)
