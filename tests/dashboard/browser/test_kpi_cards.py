"""The cards show what the database holds."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dashboard.conftest import business_day

pytestmark = pytest.mark.browser


def test_the_cards_show_the_numbers_of_the_database(site, open_page):
    today = business_day(site.settings)
    first = today - timedelta(days=29)
    with connect(site.settings, Role.ADMIN) as connection:
        row = connection.execute(
            "select sum(net_amount), sum(orders_count), sum(sessions_count), sum(new_customers),"
            " 100.0 * sum(converting_sessions_count) / sum(sessions_count),"
            " sum(gross_amount - discount_amount) / sum(orders_count)"
            " from marts.kpi_daily where date_day between %s and %s",
            [first, today],
        ).fetchone()
    assert row is not None
    net, orders, sessions, new, conversion, average = row
    page = open_page(f"{site.url}/?from={first}&to={today}")  # by name: midnight may come in between
    for key, shown in {
        "net_revenue": f"€{net:,.0f}",
        "orders": f"{orders:,}",
        "sessions": f"{sessions:,}",
        "new_customers": f"{new:,}",
        "conversion_rate": f"{conversion:.2f}%",
        "average_order_value": f"€{average:.2f}",
    }.items():
        expect(page.locator(f"[data-kpi={key}] .kpi__value")).to_have_text(shown)
    expect(page.locator("[data-kpi]")).to_have_count(8)
    expect(page.locator("[data-kpi] .change--good, [data-kpi] .change--bad")).not_to_have_count(0)


def test_the_split_adds_up_to_the_headline(site, open_page):
    page = open_page(site.url)
    amounts = page.locator("#channels .bar__amount, #channels-body .bar__amount").all_inner_texts()
    whole = page.locator("[data-kpi=net_revenue] .kpi__value").inner_text()
    summed = sum(int(text.strip("€").replace(",", "")) for text in amounts)
    assert abs(summed - int(whole.strip("€").replace(",", ""))) <= len(amounts)
