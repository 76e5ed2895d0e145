"""Metrics: what every number means, as the semantic layer defines it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from dash import Dash, html
from dash.development.base_component import Component

from dashboard.components.attributes import attributes
from dashboard.data.reader import Reader
from dashboard.pages.page import Page

_GLOSSARY = Path(__file__).resolve().parents[1] / "data" / "metrics.json"
_UNITS = {"money": "Amount", "count": "Count", "ratio": "Ratio"}


@cache
def glossary() -> list[dict[str, Any]]:
    """Return the metrics with name, label, definition, formula, unit, grain and owner."""
    return list(json.loads(_GLOSSARY.read_text(encoding="utf-8")))


def layout(_reader: Reader) -> Component:
    """Return the glossary; it changes with a release only."""
    return html.Div(
        [
            html.Div(
                html.Div(
                    [
                        html.H1("Metrics", className="page__title"),
                        html.Div(
                            "What the numbers on the screens mean, each defined once. Without tax and in the order's"
                            " currency, unless it says otherwise.",
                            className="page__summary",
                        ),
                    ]
                ),
                className="page__head",
            ),
            html.Div([_entry(metric) for metric in glossary()], className="glossary", **attributes(role="list")),
        ],
        className="page",
    )


def register(_app: Dash, _reader: Reader) -> None:
    """Register nothing: the page does not change."""


def _entry(metric: dict[str, Any]) -> html.Article:
    return html.Article(
        [
            html.H2(metric["label"], className="card__title"),
            html.P(metric["definition"], className="glossary__definition"),
            html.Code(metric["formula"], className="glossary__formula"),
            html.P(
                [
                    html.Code(metric["name"]),
                    f" · {_UNITS.get(metric['unit'], metric['unit'])} by {metric['grain']} · {metric['owner']}",
                ],
                className="glossary__facts",
            ),
        ],
        id=f"metric-{metric['name']}",
        className="card glossary__entry",
        **attributes(role="listitem"),
    )


PAGE = Page("/metrics", "Metrics", layout, register)
