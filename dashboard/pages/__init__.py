"""The pages there are. A new page is a module with a ``PAGE`` and one line in ``PAGES``."""

from __future__ import annotations

from dashboard.pages import metrics, overview
from dashboard.pages.page import Page

PAGES: tuple[Page, ...] = (overview.PAGE, metrics.PAGE)
