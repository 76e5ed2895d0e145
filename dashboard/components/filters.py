"""The controls that choose period, comparison and currency; their values come from the URL."""

from __future__ import annotations

from datetime import date

import dash_mantine_components as dmc
from dash import html

from dashboard import ids
from dashboard.components.attributes import attributes
from dashboard.components.icon import icon
from dashboard.data.periods import Comparison, Preset

_PRESETS = {
    Preset.TODAY: ("Today", "Today"),
    Preset.DAYS_7: ("7 d", "The last 7 days with today"),
    Preset.DAYS_30: ("30 d", "The last 30 days with today"),
    Preset.DAYS_90: ("90 d", "The last 90 days with today"),
    Preset.MONTH_TO_DATE: ("MTD", "Month to date"),
    Preset.QUARTER_TO_DATE: ("QTD", "Quarter to date"),
    Preset.YEAR_TO_DATE: ("YTD", "Year to date"),
    Preset.CUSTOM: ("Custom", "The days chosen in the calendar"),
}


def filters(today: date) -> html.Div:
    """Return the filter bar; ``today`` is the last day that can be chosen."""
    return html.Div(
        [
            html.Div(
                dmc.SegmentedControl(
                    id=ids.PRESET,
                    data=[
                        {"value": preset.value, "label": html.Span(short, title=long)}
                        for preset, (short, long) in _PRESETS.items()
                    ],
                    value=Preset.DAYS_30.value,
                    size="xs",
                    className="switch switch--wide",
                    **attributes(aria_label="Period"),
                ),
                className="filters__presets",
            ),
            dmc.DatePickerInput(
                id=ids.RANGE,
                type="range",
                value=[None, None],
                maxDate=today.isoformat(),
                valueFormat="D MMM YYYY",
                allowSingleDateInRange=True,
                firstDayOfWeek=1,
                size="xs",
                leftSection=icon("calendar"),
                className="field field--range",
                popoverProps={"position": "bottom-end", "shadow": "md"},
                ariaLabels={
                    "monthLevelControl": "Choose the month",
                    "yearLevelControl": "Choose the year",
                    "nextMonth": "Next month",
                    "previousMonth": "Previous month",
                    "nextYear": "Next year",
                    "previousYear": "Previous year",
                    "nextDecade": "Next decade",
                    "previousDecade": "Previous decade",
                },
            ),
            dmc.Select(
                id=ids.COMPARISON,
                data=[
                    {"value": Comparison.PREVIOUS.value, "label": "vs previous period"},
                    {"value": Comparison.NONE.value, "label": "No comparison"},
                ],
                value=Comparison.PREVIOUS.value,
                allowDeselect=False,
                size="xs",
                className="field field--comparison",
                **attributes(aria_label="Compare with"),
            ),
            html.Div(
                dmc.Select(
                    id=ids.CURRENCY,
                    data=[],
                    allowDeselect=False,
                    size="xs",
                    className="field field--currency",
                    **attributes(aria_label="Currency"),
                ),
                id=ids.CURRENCY_FIELD,
                hidden=True,
            ),
        ],
        className="filters",
        role="group",
        **attributes(aria_label="What to show"),
    )
