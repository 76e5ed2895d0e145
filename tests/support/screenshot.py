"""Take a picture of a page: ``python -m tests.support.screenshot URL OUT.png --width 1440 --height 900 --dark``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.support.browser import browser_available, chromium


def take(
    url: str, out: Path, *, width: int, height: int, dark: bool = False, full: bool = False, wait_for: str = ""
) -> None:
    """Write a PNG of ``url`` at double density once ``wait_for`` (CSS) is visible and the network is quiet."""
    with chromium() as browser:
        page = browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=2,
            color_scheme="dark" if dark else "light",
        )
        page.goto(url, wait_until="domcontentloaded")
        if wait_for:
            page.wait_for_selector(wait_for, state="visible")
        page.wait_for_load_state("networkidle")
        out.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(out), full_page=full, animations="disabled")


def main() -> int:
    """Read the command line and take one picture; 2 when there is no browser."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--full", action="store_true", help="the whole page, not only the window")
    parser.add_argument("--wait-for", default="", help="a CSS selector that has to be visible first")
    given = parser.parse_args()
    able, reason = browser_available()
    if not able:
        sys.stderr.write(f"{reason}\n")
        return 2
    take(
        given.url,
        given.out,
        width=given.width,
        height=given.height,
        dark=given.dark,
        full=given.full,
        wait_for=given.wait_for,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
