"""Everything that can be clicked can be reached with Tab, is named, and shows where the focus is."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const shown = element.matches('input[type=radio]') ? element.nextElementSibling : element;
    const style = getComputedStyle(shown);
    return {
        key: element.id || element.name || element.getAttribute('aria-label') || element.textContent,
        name: element.getAttribute('aria-label') || element.textContent || (element.labels || [])[0]?.textContent || '',
        outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0,
        group: element.closest('[role=radiogroup]')?.id || '',
    };
}"""


def test_tab_reaches_every_control_by_name_and_visibly(site, open_page):
    page = open_page(site.url)
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        seen.append(focused)
    reached = {entry["key"] for entry in seen} | {entry["group"] for entry in seen}
    wanted = {"preset", "range", "comparison", "scheme-choice", "freshness-label", "trend-view", "channels-view"}
    wanted |= {"categories-view", "trend-download", "channels-download", "categories-download", "Overview"}
    assert wanted <= reached
    assert sum("Net revenue:" in entry["name"] for entry in seen) == 1
    assert [entry for entry in seen if not entry["name"].strip()] == []
    assert [entry["key"] for entry in seen if not entry["outline"]] == []


def test_the_first_tab_offers_to_skip_to_the_content(site, open_page):
    page = open_page(site.url)
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()


def test_the_arrow_keys_change_the_period(site, open_page):
    page = open_page(site.url)
    page.locator("#preset input:checked").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"{site.url}/?period=90d")


def test_a_definition_shows_on_focus(site, open_page):
    page = open_page(site.url)
    page.locator("[data-kpi=refund_rate] .hint").focus()
    expect(page.get_by_role("tooltip")).to_contain_text("Refunds booked in the period")
