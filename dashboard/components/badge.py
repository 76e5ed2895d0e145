"""Small labels: how a number moved, which environment this is, a notice."""

from __future__ import annotations

from dash import html

from dashboard import formatting
from dashboard.components.icon import icon
from dashboard.data.kpis import Change, Tone
from shop_platform.settings import Environment


def change_badge(moved: Change | None) -> html.Span:
    """Return the change with an arrow and in the colour of its tone; never by colour alone."""
    if moved is None:
        return html.Span(formatting.NOTHING, className="change change--none")
    text = formatting.change(moved)
    direction = "flat" if moved.tone is Tone.NEUTRAL else "up" if moved.amount > 0 else "down"
    meaning = {Tone.GOOD: "better", Tone.BAD: "worse", Tone.NEUTRAL: "unchanged"}[moved.tone]
    return html.Span(
        [icon(direction), text, html.Span(f", {meaning}", className="unseen")],
        className=f"change change--{moved.tone.value}",
    )


def environment_badge(environment: Environment) -> html.Span:
    """Return which environment the numbers come from."""
    return html.Span(environment.value, className=f"environment environment--{environment.value}", title="Environment")


def chip(text: str, detail: str, *, icon_name: str = "clock") -> html.Span:
    """Return a quiet notice with its explanation as a tooltip and for screen readers."""
    return html.Span(
        [icon(icon_name), text, html.Span(f". {detail}", className="unseen")], className="chip", title=detail
    )
