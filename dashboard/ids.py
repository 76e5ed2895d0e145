"""Every element id that a callback or a test refers to."""

from __future__ import annotations

from typing import Final

# The shell
URL: Final = "url"
TICK: Final = "tick"
DATA_TOKEN: Final = "data-token"  # noqa: S105 - an element id
CONNECTION: Final = "connection"
SCHEME: Final = "scheme"
SCHEME_CHOICE: Final = "scheme-choice"
PAGE: Final = "page"
NAVIGATION: Final = "navigation"
NOTICE: Final = "notice"
FRESHNESS: Final = "freshness"
FRESHNESS_LABEL: Final = "freshness-label"
FRESHNESS_DETAIL: Final = "freshness-detail"

# Overview
SELECTION_URL: Final = "selection-url"
PRESET: Final = "preset"
RANGE: Final = "range"
COMPARISON: Final = "comparison"
CURRENCY: Final = "currency"
CURRENCY_FIELD: Final = "currency-field"
SUMMARY: Final = "summary"
KPIS: Final = "kpis"
TREND: Final = "trend"
TREND_GRAPH: Final = "trend-graph"
CHANNELS: Final = "channels"
CATEGORIES: Final = "categories"


def body(card: str) -> str:
    """Return the id of a card's content."""
    return f"{card}-body"


def view(card: str) -> str:
    """Return the id of a card's switch between chart and table."""
    return f"{card}-view"


def download(card: str) -> str:
    """Return the id of a card's CSV link."""
    return f"{card}-download"
