"""A KPI: its value, how it moved, its recent course."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from dashboard import formatting
from dashboard.components import states
from dashboard.components.attributes import attributes
from dashboard.components.badge import change_badge
from dashboard.components.icon import icon
from dashboard.data.kpis import Kpi, KpiResult
from dashboard.figures.sparkline import sparkline_svg


def kpi_card(result: KpiResult, currency: str, *, compared: bool, note: str = "") -> html.Article:
    """Return the card of one KPI; ``compared`` says whether a comparison period is shown.

    ``note`` goes with the definition: what the reader should know about this period's value.
    """
    kpi = result.kpi
    return _frame(
        kpi,
        [
            html.P(formatting.value(result.value, kpi.kind, currency), className="kpi__value"),
            html.P(_comparison(result, currency) if compared else [], className="kpi__change"),
        ],
        _sparkline(result),
        note,
    )


def kpi_skeleton(kpi: Kpi) -> html.Article:
    """Return the card of ``kpi`` before its data is there, at its final size."""
    return _frame(kpi, [states.skeleton(2)], html.Div(className="kpi__spark"))


def _frame(kpi: Kpi, content: list[Component | str], sparkline: html.Div, note: str = "") -> html.Article:
    heading = f"kpi-{kpi.key}"
    hint = f"{kpi.definition} {note}".strip()
    return html.Article(
        [
            html.Div(
                [
                    html.H2(kpi.label, id=heading, className="kpi__label"),
                    dmc.Tooltip(
                        html.Button(
                            icon("info"),
                            type="button",
                            className="hint",
                            **attributes(aria_label=f"{kpi.label}: {hint}"),
                        ),
                        label=hint,
                        multiline=True,
                        w=240,
                        withArrow=True,
                        events={"hover": True, "focus": True, "touch": True},
                    ),
                ],
                className="kpi__head",
            ),
            *content,
            sparkline,
        ],
        className="kpi",
        **attributes(aria_labelledby=heading, data_kpi=kpi.key),
    )


def _comparison(result: KpiResult, currency: str) -> list[Component | str]:
    before = formatting.value(result.previous, result.kpi.kind, currency)
    return [change_badge(result.change), html.Span(f"from {before}", className="kpi__before")]


def _sparkline(result: KpiResult) -> html.Div:
    drawing = sparkline_svg(result.course)
    if drawing is None:
        return html.Div(className="kpi__spark")
    mask = f'url("{drawing}")'
    return html.Div(
        className="kpi__spark",
        style={"maskImage": mask},
        **attributes(aria_hidden="true", data_drawn="true"),
    )
