"""The head of every page: product, environment, navigation, freshness, Dagster, colour scheme."""

from __future__ import annotations

from collections.abc import Sequence

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import ids
from dashboard.components.attributes import attributes
from dashboard.components.badge import environment_badge
from dashboard.components.freshness import freshness_badge
from dashboard.components.icon import icon
from shop_platform.settings import Settings

_SCHEMES = (("light", "Light", "sun"), ("dark", "Dark", "moon"), ("auto", "As the system", "monitor"))


def header(settings: Settings, logo: str) -> html.Header:
    """Return the head; ``logo`` is the address of the logo mark."""
    return html.Header(
        [
            html.A("Skip to the content", href=f"#{ids.PAGE}", className="skip"),
            html.Div(
                [
                    html.Div(
                        [
                            html.Img(src=logo, alt="", width=24, height=24, className="brand__mark"),
                            html.Span("Shop Platform", className="brand__name"),
                            environment_badge(settings.env),
                        ],
                        className="brand",
                    ),
                    html.Nav(id=ids.NAVIGATION, className="navigation", **attributes(aria_label="Pages")),
                    html.Div(
                        [
                            freshness_badge(),
                            html.A(
                                [html.Span("Dagster", className="wide"), icon("external")],
                                href=settings.dagster_url,
                                target="_blank",
                                rel="noopener noreferrer",
                                className="text-button",
                                title="Open Dagster: lineage, runs, checks",
                                **attributes(aria_label="Open Dagster in a new tab"),
                            ),
                            dmc.SegmentedControl(
                                id=ids.SCHEME_CHOICE,
                                data=[
                                    {
                                        "value": value,
                                        "label": html.Span(
                                            [icon(name), html.Span(text, className="unseen")], title=text
                                        ),
                                    }
                                    for value, text, name in _SCHEMES
                                ],
                                value="auto",
                                size="xs",
                                className="switch",
                                **attributes(aria_label="Colour scheme"),
                            ),
                        ],
                        className="header__tools",
                    ),
                ],
                className="header__row",
            ),
        ],
        className="header",
    )


def navigation(pages: Sequence[tuple[str, str]], current: str, search: str) -> list[dcc.Link]:
    """Return one link per (path, title); they keep the selection in ``search``."""
    return [
        dcc.Link(
            title,
            href=f"{path}{search}",
            className=f"navigation__link{' navigation__link--current' if path == current else ''}",
            title="This page" if path == current else None,
        )
        for path, title in pages
    ]
