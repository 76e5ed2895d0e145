"""Icons: a CSS mask per name (``assets/icons.css``), in the colour of the text around them."""

from __future__ import annotations

from dash import html

from dashboard.components.attributes import attributes


def icon(name: str) -> html.Span:
    """Return the icon ``name``, invisible to screen readers (its button or text says what it means)."""
    return html.Span(className=f"icon icon--{name}", **attributes(aria_hidden="true"))
