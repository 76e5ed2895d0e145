"""The glossary: every metric of the semantic layer, readable at any width."""

import json

import pytest
from playwright.sync_api import expect

from shop_platform.operations import glossary

pytestmark = pytest.mark.browser

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_metric_is_explained(site, open_page):
    page = open_page(site.url, width=375)
    page.get_by_role("link", name="Metrics").click()
    expect(page.locator(".glossary__entry")).to_have_count(len(glossary.metrics()))
    net = page.locator("#metric-net_amount")
    expect(net).to_contain_text("Gross revenue - discounts - refunds")
    expect(net).to_contain_text("gross_amount - discount_amount - refund_amount")
    assert page.evaluate(OVERFLOW) <= 0
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.evaluate(OVERFLOW) <= 0


def test_the_committed_glossary_is_the_semantic_layers():
    for path, text in glossary.files().items():
        assert path.read_text(encoding="utf-8") == text, path
    assert json.loads(glossary.FOR_THE_DASHBOARD.read_text(encoding="utf-8"))
