"""New data appears by itself; without new data nothing is drawn again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from tests.dashboard import marts
from tests.dashboard.conftest import business_day

pytestmark = pytest.mark.browser


def test_an_order_appears_without_a_reload(own_site, open_page):
    day = business_day(own_site.settings)  # by name: midnight may come before the order does
    page = open_page(f"{own_site.url}/?from={day}&to={day}")
    orders = page.locator("[data-kpi=orders] .kpi__value")
    before = int(orders.inner_text().replace(",", ""))
    now = datetime.now(UTC)
    marts.sell(own_site.settings, day, Decimal("129.90"), now - timedelta(seconds=5))
    expect(orders).to_have_text(f"{before + 1:,}")
    expect(page.locator("#freshness-label .dot")).to_have_class("dot dot--good")


def test_without_new_data_no_card_is_drawn_again(site, open_page):
    page = open_page(site.url)
    page.wait_for_load_state("networkidle")
    outputs = []
    page.on("request", lambda r: outputs.append(r.post_data_json["output"]) if "_dash-update" in r.url else None)
    for _ in range(3):
        with page.expect_request(lambda request: "_dash-update" in request.url):
            pass
    assert {("data-token" in output) for output in outputs} == {True}


def test_data_that_stands_still_is_called_stale(empty_marts, serve_site, open_page):
    old = datetime.now(UTC) - timedelta(hours=3)
    marts.seed(empty_marts, business_day(empty_marts), old, days=120)
    served = serve_site(empty_marts)
    page = open_page(served.url)
    expect(page.locator("#freshness-label .dot")).to_have_class("dot dot--bad")
    expect(page.locator(".notice--stale")).to_contain_text("The newest event is 3 h old")
    page.locator("#freshness-label").click()
    link = page.get_by_role("link", name="Open the asset in Dagster")
    expect(link).to_have_attribute("href", f"{served.settings.dagster_url}/assets/marts/data_freshness")
    page.keyboard.press("Escape")
    expect(link).to_be_hidden()


def test_the_first_data_ends_the_waiting(empty_marts, serve_site, open_page):
    page = open_page(serve_site(empty_marts).url, ready=".state--waiting")
    expect(page.locator(".state--waiting")).to_have_count(4)
    marts.seed(empty_marts, business_day(empty_marts), datetime.now(UTC), days=70)
    expect(page.locator("[data-kpi] .kpi__value")).to_have_count(8)
    expect(page.locator(".state--waiting")).to_have_count(0)
