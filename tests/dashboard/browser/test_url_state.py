"""The URL holds what is shown: it survives a reload, can be copied, and the back button works."""

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

CHECKED = "#preset input:checked"


def _choose(page, preset: str) -> None:
    page.locator("#preset label").filter(has_text=re.compile(f"^{preset}$")).click()


def test_a_preset_goes_into_the_url_and_survives_a_reload(site, open_page):
    page = open_page(site.url)
    _choose(page, "7 d")
    expect(page).to_have_url(f"{site.url}/?period=7d")
    expect(page.locator(".legend")).to_be_visible()
    page.reload()
    expect(page.locator(CHECKED)).to_have_value("7d")
    expect(page).to_have_url(f"{site.url}/?period=7d")


def test_the_back_button_returns_to_the_earlier_period(site, open_page):
    page = open_page(site.url)
    thirty = page.locator("[data-kpi=orders] .kpi__value").inner_text()
    _choose(page, "7 d")
    expect(page.locator("[data-kpi=orders] .kpi__value")).not_to_have_text(thirty)
    _choose(page, "Custom")
    expect(page).to_have_url(re.compile(r"\?from=\d{4}-\d\d-\d\d&to=\d{4}-\d\d-\d\d$"))
    page.go_back()
    expect(page).to_have_url(f"{site.url}/?period=7d")
    expect(page.locator(CHECKED)).to_have_value("7d")
    page.go_back()
    expect(page.locator(CHECKED)).to_have_value("30d")
    expect(page.locator("[data-kpi=orders] .kpi__value")).to_have_text(thirty)


def test_a_copied_address_shows_the_same(site, open_page):
    page = open_page(f"{site.url}/?from=2026-11-01&to=2026-11-03&compare=none", ready=".kpis .kpi__value, .state")
    expect(page.locator("#range")).to_have_text("1 Nov 2026 – 3 Nov 2026")
    expect(page.locator("#comparison")).to_have_value("No comparison")
    expect(page.locator(CHECKED)).to_have_value("custom")


def test_without_comparison_no_change_is_shown(site, open_page):
    page = open_page(site.url)
    expect(page.locator("[data-kpi] .change")).to_have_count(8)
    page.locator("#comparison").click()
    page.get_by_role("option", name="No comparison").click()
    expect(page).to_have_url(f"{site.url}/?compare=none")
    expect(page.locator("[data-kpi] .change")).to_have_count(0)


def test_two_quick_choices_both_count(site, open_page):
    page = open_page(site.url)
    page.locator("#comparison").click()
    page.get_by_role("option", name="No comparison").click()
    _choose(page, "90 d")
    expect(page).to_have_url(f"{site.url}/?period=90d&compare=none")


def test_days_chosen_in_the_calendar_become_a_custom_period(site, open_page):
    page = open_page(site.url)
    page.locator("#range").click()
    days = page.locator("[data-dates-dropdown] button.mantine-DatePickerInput-day:not([data-outside]):not([disabled])")
    days.nth(2).click()
    days.nth(5).click()
    expect(page).to_have_url(re.compile(r"\?from=(\d{4}-\d\d)-03&to=\1-06$"))
    expect(page.locator(CHECKED)).to_have_value("custom")


def test_a_url_that_makes_no_sense_shows_the_default(site, open_page):
    page = open_page(f"{site.url}/?period=fortnight&from=yesterday")
    expect(page.locator(CHECKED)).to_have_value("30d")


def test_an_unknown_page_says_so(site, open_page):
    page = open_page(f"{site.url}/nowhere", ready="text=There is no such page")
    page.locator("main a").click()
    expect(page.locator("[data-kpi]")).to_have_count(8)
