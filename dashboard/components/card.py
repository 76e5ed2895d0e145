"""The frame of every chart: title, switch between chart and table, CSV link, and a body of reserved height."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import ids
from dashboard.components import states
from dashboard.components.attributes import attributes
from dashboard.components.icon import icon
from dashboard.data.pool import WarehouseNotReadyError, WarehouseUnavailableError

_log = logging.getLogger("dashboard")

CHART, TABLE = "chart", "table"


def card(card_id: str, title: str, subtitle: str, *, size: str) -> html.Section:
    """Return an empty card; its callback fills ``ids.body(card_id)``. ``size`` picks the reserved height in CSS."""
    heading = f"{card_id}-title"
    return html.Section(
        [
            html.Header(
                [
                    html.Div(
                        [
                            html.H2(title, id=heading, className="card__title"),
                            html.P(subtitle, className="card__subtitle"),
                        ]
                    ),
                    html.Div(
                        [
                            dmc.SegmentedControl(
                                id=ids.view(card_id),
                                data=[_view(CHART, "Chart", "chart"), _view(TABLE, "Table", "table")],
                                value=CHART,
                                size="xs",
                                className="switch",
                                **attributes(aria_label=f"{title}: show as"),
                            ),
                            html.A(
                                [icon("download"), html.Span(f"Download {title} as CSV", className="unseen")],
                                id=ids.download(card_id),
                                href=f"/export/{card_id}.csv",
                                className="icon-button",
                                title="Download as CSV",
                                download="",
                            ),
                        ],
                        className="card__tools",
                    ),
                ],
                className="card__head",
            ),
            html.Div(states.skeleton(block=True), id=ids.body(card_id), className=f"card__body card__body--{size}"),
        ],
        className="card",
        **attributes(aria_labelledby=heading),
    )


def guarded(draw: Callable[[], Any]) -> Any:
    """Return what ``draw`` returns, or the state that explains why it could not: a card never fails its page."""
    try:
        return draw()
    except WarehouseNotReadyError:
        return states.waiting("The warehouse is there, its marts are not. They appear with the first transformation.")
    except WarehouseUnavailableError:
        return states.unavailable()
    except Exception:
        _log.exception("a card could not be drawn")
        return states.broken()


def graph(graph_id: str, figure: dict[str, Any], description: str) -> html.Div:
    """Return a plotly graph that fills its card, with a text for those who do not see it."""
    return html.Div(
        dcc.Graph(
            id=graph_id,
            figure=figure,
            config={"displayModeBar": False, "responsive": True, "scrollZoom": False, "showTips": False},
            className="graph",
        ),
        role="img",
        className="graph-frame",
        **attributes(aria_label=description),
    )


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> html.Div:
    """Return an accessible table: the first column names the row, all others are numbers."""
    return html.Div(
        html.Table(
            [
                html.Caption(caption, className="unseen"),
                html.Thead(html.Tr([html.Th(text, scope="col") for text in head])),
                html.Tbody(
                    [html.Tr([html.Th(row[0], scope="row"), *[html.Td(cell) for cell in row[1:]]]) for row in rows]
                ),
            ],
            className="table",
        ),
        className="table-frame",
        tabIndex=0,
        role="region",
        **attributes(aria_label=caption),
    )


def _view(value: str, label: str, icon_name: str) -> dict[str, Any]:
    return {"value": value, "label": html.Span([icon(icon_name), html.Span(label, className="unseen")], title=label)}
