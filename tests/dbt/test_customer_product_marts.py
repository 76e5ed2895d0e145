"""Customers, cohorts, products, baskets, stock levels and the scorecard, on streams written by hand and at random."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.events_customers import basket, purchase, told_again
from tests.dbt.project import Shop
from tests.dbt.random_shop import SEEDS, random_stream, split

_MARTS = (
    *("dim_customers", "cohort_retention", "dim_products", "product_performance", "basket_affinity"),
    *("fct_inventory_levels", "data_quality_scorecard"),
)
# With what they must add up to, and the tests that need nothing else.
_BUILD = (
    *("--indirect-selection", "cautious", "--select"),
    *(f"+{mart}" for mart in (*_MARTS, "kpi_daily_by_category", "data_freshness")),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_stream_in_random_batches_ends_in_the_rows_of_a_full_refresh(shop: Shop, seed: int) -> None:
    shop.dbt.run()
    for batch in split(random_stream(seed), batches=3, seed=seed):
        e.write(shop.settings, batch)
        shop.dbt.refresh()
    shop.dbt.test(*_BUILD)

    for mart in _MARTS:
        assert mart == "basket_affinity" or shop.rows(f"select count(*) from marts.{mart}")[0][0] > 0, mart
    assert shop.differences_from_a_full_refresh() == {}


def test_a_customer_is_worth_what_the_orders_that_count_leave_after_refunds(shop: Shop) -> None:
    events = [
        purchase("o1", "anna", "2026-03-01", "30.00"),
        purchase("o2", "anna", "2026-03-05", "20.00"),
        purchase("o3", "anna", "2026-03-06", "99.00"),
        e.order_cancelled("o3", "2026-03-06 11:00"),
        e.refund_issued("o1", "2026-03-20 10:00", [(1, "desk", "5.00")]),
        # The newest day of any order, from which recency is counted.
        purchase("o4", "ben", "2026-03-09"),
    ]
    e.write(shop.settings, events)

    shop.dbt.build(*_BUILD)

    anna = shop.one(
        "select orders_count, ltv_gross_amount, ltv_net_amount, average_order_value, days_between_orders::float8,"
        " recency_days, last_order_date::text, currency from marts.dim_customers where customer_id = 'anna'"
    )
    assert anna == {
        "orders_count": 2,
        "ltv_gross_amount": Decimal("50.00"),
        "ltv_net_amount": Decimal("45.00"),
        "average_order_value": Decimal("25.00"),
        "days_between_orders": 4.0,
        "recency_days": 4,
        "last_order_date": "2026-03-05",
        "currency": "EUR",
    }


def test_customers_fall_into_segments_and_a_cancellation_moves_them(shop: Shop) -> None:
    # c0 ordered once and longest ago; each next one ordered once more and three days later.
    regulars = [
        purchase(f"o-{number}-{order}", f"c{number}", f"2026-03-{3 * number + 1 + order // 3:02}")
        for number in range(5)
        for order in range(number + 1)
    ]
    e.write(shop.settings, [*regulars, purchase("first", "zoe", "2026-03-28")])
    shop.dbt.build(*_BUILD)
    segments = "select customer_id, rfm_segment from marts.dim_customers order by 1"
    before = dict(shop.rows(segments))
    assert before["c0"] == "lost"
    assert before["c4"] == "champions"
    assert before["zoe"] == "new"

    e.write(shop.settings, [e.order_cancelled("first", "2026-03-29 10:00")])
    shop.dbt.run(*_BUILD)

    after = dict(shop.rows(segments))
    assert after["zoe"] is None
    # Whoever has not come back is in the same place; the day that recency is counted from is the order's, not its fate.
    assert after["c0"] == "lost"


def test_an_erased_customer_keeps_sums_country_and_month_and_no_day_or_score(shop: Shop) -> None:
    events = [
        e.customer_created("anna", "2026-03-01 09:00"),
        purchase("o1", "anna", "2026-03-02"),
        purchase("o2", "anna", "2026-03-04"),
        purchase("o3", "ben", "2026-03-05"),
    ]
    e.write(shop.settings, events)
    shop.dbt.run(*_BUILD)
    assert shop.rows(
        "select rfm_segment is null, days_between_orders from marts.dim_customers where customer_id = 'anna'"
    )

    e.write(shop.settings, [e.customer_erased("anna", "2026-03-06 10:00")])
    shop.dbt.build(*_BUILD)

    anna = shop.one("select * from marts.dim_customers where customer_id = 'anna'")
    kept = {name for name, value in anna.items() if value is not None}
    assert kept == {
        *("customer_id", "country", "acquisition_channel", "marketing_consent", "is_erased", "is_inferred", "currency"),
        *("orders_count", "gross_amount", "net_amount", "ltv_gross_amount", "ltv_net_amount", "average_order_value"),
        *("cohort_month", "costed_revenue_amount", "cost_amount", "margin_amount", "has_contradicting_events"),
    }
    # The cohort keeps its size.
    assert shop.rows("select cohort_size from marts.cohort_retention") == [(2,)]


def test_a_cohort_is_restated_when_its_first_order_is_cancelled(shop: Shop) -> None:
    events = [
        purchase("o1", "anna", "2026-01-10", "10.00"),
        purchase("o2", "anna", "2026-03-10", "20.00"),
        purchase("o3", "ben", "2026-01-20", "30.00"),
        # 00:30 on the first of April in Berlin.
        e.order_placed("o4", "2026-03-31 22:30", [("desk", 1, "6.00", "0.00", "0.00")], customer_id="ben"),
    ]
    e.write(shop.settings, events)
    shop.dbt.build(*_BUILD)
    curve = (
        "select left(cohort_month::text, 7), month_number, cohort_size, active_customers, cumulative_net_per_customer"
        " from marts.cohort_retention order by 1, 2"
    )
    assert shop.rows(curve) == [
        ("2026-01", 0, 2, 2, Decimal("20.00")),
        ("2026-01", 1, 2, 0, Decimal("20.00")),
        ("2026-01", 2, 2, 1, Decimal("30.00")),
        ("2026-01", 3, 2, 1, Decimal("33.00")),
    ]

    e.write(shop.settings, [e.order_cancelled("o1", "2026-04-02 10:00")])
    shop.dbt.build(*_BUILD)

    assert [row[:4] for row in shop.rows(curve)] == [
        *(("2026-01", 0, 1, 1), ("2026-01", 1, 1, 0), ("2026-01", 2, 1, 0), ("2026-01", 3, 1, 1)),
        *(("2026-03", 0, 1, 1), ("2026-03", 1, 1, 0)),
    ]


def test_a_product_earns_on_the_day_of_the_order_and_loses_on_the_day_of_the_refund(shop: Shop) -> None:
    refund = e.refund_issued("o1", "2026-03-04 10:00", [(1, "desk", "5.00")])
    events = [
        e.product_created("desk", "2026-01-01 00:00", category="office"),
        # Moves at noon: the day's sales are of two categories.
        e.product_updated("desk", "2026-03-01 12:00", category="home"),
        basket("o1", "desk", "lamp"),
        e.order_placed("o2", "2026-03-01 13:00"),
        basket("gone", "desk"),
        e.order_cancelled("gone", "2026-03-01 11:00"),
        refund,
        told_again(refund),
        # A product that nobody ever described or sold, of a line that the order does not have: of no product's figures.
        e.refund_issued("o2", "2026-03-04 11:00", [(7, "ghost", "1.00")]),
    ]
    e.write(shop.settings, events)

    shop.dbt.build(*_BUILD)

    rows = shop.rows(
        "select date_day::text, product_id, category, orders_count, units, refunded_units, net_amount"
        " from marts.product_performance order by 1, 2, 3"
    )
    assert rows == [
        ("2026-03-01", "desk", "home", 1, 1, 0, Decimal("10.00")),
        ("2026-03-01", "desk", "office", 1, 1, 0, Decimal("10.00")),
        ("2026-03-01", "lamp", "unknown", 1, 1, 0, Decimal("10.00")),
        ("2026-03-04", "desk", "office", 0, 0, 1, Decimal("-5.00")),
    ]


def test_products_go_together_when_orders_say_so_often_enough(shop: Shop) -> None:
    together = [basket(f"both-{number}", "lamp", "desk", "desk") for number in range(3)]
    everything = basket("everything", *(f"p{number}" for number in range(60)), "desk", "lamp")
    cancelled = [basket("gone", "desk", "lamp"), e.order_cancelled("gone", "2026-03-02 10:00")]
    rest = [basket("alone", "desk"), basket("rare-1", "desk", "chair"), basket("rare-2", "desk", "chair")]
    e.write(shop.settings, [*together, everything, *cancelled, *rest])

    shop.dbt.build(*_BUILD)

    pair = shop.one("select * from marts.basket_affinity")
    counts = [pair[name] for name in ("orders_with_a", "orders_with_b", "orders_with_both", "orders_total")]
    assert (pair["product_a_id"], pair["product_b_id"], counts) == ("desk", "lamp", [6, 3, 3, 6])
    rates = [float(pair[name]) for name in ("support", "confidence_a_to_b", "confidence_b_to_a", "lift")]
    assert rates == [0.5, 0.5, 1.0, 1.0]


def test_every_order_of_arrival_of_stock_movements_ends_in_the_same_days(shop: Shop) -> None:
    arrivals = list(itertools.permutations(range(4)))
    shop.dbt.run()
    for turn in range(4):
        e.write(shop.settings, [_movements(f"p{number}")[order[turn]] for number, order in enumerate(arrivals)])
        shop.dbt.refresh()
    shop.dbt.test("--select", "fct_inventory_levels")

    days = shop.rows(
        "select warehouse, stock_date::text, opening_level, units_in, units_out, unexplained_units, closing_level,"
        " lowest_level, is_stockout, is_latest, count(*) from marts.fct_inventory_levels"
        " group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 order by 1, 2"
    )
    assert days == [
        ("main", "2026-03-01", 0, 5, 5, 0, 0, 0, True, False, 24),
        ("main", "2026-03-03", 0, 8, 0, 0, 8, 8, False, True, 24),
        ("south", "2026-03-02", 2, 0, 1, 0, 1, 1, False, True, 24),
    ]
    assert shop.rows("select distinct stock_level from marts.dim_products") == [(9,)]
    assert shop.differences_from_a_full_refresh() == {}


def _movements(product: str) -> list[e.Event]:
    return [
        e.stock_changed(product, "2026-03-01 09:00", 5, 5),
        e.stock_changed(product, "2026-03-01 10:00", -5, 0),
        e.stock_changed(product, "2026-03-03 10:00", 8, 8),
        e.stock_changed(product, "2026-03-02 10:00", -1, 1, "south"),
    ]


def test_a_movement_told_again_moves_nothing_and_a_missing_one_is_counted(shop: Shop) -> None:
    sold = e.stock_changed("desk", "2026-03-01 10:00", -2, 8)
    events = [sold, told_again(sold), told_again(sold, 3), e.stock_changed("desk", "2026-03-02 10:00", -1, 5)]
    e.write(shop.settings, events)

    shop.dbt.build(*_BUILD)

    days = shop.rows(
        "select opening_level, units_out, unexplained_units, closing_level, changes_count"
        " from marts.fct_inventory_levels order by stock_date"
    )
    assert days == [(10, 2, 0, 8, 1), (8, 1, -2, 5, 1)]


def test_a_few_stock_movements_do_not_make_a_run_read_all_of_them(shop: Shop) -> None:
    e.write(shop.settings, [e.stock_changed("p0", "2026-03-01 10:00", -1, 9)])
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into raw.inventory (event_id, event_type, source, subject, event_time, data, kafka_partition,"
            " kafka_offset) select gen_random_uuid(), event_type, source, 'p' || number, event_time, data, 0, 0"
            " from raw.inventory, generate_series(1, 6000) as number"
        )
    shop.dbt.run(*_BUILD)
    e.write(shop.settings, [e.stock_changed("p7", "2026-03-02 10:00", -1, 8)])
    before = _inventory_rows_read(shop)

    shop.dbt.run("--select", "fct_inventory_levels")

    assert _inventory_rows_read(shop) - before < 100
    assert shop.rows("select count(*) from marts.fct_inventory_levels") == [(6002,)]


def _inventory_rows_read(shop: Shop) -> int:
    shop.dbt.tell_statistics()
    with connect(shop.settings, Role.ADMIN, autocommit=True) as admin:
        found = admin.execute(
            "select t.seq_tup_read + sum(i.idx_tup_read) from pg_stat_user_tables t"
            " join pg_stat_user_indexes i using (relid) where t.schemaname = 'raw' and t.relname = 'inventory'"
            " group by t.seq_tup_read"
        ).fetchone()
    assert found is not None
    return int(str(found[0]))


def test_the_scorecard_scores_every_day_of_landing(shop: Shop) -> None:
    newest, old = e.order_placed("o1", "2026-03-01 10:00"), e.order_placed("o2", "2026-03-01 08:00")
    for batch in ([newest], [newest, old]):
        e.write(shop.settings, batch)
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("update ops.ingest_batches set min_event_time = %s where messages = 2", [old.time])

    shop.dbt.build(*_BUILD)

    card = shop.one("select * from marts.data_quality_scorecard where subject = 'orders'")
    counts = [card[name] for name in ("batches_count", "messages_count", "landed_count", "duplicates_count")]
    assert (counts, card["late_batches_count"]) == ([2, 3, 2, 1], 1)
    # A third of repetitions costs the most that repetitions can, half of the batches ten points.
    assert card["score"] == Decimal("70.00")
