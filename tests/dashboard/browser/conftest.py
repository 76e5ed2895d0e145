"""A real browser on the real server. Every page is watched: no console error, no request to another host."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from urllib.parse import urlparse

import pytest
from playwright.sync_api import expect

from shop_platform.settings import Settings
from tests.conftest import _drop, _new_warehouse
from tests.dashboard import marts
from tests.dashboard.conftest import business_day
from tests.dashboard.site import Site, serve
from tests.support.browser import browser_available, chromium
from tests.support.suites import require

READY = "#trend-graph .main-svg"

# How long something may take to appear on a busy machine; what is there already does not wait.
PATIENCE_MS = 120_000
expect.set_options(timeout=PATIENCE_MS)


def eventually(page, expression: str, wanted: object) -> None:
    """Wait until a JavaScript expression has a value (``wait_for_function`` needs an eval, which the CSP forbids)."""
    for _ in range(PATIENCE_MS // 100):
        if page.evaluate(expression) == wanted:
            return
        page.wait_for_timeout(100)
    assert page.evaluate(expression) == wanted


@pytest.fixture(scope="session")
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:
    """The dashboard on 120 days of data up to today, for tests that only look."""
    require("browser", browser_available())
    folder = tmp_path_factory.mktemp("site")
    made = _new_warehouse(postgres_server, folder)
    marts.create(made.settings)
    marts.seed(made.settings, business_day(made.settings), datetime.now(UTC), days=120)
    with serve(made.settings, folder) as served:
        yield served
    _drop(made)


@pytest.fixture
def serve_site(tmp_path) -> Iterator[Callable[[Settings], Site]]:
    """Serve a warehouse that the test may change; the site ends after the pages that look at it."""
    require("browser", browser_available())
    with ExitStack() as running:
        yield lambda settings: running.enter_context(serve(settings, tmp_path))


@pytest.fixture
def own_site(empty_marts: Settings, serve_site: Callable[[Settings], Site]) -> Site:
    """The dashboard on data up to now, which the test may change."""
    marts.seed(empty_marts, business_day(empty_marts), datetime.now(UTC), days=120)
    return serve_site(empty_marts)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    require("browser", browser_available())
    with chromium() as started:
        yield started


@pytest.fixture
def open_page(browser, serve_site) -> Iterator[Callable]:
    """Open an address as a reader would; at the end nothing may have gone wrong behind the scene."""
    contexts, complaints = [], []

    def watch(page) -> None:
        def on_request(request) -> None:
            where = urlparse(request.url)
            if where.scheme in {"http", "https"} and where.hostname != "127.0.0.1":
                complaints.append(f"request to {request.url}")

        page.on("console", lambda m: complaints.append(f"console: {m.text}") if m.type in {"error", "warning"} else 0)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("request", on_request)
        page.on("response", lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else 0)

    def open_(url: str, *, ready: str = READY, width: int = 1440, height: int = 900, scheme: str = "light"):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(url)
        if ready:
            page.wait_for_selector(ready)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
