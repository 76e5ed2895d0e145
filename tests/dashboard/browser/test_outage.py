"""The database goes and comes back: the numbers shown stay, what cannot be shown says so, all recovers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import expect

from shop_platform.local.ports import any_free
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Settings, load
from shop_platform.warehouse.migrate import migrate
from tests.dashboard import marts
from tests.dashboard.conftest import business_day

pytestmark = pytest.mark.browser


@pytest.fixture
def own_server(tmp_path_factory) -> Iterator[tuple[EmbeddedPostgres, Settings]]:
    """A PostgreSQL that this test alone may stop."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="shop-tests-outage-"))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pgdata", any_free(), "dev-only-admin", folder / "postgres.log")
    server.start()
    settings = load(pg_port=server.port, data_dir=folder)
    migrate(settings)
    marts.create(settings)
    marts.seed(settings, business_day(settings), datetime.now(UTC), days=120)
    yield server, settings
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_an_outage_is_shown_and_survived(own_server, serve_site, open_page):
    server, settings = own_server
    site = serve_site(settings)
    page = open_page(site.url)
    orders = page.locator("[data-kpi=orders] .kpi__value")
    before = orders.inner_text()

    server.stop()
    expect(page.locator(".notice--error")).to_contain_text("has not answered since")
    expect(page.locator("#freshness-label")).to_contain_text("No connection")
    # What was shown stays; what was never loaded is an error, card by card.
    expect(orders).to_have_text(before)
    page.locator("#preset label").nth(1).click()
    expect(page.locator(".state--error")).to_have_count(4)

    server.start()
    expect(page.locator(".notice--error")).to_have_count(0)
    expect(page.locator(".state--error")).to_have_count(0)
    expect(orders).not_to_have_text(before)
    assert "Traceback" not in site.log.read_text()
