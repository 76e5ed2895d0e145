"""From 375 px to wide: nothing leaves the page sideways, nothing moves when data arrives."""

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser.conftest import eventually

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SHIFT = """() => new Promise(done => {
    let sum = 0;
    new PerformanceObserver(list => { for (const entry of list.getEntries()) sum += entry.value; })
        .observe({ type: 'layout-shift', buffered: true });
    setTimeout(() => done(sum), 500);
})"""


@pytest.mark.parametrize("widths", [(375, 700, 768), (2200, 1440, 1024)])
def test_no_width_scrolls_sideways(site, open_page, widths):
    page = open_page(site.url, width=widths[0])
    expect(page.locator("[data-kpi] .kpi__value")).to_have_count(8)
    for as_table in (False, True):
        if as_table:
            page.locator("#channels-view label").nth(1).click()
            page.wait_for_selector("#channels-body table")
        for width in widths:
            page.set_viewport_size({"width": width, "height": 900})
            eventually(page, f"window.innerWidth === {width} && {OVERFLOW} <= 0", True)


@pytest.mark.parametrize("width", [375, 1440])
def test_nothing_moves_when_the_data_arrives(site, open_page, width):
    page = open_page(site.url, width=width)
    page.wait_for_load_state("networkidle")
    # A tenth of what Web Vitals grants a good page; 0.007 with a processor an eighth as fast, too.
    assert page.evaluate(SHIFT) < 0.01


def test_the_language_of_the_document_is_given(site, open_page):
    expect(open_page(site.url).locator("html")).to_have_attribute("lang", "en")
