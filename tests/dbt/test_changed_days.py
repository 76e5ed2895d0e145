"""Roll-ups build again the days that changed and no others, and end as a full refresh would."""

from __future__ import annotations

from tests.dbt import events as e
from tests.dbt.project import Shop

_ROLL_UPS = ("kpi_daily", "kpi_daily_by_channel", "kpi_daily_by_category", "kpi_daily_by_country")


def _written(shop: Shop, mart: str) -> dict[str, str]:
    """Return which transaction wrote each day."""
    return dict(shop.rows(f"select date_day::text, max(xmin::text) from marts.{mart} group by 1"))


def _story(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.order_placed("o1", "2026-03-01 10:00", customer_id="anna"),
            e.order_placed("o2", "2026-03-02 10:00", customer_id="anna"),
            e.order_placed("o3", "2026-03-03 10:00", customer_id="ben"),
            e.refund_issued("o1", "2026-03-04 10:00"),
        ],
    )
    shop.dbt.run()


def test_an_order_builds_its_day_again_and_leaves_the_others_alone(shop: Shop) -> None:
    _story(shop)
    before = {mart: _written(shop, mart) for mart in _ROLL_UPS}

    e.write(shop.settings, [e.order_placed("o4", "2026-03-03 11:00", customer_id="carla")])
    shop.dbt.refresh()

    for mart in _ROLL_UPS:
        after = _written(shop, mart)
        assert {day for day in after if after[day] != before[mart][day]} == {"2026-03-03"}, mart
    assert shop.differences_from_a_full_refresh() == {}


def test_nothing_new_builds_no_day_again(shop: Shop) -> None:
    _story(shop)
    before = {mart: _written(shop, mart) for mart in _ROLL_UPS}

    shop.dbt.refresh()

    assert {mart: _written(shop, mart) for mart in _ROLL_UPS} == before


def test_a_cancelled_first_order_makes_the_next_one_the_first_on_its_own_day(shop: Shop) -> None:
    _story(shop)

    e.write(shop.settings, [e.order_cancelled("o1", "2026-03-05 10:00")])
    shop.dbt.refresh()

    columns = "date_day::text, orders_count, new_customers, refund_amount"
    rows = shop.rows(f"select {columns} from marts.kpi_daily order by 1")
    assert [(day[-2:], orders, new, int(refund)) for day, orders, new, refund in rows] == [
        ("01", 0, 0, 0),
        ("02", 1, 1, 0),
        ("03", 1, 1, 0),
    ]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_day_that_everything_left_is_gone(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-05 10:00", customer_id="anna")])
    shop.dbt.run()

    # The first telling arrives last.
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00", customer_id="ben")])
    shop.dbt.refresh()

    assert shop.rows("select date_day::text from marts.kpi_daily") == [("2026-03-01",)]
    assert shop.rows("select customer_id, customer_order_number from marts.fct_customer_orders") == [("ben", 1)]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_fact_that_was_built_whole_builds_every_day_again(shop: Shop) -> None:
    _story(shop)
    shop.dbt.run("--full-refresh", "--select", "fct_sessions", "fct_orders", "+int_counted_refunds")
    before = _written(shop, "kpi_daily")

    shop.dbt.run("--select", "kpi_daily", "int_counted_refunds")

    after = _written(shop, "kpi_daily")
    assert set(after) == set(before)
    assert all(after[day] != before[day] for day in after)
    shop.dbt.run()
    assert shop.differences_from_a_full_refresh() == {}


def test_what_every_roll_up_has_seen_is_forgotten(shop: Shop) -> None:
    _story(shop)
    shop.dbt.refresh()
    shop.dbt.refresh()

    assert shop.rows("select count(*) from ops.changed_days") == [(0,)]
