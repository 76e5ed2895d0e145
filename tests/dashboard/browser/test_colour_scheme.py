"""Light, dark, or as the system: chosen, remembered, and followed by the chart."""

import pytest
from playwright.sync_api import expect

from dashboard.theme import PALETTES
from tests.dashboard.browser.conftest import eventually

pytestmark = pytest.mark.browser

LINE = "document.querySelector('#trend-graph .js-plotly-plot')._fullLayout.template.layout.colorway[0]"


def _choose(page, scheme: str) -> None:
    page.locator(f"#scheme-choice input[value={scheme}] + label").click()


def _follows(page, scheme: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
    eventually(page, LINE, PALETTES[scheme].accent)
    red, green, blue = (int(PALETTES[scheme].canvas[index : index + 2], 16) for index in (1, 3, 5))
    expect(page.locator("body")).to_have_css("background-color", f"rgb({red}, {green}, {blue})")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_system(site, open_page, scheme):
    _follows(open_page(site.url, scheme=scheme), scheme)


def test_it_follows_the_system_when_that_changes(site, open_page):
    page = open_page(site.url)
    page.emulate_media(color_scheme="dark")
    _follows(page, "dark")


def test_a_choice_is_remembered(site, open_page):
    page = open_page(site.url)
    _choose(page, "dark")
    _follows(page, "dark")
    page.reload()
    page.wait_for_selector("#trend-graph .main-svg")
    _follows(page, "dark")
    _choose(page, "auto")
    _follows(page, "light")


def test_dark_is_there_before_the_app_starts(site, browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.route("**/_dash-component-suites/**", lambda route: route.abort())
    page.goto(site.url)
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    context.close()
