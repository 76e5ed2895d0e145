"""What a card shows instead of data: loading, waiting, empty, error. Each looks and reads different."""

from __future__ import annotations

from dash import html

from dashboard.components.attributes import attributes
from dashboard.components.icon import icon


def skeleton(rows: int = 1, *, block: bool = False) -> html.Div:
    """Return grey placeholders that hold the card's height until its data is there."""
    name = "skeleton skeleton--block" if block else "skeleton"
    return html.Div(
        [html.Div(className=name) for _ in range(rows)], className="skeletons", **attributes(aria_hidden="true")
    )


def waiting(detail: str) -> html.Div:
    """Return the state of a warehouse that has no marts yet."""
    return _state("hourglass", "waiting", "Waiting for data", detail)


def empty(detail: str) -> html.Div:
    """Return the state of a period in which nothing happened."""
    return _state("inbox", "empty", "Nothing in this period", detail)


def unavailable() -> html.Div:
    """Return the state of a warehouse that does not answer."""
    detail = "The warehouse does not answer. This card tries again by itself."
    return _state("unplugged", "error", "No connection to the data", detail, alert=True)


def broken() -> html.Div:
    """Return the state of a card whose own code failed."""
    detail = "The other cards are not affected. The cause is in the dashboard's log."
    return _state("warning", "error", "This card could not be drawn", detail, alert=True)


def _state(icon_name: str, kind: str, title: str, detail: str, *, alert: bool = False) -> html.Div:
    return html.Div(
        [icon(icon_name), html.P(title, className="state__title"), html.P(detail, className="state__detail")],
        className=f"state state--{kind}",
        role="alert" if alert else "status",
    )
