"""The accounting identities hold for a shop's day, and each is seen to fail once it is broken."""

from __future__ import annotations

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.project import Shop

# Per test: what breaks it, and what it then says. What only an event could break warns.
_BROKEN_BY = {
    "kpi_daily_total_adds_up": (
        "update marts.kpi_daily set total_amount = total_amount + 1, unpaid_amount = unpaid_amount + 1",
        "fail",
    ),
    "kpi_daily_by_device_adds_up_to_kpi_daily": (
        "update marts.kpi_daily_by_device set shipping_amount = shipping_amount + 1",
        "fail",
    ),
    "kpi_daily_by_category_equals_the_lines": (
        "update marts.kpi_daily_by_category set costed_revenue_amount = costed_revenue_amount + 1,"
        " margin_amount = margin_amount + 1",
        "fail",
    ),
    "fct_order_lines_tells_of_its_order_what_the_order_tells": (
        "update marts.fct_order_lines set is_cancelled = true",
        "fail",
    ),
    "fct_order_lines_was_sold_under_one_state_of_its_product": (
        "update marts.dim_product_history set is_current = true, valid_to = null",
        "fail",
    ),
    "fct_refunds_tells_of_its_order_what_the_order_tells": ("update marts.fct_refunds set channel = 'other'", "fail"),
    "fct_payments_is_in_the_currency_of_its_order": ("update marts.fct_payments set currency = 'CHF'", "warn"),
    "fct_orders_is_paid_what_it_costs": ("update marts.fct_orders set paid_amount = paid_amount + 1", "warn"),
    "fct_refunds_gives_back_no_more_than_was_paid": (
        "update marts.fct_refunds set amount_in_order_currency = amount_in_order_currency + 50",
        "warn",
    ),
    "fct_payments_names_the_currency_of_its_order": ("update marts.fct_payments set order_currency = 'CHF'", "fail"),
    "customers_are_worth_their_orders": (
        "update marts.dim_customers set gross_amount = gross_amount + 1, ltv_gross_amount = ltv_gross_amount + 1",
        "fail",
    ),
    "fct_orders_amounts_are_known_or_said_not_to_be": (
        "update marts.fct_orders set has_unconverted_amounts = true",
        "fail",
    ),
    "fct_orders_equals_its_payments": (
        "update marts.fct_payments set amount_in_order_currency = amount_in_order_currency + 1",
        "fail",
    ),
    "fct_orders_states_what_its_lines_add_up_to": (
        "update marts.fct_orders set gross_amount = gross_amount + 1, net_amount = net_amount + 1,"
        " margin_amount = margin_amount + 1",
        "warn",
    ),
}


def _outcomes(shop: Shop) -> dict[str, str]:
    return {done.name: done.status for done in shop.dbt.test("--select", *_BROKEN_BY, check=False)}


def test_what_does_not_add_up_is_said(shop: Shop) -> None:
    e.write(
        shop.settings,
        [
            e.product_created("desk", "2026-01-01 00:00"),
            o.cost_changed("desk", "2026-02-01 00:00", "5.00"),
            e.order_placed("o1", "2026-03-01 10:00"),
            e.order_paid("o1", "2026-03-01 10:01"),
            e.refund_issued("o1", "2026-03-02 10:00", [(1, "desk", "2.00")]),
        ],
    )
    shop.dbt.run()
    assert _outcomes(shop) == dict.fromkeys(_BROKEN_BY, "pass")

    with connect(shop.settings, Role.ADMIN) as admin:
        for statement, _ in _BROKEN_BY.values():
            admin.execute(statement)

    assert _outcomes(shop) == {name: said for name, (_, said) in _BROKEN_BY.items()}
