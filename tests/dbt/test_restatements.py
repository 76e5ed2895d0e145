"""Which published figure changed, when, by how much, because of which late events; and what may still change."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import Any

import pytest

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.landing import land_at
from tests.dbt.project import Shop
from tests.dbt.random_shop import SEEDS, random_stream, split

_MARTS = ("kpi_daily", "kpi_daily_versions", "kpi_restatements", "kpi_day_status", "fct_late_events")
_ABOVE = ("--select", *(f"+{mart}" for mart in _MARTS))

# Tests that also read what is not built here wait for a whole build.
_CAUTIOUS = ("--indirect-selection", "cautious")


def _run(shop: Shop) -> None:
    """Build what the log needs and what is made from it."""
    shop.dbt.run(*_ABOVE)


def _differences(shop: Shop) -> dict[str, int]:
    return shop.differences_from_a_full_refresh(*_MARTS)


def _two_days(shop: Shop) -> None:
    """The first day is over and published, the second is running."""
    land_at(shop.settings, "2026-03-01 10:05", [e.order_placed("o1", "2026-03-01 10:00", customer_id="anna")])
    _run(shop)
    assert _versions(shop) == 0, "a running day is not published"
    land_at(shop.settings, "2026-03-02 10:05", [e.order_placed("o2", "2026-03-02 10:00", customer_id="ben")])
    _run(shop)


def _versions(shop: Shop, where: str = "true") -> int:
    return int(shop.rows(f"select count(*) from marts.kpi_daily_versions where {where}")[0][0])


def _restated(shop: Shop, day: str) -> dict[str, tuple[Any, ...]]:
    """Return each restated measure of ``day``: old, new, reason."""
    return {
        measure: tuple(rest)
        for measure, *rest in shop.rows(
            "select measure, trim_scale(old_value), trim_scale(new_value), reason from marts.kpi_restatements"
            f" where date_day = '{day}' order by version"
        )
    }


def test_a_late_order_restates_its_closed_day_by_its_amounts_and_says_so(shop: Shop) -> None:
    _two_days(shop)
    late = e.order_placed(
        "o3", "2026-03-01 18:00", [("lamp", 2, "12.50", "1.00", "4.56")], customer_id="carla", shipping="3.00"
    )

    land_at(shop.settings, "2026-03-02 12:00", [late])
    shop.dbt.build(*_ABOVE, *_CAUTIOUS)

    placed = "order.placed: 1"
    assert _restated(shop, "2026-03-01") == {
        "orders_count": (1, 2, placed),
        "units": (1, 3, placed),
        "gross_amount": (10, 35, placed),
        "discount_amount": (0, 1, placed),
        "net_amount": (10, 34, placed),
        "shipping_amount": (0, 3, placed),
        "tax_amount": (Decimal("1.9"), Decimal("6.46"), placed),
        "total_amount": (Decimal("11.9"), Decimal("43.46"), placed),
        "net_amount_base": (10, 34, placed),
        "total_amount_base": (Decimal("11.9"), Decimal("43.46"), placed),
        "customers_count": (1, 2, placed),
        "new_customer_orders": (1, 2, placed),
        "new_customers": (1, 2, placed),
        "average_order_value": (10, 17, placed),
    }
    change = shop.one("select * from marts.kpi_restatements where measure = 'net_amount'")
    assert (change["value_change"], change["was_final"], change["max_lateness_hours"]) == (24, False, 18)
    assert change["sample_event_ids"] == str(late.id)
    run = "(select max(started_at) from ops.transform_runs)"
    assert shop.rows(f"select count(*) from marts.kpi_restatements where restated_at = {run}") == [(14,)]
    assert shop.one("select restatements_count, is_over from marts.kpi_day_status where date_day = '2026-03-01'") == {
        "restatements_count": 1,
        "is_over": True,
    }
    assert _differences(shop) == {}


def test_what_a_report_said_can_be_read_again(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-02 12:00", [e.order_placed("o3", "2026-03-01 18:00", customer_id="carla")])
    _run(shop)
    land_at(shop.settings, "2026-03-03 12:00", [e.order_cancelled("o1", "2026-03-03 11:00")])
    _run(shop)

    told = shop.rows(
        "select version, trim_scale(value), is_restatement from marts.kpi_daily_versions"
        " where date_day = '2026-03-01' and measure = 'net_amount' order by version"
    )

    assert told == [(1, 10, False), (2, 20, True), (3, 10, True)]
    # One run, one moment; each window of transactions begins where the one before ended.
    moments = shop.rows("select published_at, landed_from, landed_below from marts.kpi_daily_versions group by 1, 2, 3")
    assert all(before[2] == after[1] for before, after in zip(sorted(moments), sorted(moments)[1:], strict=False))


def test_a_cost_that_lands_late_restates_the_margin_and_nothing_else(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-02 12:00", [e.product_created("desk", "2026-01-01 00:00")])
    _run(shop)

    restated = _restated(shop, "2026-03-01")
    assert {measure: (old, new) for measure, (old, new, _) in restated.items()} == {
        "costed_revenue_amount": (0, 10),
        "cost_amount": (0, 4),
        "margin_amount": (0, 6),
        "margin_rate": (None, Decimal("0.6")),
        "cost_coverage": (0, 1),
        "margin_amount_base": (0, 6),
    }


def test_a_cancellation_restates_the_day_of_the_order_and_those_of_its_refunds(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-02 11:00", [e.refund_issued("o1", "2026-03-02 10:30", [(1, "desk", "4.00")])])
    land_at(shop.settings, "2026-03-03 10:05", [e.order_placed("o3", "2026-03-03 10:00", customer_id="carla")])
    _run(shop)
    assert _restated(shop, "2026-03-01") == {}

    land_at(shop.settings, "2026-03-03 11:00", [e.order_cancelled("o1", "2026-03-03 10:50")])
    _run(shop)

    first, second = _restated(shop, "2026-03-01"), _restated(shop, "2026-03-02")
    cancelled = "order.cancelled: 1"
    assert first["net_amount"] == (10, 0, cancelled)
    assert first["cancelled_orders_count"] == (0, 1, cancelled)
    assert first["average_order_value"] == (10, None, cancelled)
    assert second == {
        "refund_amount": (4, 0, cancelled),
        "refund_total_amount": (4, 0, cancelled),
        "net_amount": (6, 10, cancelled),
        "refund_amount_base": (4, 0, cancelled),
        "net_amount_base": (6, 10, cancelled),
        "refund_rate": (Decimal("0.4"), 0, cancelled),
    }
    assert _differences(shop) == {}


def test_what_changes_no_closed_day_makes_no_version(shop: Shop) -> None:
    _two_days(shop)
    before = _versions(shop)

    _run(shop)
    running = e.order_placed("o3", "2026-03-02 11:00", customer_id="carla")
    # The same order told again, late: it counts as it was told first.
    again = e.order_placed("o1", "2026-03-01 10:00", customer_id="anna", telling=2)
    land_at(shop.settings, "2026-03-02 11:05", [running, again, e.order_shipped("o1", "2026-03-02 11:00")])
    _run(shop)

    assert _versions(shop) == before == 32
    assert shop.rows("select count(*) from marts.kpi_restatements") == [(0,)]


def test_a_full_refresh_of_everything_keeps_the_log(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-02 12:00", [e.order_placed("o3", "2026-03-01 18:00", customer_id="carla")])
    _run(shop)
    log, told = "table marts.kpi_daily_versions order by 1", "table marts.kpi_restatements order by 1"
    before = shop.rows(log), shop.rows(told)
    assert len(before[1]) > 5

    shop.dbt.run("--full-refresh", *_ABOVE)

    assert (shop.rows(log), shop.rows(told)) == before
    assert _differences(shop) == {}


def test_a_replayed_dead_letter_counts_with_the_moment_it_landed(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-12 09:00", [e.order_placed("o9", "2026-03-12 08:00", customer_id="ben")])
    _run(shop)

    land_at(shop.settings, "2026-03-12 10:00", [e.order_placed("mended", "2026-03-01 09:00", customer_id="carla")])
    _run(shop)

    late = shop.one("select * from marts.fct_late_events")
    assert (str(late["date_day"]), str(late["landing_date"]), late["events_count"]) == ("2026-03-01", "2026-03-12", 1)
    assert late["max_lateness_hours"] == 11 * 24 + 1
    assert shop.rows("select distinct was_final from marts.kpi_restatements") == [(True,)]
    assert _differences(shop) == {}


def test_an_order_after_midnight_converts_the_session_of_the_day_before(shop: Shop) -> None:
    land_at(shop.settings, "2026-03-01 22:35", [e.session_started("s1", "2026-03-01 22:30")])
    land_at(shop.settings, "2026-03-02 10:05", [e.order_placed("o2", "2026-03-02 10:00")])
    _run(shop)

    # 00:05 in Berlin, landed at once.
    late = e.order_placed("o1", "2026-03-01 23:05", customer_id="ben", session_id="s1")
    land_at(shop.settings, "2026-03-01 23:06", [late])
    _run(shop)

    assert _restated(shop, "2026-03-01") == {
        "converting_sessions_count": (0, 1, "order.placed: 1"),
        "conversion_rate": (0, 1, "order.placed: 1"),
    }
    assert _differences(shop) == {}


def test_an_order_that_lands_last_brings_its_cancellation_and_refunds_with_it(shop: Shop) -> None:
    _two_days(shop)
    land_at(
        shop.settings,
        "2026-03-03 10:00",
        [e.order_placed("o3", "2026-03-03 09:00", customer_id="dora"), e.refund_issued("o0", "2026-03-01 09:30")],
    )
    _run(shop)
    assert shop.rows("select count(*) from marts.fct_late_events") == [(0,)], "what nobody ordered counts nowhere"

    land_at(shop.settings, "2026-03-03 11:00", [e.order_placed("o0", "2026-02-28 09:00", customer_id="carla")])
    _run(shop)

    assert _restated(shop, "2026-03-01")["refund_amount"] == (0, 10, "order.placed: 1")
    assert _differences(shop) == {}


def test_a_first_order_elsewhere_is_named_as_a_cause_on_another_day(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-03 10:05", [e.order_placed("o3", "2026-03-03 10:00", customer_id="dora")])
    _run(shop)

    # Ben's first order turns out to be the one of the day before.
    land_at(shop.settings, "2026-03-03 11:00", [e.order_placed("o0", "2026-03-01 09:00", customer_id="ben")])
    _run(shop)

    assert _restated(shop, "2026-03-02") == {
        "new_customer_orders": (1, 0, "late for other days: order.placed"),
        "new_customers": (1, 0, "late for other days: order.placed"),
        "repeat_customer_orders": (0, 1, "late for other days: order.placed"),
        "repeat_rate": (0, 1, "late for other days: order.placed"),
    }


def test_a_day_that_was_empty_when_it_was_over_is_restated_from_nothing(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-05 10:05", [e.order_placed("o5", "2026-03-05 10:00", customer_id="dora")])
    _run(shop)

    land_at(shop.settings, "2026-03-05 11:00", [e.order_placed("o3", "2026-03-03 10:00", customer_id="carla")])
    _run(shop)

    restated = _restated(shop, "2026-03-03")
    assert restated["net_amount"] == (0, 10, "order.placed: 1")
    assert restated["average_order_value"] == (None, 10, "order.placed: 1")
    assert "sessions_count" not in restated, "what stayed zero was not restated"
    assert _differences(shop) == {}


def test_a_day_that_loses_everything_is_published_as_nothing(shop: Shop) -> None:
    _two_days(shop)

    # The first telling arrives last: the order was of the day before.
    land_at(shop.settings, "2026-03-02 12:00", [e.order_placed("o1", "2026-02-28 10:00", customer_id="anna")])
    _run(shop)

    restated = _restated(shop, "2026-03-01")
    assert restated["net_amount"] == (10, 0, "order.placed: 1")
    assert restated["average_order_value"] == (10, None, "order.placed: 1")
    assert shop.rows("select count(*) from marts.kpi_daily where date_day = '2026-03-01'") == [(0,)]
    assert _differences(shop) == {}


def test_a_figure_that_no_event_changed_is_not_blamed_on_one(shop: Shop) -> None:
    _two_days(shop)
    with connect(shop.settings, Role.TRANSFORM) as connection:
        connection.execute("update marts.kpi_daily set shipping_amount = 7 where date_day = '2026-03-01'")

    land_at(shop.settings, "2026-03-02 12:00", [e.order_placed("o3", "2026-03-02 11:00", customer_id="carla")])
    _run(shop)

    reason = "no late event: a definition, reference data or a correction"
    assert _restated(shop, "2026-03-01") == {"shipping_amount": (0, 7, reason)}
    # What was published is not what raw says: the recomputation finds it in the log, too.
    assert {"kpi_daily", "kpi_daily_versions", "kpi_restatements"} <= set(_differences(shop))


def test_a_build_without_the_log_is_noticed(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-02 12:00", [e.order_placed("o3", "2026-03-01 18:00", customer_id="carla")])
    shop.dbt.run("--select", "+kpi_daily", "fct_late_events")

    stands = ("--select", "the_last_version_of_every_closed_day_is_kpi_daily")
    assert [done.status for done in shop.dbt.test(*stands, check=False)] == ["fail"]

    _run(shop)
    assert [done.status for done in shop.dbt.test(*stands)] == ["pass"]
    assert _restated(shop, "2026-03-01")["orders_count"] == (1, 2, "order.placed: 1")


def test_days_become_final_without_changing_and_an_event_from_the_future_ends_none(shop: Shop) -> None:
    _two_days(shop)
    land_at(shop.settings, "2026-03-08 10:05", [e.order_placed("o8", "2026-03-08 10:00")])
    land_at(shop.settings, "2026-03-08 10:06", [e.order_placed("astray", "2099-01-01 10:00", customer_id="ben")])
    _run(shop)
    status = "select date_day::text, status, is_over, final_on::text from marts.kpi_day_status order by 1"
    assert shop.rows(status) == [
        ("2026-03-01", "provisional", True, "2026-03-09"),
        ("2026-03-02", "provisional", True, "2026-03-10"),
        ("2026-03-08", "provisional", False, "2026-03-16"),
        ("2099-01-01", "provisional", False, "2099-01-09"),
    ]

    # Only visitors who look: no figure of an earlier day moves, the day does.
    land_at(shop.settings, "2026-03-09 10:05", [e.page_viewed("s1", "2026-03-09 10:00")])
    _run(shop)

    assert [row[:3] for row in shop.rows(status)] == [
        ("2026-03-01", "final", True),
        ("2026-03-02", "provisional", True),
        ("2026-03-08", "provisional", True),
        ("2099-01-01", "provisional", False),
    ]
    assert _differences(shop) == {}


def test_loading_a_history_at_once_publishes_it_and_restates_nothing(shop: Shop) -> None:
    history = [e.order_placed(f"o{day}", f"2026-03-{day:02d} 10:00", customer_id=f"c{day}") for day in range(1, 21)]

    land_at(shop.settings, "2026-05-01 10:00", history)
    _run(shop)

    assert shop.rows("select count(*) from marts.kpi_restatements") == [(0,)]
    assert _versions(shop) == 19 * 32
    # One row per day and type for the whole transaction, however many events it landed.
    assert shop.rows("select count(*), sum(events_count) from marts.fct_late_events") == [(20, 20)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_stream_landing_over_days_is_logged_to_the_figure_and_explained(shop: Shop, seed: int) -> None:
    stream = random_stream(seed)
    moments = sorted(random.Random(seed).sample(range(24, 300), 5))
    begin = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)

    _run(shop)
    for hours, batch in zip(moments, split(stream, batches=5, seed=seed), strict=True):
        land_at(shop.settings, begin + dt.timedelta(hours=hours), batch)
        _run(shop)
    shop.dbt.test("--select", *_MARTS, *_CAUTIOUS)

    changes = shop.rows("select late_events_count, reason from marts.kpi_restatements")
    assert changes
    assert [reason for _, reason in changes if reason.startswith("no late event")] == []
    assert any(count > 0 for count, _ in changes)
    assert _differences(shop) == {}
