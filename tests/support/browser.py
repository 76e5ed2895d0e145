"""Find a Chromium and start it for tests: quiet, without a sandbox, speaking to nobody by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
)


def find_browser() -> str | None:
    """Return the path of a Chromium: SHOP_TEST_CHROMIUM if set, else the first one on the PATH."""
    wished = os.environ.get("SHOP_TEST_CHROMIUM")
    if wished:
        return wished if Path(wished).is_file() else None
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def browser_available() -> tuple[bool, str]:
    """Say whether browser tests can run here, and why not."""
    if find_browser():
        return True, ""
    wished = os.environ.get("SHOP_TEST_CHROMIUM")
    if wished:
        return False, f"SHOP_TEST_CHROMIUM points at {wished}, which is not a file"
    return False, "no Chromium or Chrome on the PATH (install one, or set SHOP_TEST_CHROMIUM)"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give a running headless Chromium; it ends with the block."""
    path = find_browser()
    if path is None:
        raise RuntimeError(browser_available()[1])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()
