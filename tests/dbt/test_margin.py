"""What was earned: margin in the roll-ups, how far it can be said, and what late costs do to it."""

from __future__ import annotations

from decimal import Decimal

from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.project import Shop

_LINES = [("desk", 2, "10.00", "2.00", "3.42"), ("lamp", 1, "12.00", "0.00", "2.28")]
_COLUMNS = "costed_revenue_amount, cost_amount, margin_amount, margin_rate, cost_coverage"
_SPLITS = ("kpi_daily_by_channel", "kpi_daily_by_country", "kpi_daily_by_device", "kpi_daily_by_category")


def _margin(shop: Shop, mart: str = "kpi_daily", where: str = "date_day = '2026-03-01'") -> list[str | None]:
    row = shop.rows(f"select {_COLUMNS} from marts.{mart} where {where}")
    assert len(row) == 1, row
    return [None if value is None else str(value) for value in row[0]]


def test_a_margin_speaks_for_the_sales_whose_cost_is_known_and_says_for_how_many(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.product_created("desk", "2026-01-01 00:00", category="office"),
            # The lamp has no price event: its cost is not known.
            e.product_updated("lamp", "2026-01-01 00:00", category="lighting"),
            e.order_placed("o1", "2026-03-01 10:00", _LINES),
            e.order_placed("gone", "2026-03-01 11:00", _LINES),
            e.order_cancelled("gone", "2026-03-01 12:00"),
            e.order_placed("lamps-only", "2026-03-02 10:00", [("lamp", 1, "12.00", "0.00", "2.28")]),
            e.refund_issued("o1", "2026-03-03 10:00", [(1, "desk", "9.00")]),
        ],
    )
    shop.dbt.run()

    # 2 desks: 18 after discount, cost 8; of 30 in all.
    known = ["18.00", "8.00", "10.00", "0.555556", "0.600000"]
    assert _margin(shop) == known
    for mart in ("kpi_daily_by_channel", "kpi_daily_by_country", "kpi_daily_by_device", "kpi_hourly"):
        assert _margin(shop, mart) == known, mart
    by_category = "date_day = '2026-03-01' and category = '{}'"
    office, lighting = by_category.format("office"), by_category.format("lighting")
    assert _margin(shop, "kpi_daily_by_category", office) == ["18.00", "8.00", "10.00", "0.555556", "1.000000"]
    assert _margin(shop, "product_performance", office) == ["18.00", "8.00", "10.00", "0.555556", "1.000000"]
    assert _margin(shop, "kpi_daily_by_category", lighting) == ["0.00", "0.00", "0.00", None, "0.000000"]
    # No cost at all is no rate, and no sale is no share.
    assert _margin(shop, where="date_day = '2026-03-02'") == ["0.00", "0.00", "0.00", None, "0.000000"]
    assert _margin(shop, where="date_day = '2026-03-03'") == ["0.00", "0.00", "0.00", None, None]
    order = shop.one("select margin_amount, costed_revenue_amount from marts.fct_orders where order_id = 'o1'")
    assert order == {"margin_amount": None, "costed_revenue_amount": Decimal("18.00")}
    customer = shop.one("select margin_amount from marts.dim_customers where customer_id = 'anna'")
    assert customer == {"margin_amount": Decimal("10.00")}


def test_a_cost_that_lands_late_restates_the_margin_of_every_roll_up(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00", _LINES)])
    shop.dbt.run()
    assert _margin(shop) == ["0.00", "0.00", "0.00", None, "0.000000"]

    e.write(shop.settings, [o.cost_changed("lamp", "2026-02-01 00:00", "5.00")])
    shop.dbt.refresh()
    assert _margin(shop) == ["12.00", "5.00", "7.00", "0.583333", "0.400000"]

    e.write(shop.settings, [o.cost_changed("desk", "2026-02-01 00:00", "6.00")])
    shop.dbt.refresh()
    assert _margin(shop) == ["30.00", "17.00", "13.00", "0.433333", "1.000000"]
    for split in _SPLITS:
        assert shop.rows(f"select sum(margin_amount) from marts.{split}") == [(Decimal("13.00"),)], split
    assert shop.differences_from_a_full_refresh() == {}


def test_amounts_in_the_base_currency_are_the_orders_and_unknown_without_a_rate(shop: Shop) -> None:
    line = [("desk", 1, "10.00", "1.00", "1.71")]
    e.write(
        shop.settings,
        [
            e.product_created("desk", "2026-01-01 00:00"),
            e.order_placed("o1", "2026-03-01 10:00", line, currency="CHF"),
            e.order_placed("o2", "2026-03-01 11:00", line, currency="CHF"),
            e.order_placed("o3", "2026-03-01 11:00", line, currency="KES"),
            o.refund_in("CHF", e.refund_issued("o1", "2026-04-02 10:00", [(1, "desk", "2.00")])),
        ],
    )
    shop.dbt.run()

    found = shop.rows(
        "select currency, date_day::text, net_amount_base, refund_amount_base, total_amount_base, margin_amount_base"
        " from marts.kpi_daily order by 1, 2"
    )
    # 1.0574 on the day of the orders. The desk costs 4 EUR, which is 3.78 CHF; the margin is 5.22 CHF an order.
    assert [tuple(None if value is None else str(value) for value in row) for row in found] == [
        ("CHF", "2026-03-01", "19.04", "0.00", "22.64", "11.04"),
        ("CHF", "2026-04-02", "-2.11", "2.11", "0.00", "0.00"),
        ("KES", "2026-03-01", None, "0.00", None, None),
    ]
