"""A split as sorted bars: name, bar, amount, share, change. One line per part, readable as a list."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from dash import html

from dashboard import formatting
from dashboard.components.attributes import attributes
from dashboard.components.badge import change_badge
from dashboard.data.kpis import KPIS, Change
from dashboard.data.kpis import change as kpi_change
from dashboard.data.rows import SplitRow

_NET = KPIS[0]


def split_change(row: SplitRow) -> Change | None:
    """Return how one part's net moved."""
    return kpi_change(_NET, float(row.net), float(row.previous_net))


def share(row: SplitRow, rows: Sequence[SplitRow]) -> float | None:
    """Return one part's share of the net of all parts; ``None`` when they do not add up to something positive."""
    whole = sum((each.net for each in rows), Decimal())
    return float(row.net / whole) if whole > 0 else None


def title_of(name: str) -> str:
    """Return a code as people write it: ``organic_search`` becomes ``Organic search``."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else "Unknown"


def bar_list(rows: Sequence[SplitRow], currency: str, *, compared: bool, label: str) -> html.Ul:
    """Return the bars of ``rows`` in their order, the longest as wide as the card."""
    longest = max((row.net for row in rows), default=Decimal())
    return html.Ul(
        [_bar(row, rows, longest, currency, compared=compared) for row in rows],
        className=f"bars{'' if compared else ' bars--alone'}",
        **attributes(aria_label=label),
    )


def _bar(row: SplitRow, rows: Sequence[SplitRow], longest: Decimal, currency: str, *, compared: bool) -> html.Li:
    width = max(float(row.net / longest), 0.0) if longest > 0 else 0.0
    part = share(row, rows)
    cells = [
        html.Span(
            [
                html.Span(
                    className="bar__fill", style={"width": f"{width * 100:.1f}%"}, **attributes(aria_hidden="true")
                ),
                html.Span(title_of(row.name), className="bar__name", title=title_of(row.name)),
            ],
            className="bar__run",
        ),
        html.Span(formatting.money(row.net, currency, decimals=0), className="bar__amount"),
        html.Span(formatting.rate(part), className="bar__share"),
    ]
    if compared:
        cells.append(html.Span(change_badge(split_change(row)), className="bar__change"))
    return html.Li(cells, className="bar")
