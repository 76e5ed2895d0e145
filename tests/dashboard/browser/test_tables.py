"""Every chart can be read as a table and taken away as CSV."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_chart_has_a_table_with_the_same_numbers(site, open_page):
    page = open_page(site.url)
    for card, rows in (("trend", 30), ("channels", 7), ("categories", 6)):
        page.locator(f"#{card}-view label").nth(1).click()
        table = page.locator(f"#{card}-body table")
        expect(table.locator("tbody tr")).to_have_count(rows)
        expect(table.locator("tbody th[scope=row]")).to_have_count(rows)
        page.locator(f"#{card}-view label").nth(0).click()
        expect(table).to_have_count(0)


def test_a_card_can_be_downloaded_for_the_days_shown(site, open_page):
    page = open_page(f"{site.url}/?period=7d")
    for card in ("trend", "channels", "categories"):
        link = page.locator(f"#{card}-download")
        expect(link).to_have_attribute("href", f"/export/{card}.csv?period=7d")
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename.startswith(f"shop-{card}-")
