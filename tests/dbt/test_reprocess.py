"""Days can be built again at any time: what was altered in them is put right, other days are left alone."""

from __future__ import annotations

import random

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import dose
from tests.dbt import events as e
from tests.dbt.project import Shop
from tests.dbt.random_worlds import random_worlds
from tests.dbt.test_changed_days import _story, _written


def alter(shop: Shop, query: str) -> None:
    """Do to a mart what nobody should."""
    with connect(shop.settings, Role.TRANSFORM) as connection:
        connection.execute(query)


def days(first: str, last: str | None = None) -> tuple[str, str]:
    return "--vars", f"{{reprocess_from: '{first}', reprocess_to: '{last or first}'}}"


def test_reprocessing_days_that_are_right_changes_nothing(shop: Shop) -> None:
    _story(shop)
    before = {mart: shop.rows(f"select * from marts.{mart} order by 1") for mart in ("kpi_daily", "fct_orders")}
    shop.dbt.build(*days("2026-03-02", "2026-03-03"))
    assert {mart: shop.rows(f"select * from marts.{mart} order by 1") for mart in before} == before
    assert shop.differences_from_a_full_refresh() == {}


def test_a_days_facts_and_roll_ups_are_built_again_and_other_days_are_left_alone(shop: Shop) -> None:
    _story(shop)
    marts = ("kpi_daily", "kpi_daily_by_channel", "kpi_daily_by_category", "kpi_daily_by_country")
    before = {mart: _written(shop, mart) for mart in marts}
    shop.dbt.run(*days("2026-03-02"))
    for mart in marts:
        after = _written(shop, mart)
        assert {day for day in after if after[day] != before[mart][day]} == {"2026-03-02"}, mart


def test_what_was_edited_lost_or_made_up_by_hand_is_put_right(shop: Shop) -> None:
    _story(shop)
    alter(shop, "update marts.fct_orders set total_amount = 1 where order_id = 'o2'")
    alter(shop, "update marts.kpi_daily set cancelled_orders_count = 7 where date_day = '2026-03-02'")
    alter(shop, "delete from marts.fct_order_lines where order_id = 'o2'")
    made_up = "jsonb_populate_record(null::marts.fct_orders, to_jsonb(o) || jsonb_build_object('order_id', 'made up'))"
    alter(shop, f"insert into marts.fct_orders select ({made_up}).* from marts.fct_orders as o where order_id = 'o2'")
    assert shop.differences_from_a_full_refresh() != {}
    shop.dbt.build(*days("2026-03-02"))
    assert shop.differences_from_a_full_refresh() == {}


def test_half_a_range_is_refused_instead_of_being_ignored(shop: Shop) -> None:
    _story(shop)
    for told in ("reprocess_from", "reprocess_to"):
        half = ("--vars", f"{{{told}: '2026-03-02'}}")
        refused = shop.dbt.invoke("run", "--select", "fct_orders", *half, check=False)
        assert not refused.success
        assert "reprocess_from and reprocess_to go together" in str([done.message for done in refused.result.results])


def test_an_altered_day_outside_of_the_range_stays_as_it_is(shop: Shop) -> None:
    _story(shop)
    alter(shop, "update marts.kpi_daily set cancelled_orders_count = 7 where date_day = '2026-03-03'")
    shop.dbt.run(*days("2026-03-01", "2026-03-02"))
    assert set(shop.differences_from_a_full_refresh()) >= {"kpi_daily"}
    shop.dbt.run(*days("2026-03-03"))
    assert shop.differences_from_a_full_refresh() == {}


def test_what_lands_meanwhile_is_read_as_in_any_other_run(shop: Shop) -> None:
    _story(shop)
    e.write(shop.settings, [e.order_placed("o9", "2026-03-07 10:00", customer_id="dora")])
    shop.dbt.run(*days("2026-03-01"))
    assert shop.rows("select count(*) from marts.fct_orders where order_id = 'o9'") == [(1,)]
    assert shop.differences_from_a_full_refresh() == {}


def test_a_business_day_is_the_shops(shop: Shop) -> None:
    """23:30 UTC is the next day in Berlin."""
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 23:30", customer_id="anna")])
    shop.dbt.run()
    alter(shop, "update marts.fct_orders set total_amount = 1")
    shop.dbt.run(*days("2026-03-01"))
    assert shop.rows("select total_amount::int from marts.fct_orders") == [(1,)]
    shop.dbt.run(*days("2026-03-02"))
    assert shop.differences_from_a_full_refresh() == {}


@pytest.mark.timeout(dose(600, 7200))
@pytest.mark.parametrize("seed", range(dose(1, 20)))
def test_any_days_of_any_stream_end_in_a_full_refresh(shop: Shop, seed: int) -> None:
    rng = random.Random(seed)
    first, *others = random_worlds(seed, 30, 3)
    e.write(shop.settings, first)
    shop.dbt.run()
    for batch in others:
        e.write(shop.settings, batch)
        known = [row[0] for row in shop.rows("select distinct order_date::text from marts.fct_orders order by 1")]
        begin, end = sorted(rng.choices(known, k=2))
        for mart, column in (
            ("fct_orders", "order_date"),
            ("fct_sessions", "session_date"),
            ("fct_refunds", "refund_date"),
        ):
            alter(shop, f"delete from marts.{mart} where {column} between '{begin}' and '{end}'")
        shop.dbt.run(*days(begin, end))
        assert shop.differences_from_a_full_refresh() == {}, (begin, end)
