"""Net revenue by day against the period compared with: a plotly figure as a plain dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from dashboard import formatting
from dashboard.data.periods import Period, provisional_days
from dashboard.data.rows import Correction, Coverage, Day
from dashboard.theme import PALETTES, Scheme, plotly_template

# Below this a line through the days says less than bars beside each other.
_BARS_UP_TO_DAYS = 3


@dataclass(frozen=True, slots=True)
class TrendDay:
    """One day of the trend beside the day it is compared with; ``None`` where the data does not reach."""

    day: date
    orders: int | None
    gross: Decimal | None
    net: Decimal | None
    compared_day: date | None
    compared_net: Decimal | None


def align(
    days: Sequence[Day], period: Period, compared: Period | None, coverage: Coverage, today: date
) -> list[TrendDay]:
    """Put each day of ``period`` beside the day at the same place in ``compared``.

    A day without a row is zero where the data reaches (nothing was sold) and unknown outside of it.
    """
    rows = {row.day: row for row in days}
    reach = Period(coverage.first_day, max(coverage.last_day, min(period.end, today)))

    def net(day: date) -> Decimal | None:
        return rows[day].net if day in rows else Decimal() if day in reach else None

    compared_dates = compared.dates() if compared is not None else []
    aligned = []
    for index, day in enumerate(period.dates()):
        row = rows.get(day)
        known = day in reach
        other = compared_dates[index] if compared_dates else None
        aligned.append(
            TrendDay(
                day=day,
                orders=row.orders if row else 0 if known else None,
                gross=row.gross if row else Decimal() if known else None,
                net=net(day),
                compared_day=other,
                compared_net=net(other) if other is not None else None,
            )
        )
    return aligned


def shaded_days(period: Period, since: date | None, today: date) -> Period | None:
    """Return the days shaded as provisional; ``None`` also when that would be the whole picture."""
    days = provisional_days(period, since, today)
    return None if days == period or period.days <= _BARS_UP_TO_DAYS else days


def trend_figure(
    aligned: Sequence[TrendDay],
    period: Period,
    currency: str,
    today: date,
    scheme: Scheme,
    *,
    provisional_from: date | None = None,
    corrections: Mapping[date, Correction] | None = None,
) -> dict[str, Any]:
    """Return the figure: net as a line (bars for a few days), the compared period dashed, provisional days shaded.

    A day's label says whether it may still change, and how often its figures did since it was over.
    """
    palette = PALETTES[scheme]
    compare = any(row.compared_net is not None for row in aligned)
    bars = period.days <= _BARS_UP_TO_DAYS
    # A bar on a date axis is as wide as the gap to its neighbour, and a single one has none.
    x = [_day_name(row.day) if bars else row.day.isoformat() for row in aligned]
    net = [_number(row.net) for row in aligned]
    traces: list[dict[str, Any]] = []
    if compare:
        other = {"x": x, "y": [_number(row.compared_net) for row in aligned], "name": "Compared", "hoverinfo": "skip"}
        look: dict[str, Any] = {"type": "scatter", "mode": "lines"}
        look["line"] = {"color": palette.compared, "width": 1.5, "dash": "4px,4px"}
        if bars:
            look = {"type": "bar", "marker": {"color": palette.line_strong, "cornerradius": 4}}
        traces.append(other | look)
    net_trace = {"x": x, "y": net, "name": "Net revenue", "hoverinfo": "skip"}
    if bars:
        traces.append(net_trace | {"type": "bar", "marker": {"color": palette.accent, "cornerradius": 4}})
    else:
        traces.extend(_lines(net_trace, running=today == period.end, colour=palette.accent))
    # One unseen trace speaks for all the others: a single label per day, whatever is drawn.
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "x": x,
            "y": [0 if value is None else value for value in net],
            "marker": {"opacity": 0},
            "customdata": [_hover(row, currency, day_state(row.day, provisional_from, corrections)) for row in aligned],
            "hovertemplate": "%{customdata}<extra></extra>",
        }
    )
    layout = {
        "template": plotly_template(scheme),
        "margin": {"l": 48, "r": 12, "t": 12, "b": 32},
        "hovermode": "x",
        "hoverdistance": -1,
        "bargap": 0.86 - 0.1 * period.days,
        "bargroupgap": 0.08,
        # Zoom and hover survive a refresh of the same days.
        "uirevision": f"{period.start}:{period.end}",
        "xaxis": {"type": "category"} if bars else _x_axis(period, palette.line_strong),
        "yaxis": {"rangemode": "tozero", "nticks": 5, "tickformat": "~s", "tickprefix": formatting.symbol(currency)},
        "shapes": _provisional_shapes(shaded_days(period, provisional_from, today), period, palette.provisional),
    }
    return {"data": traces, "layout": layout}


def _lines(trace: dict[str, Any], *, running: bool, colour: str) -> list[dict[str, Any]]:
    """Return the line; the day that is not over yet hangs on it by a dotted piece: it will still rise."""
    x, y = trace["x"], trace["y"]
    solid = trace | {
        "type": "scatter",
        "mode": "lines",
        "y": [*y[:-1], None] if running else y,
        "line": {"color": colour, "width": 2.25},
        "fill": "tozeroy",
        "fillgradient": {"type": "vertical", "colorscale": [[0, _fade(colour, 0.0)], [1, _fade(colour, 0.16)]]},
    }
    if not running:
        return [solid]
    tail = trace | {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x[-2:],
        "y": y[-2:],
        "name": "Today so far",
        "line": {"color": colour, "width": 2.25, "dash": "2px,4px"},
        "marker": {"color": colour, "size": [0, 7], "opacity": 1},
    }
    return [solid, tail]


def day_state(
    day: date, provisional_from: date | None, corrections: Mapping[date, Correction] | None
) -> tuple[str, ...]:
    """Say whether ``day`` may still change and how often it did, in parts short enough for a label on a phone."""
    parts: list[str] = []
    if provisional_from is not None and day >= provisional_from:
        parts.append("Provisional")
    if corrections and (found := corrections.get(day)) is not None:
        parts += ["Corrected once" if found.times == 1 else f"Corrected {found.times} times"]
        parts += [f"last on {formatting.day(found.last_at.date())}"]
    return tuple(parts)


def _hover(row: TrendDay, currency: str, notes: Sequence[str]) -> str:
    lines = [f"<b>{row.day:%a} {formatting.day(row.day)}</b>"]
    if row.net is None:
        lines.append("No data")
    else:
        lines.append(f"Net  <b>{formatting.money(row.net, currency)}</b>")
        lines.append(f"Gross  {formatting.money(row.gross, currency)}")
        lines.append(f"Orders  {formatting.count(row.orders)}")
    if row.compared_day is not None and row.compared_net is not None:
        lines.append(f"{formatting.day(row.compared_day)}  {formatting.money(row.compared_net, currency)}")
    lines += [f"<i>{note}</i>" for note in notes]
    return "<br>".join(lines)


def _x_axis(period: Period, spike: str) -> dict[str, Any]:
    # Plotly would leave room for markers on both sides; a line needs only a little.
    edge = period.days * 0.006
    axis: dict[str, Any] = {
        "type": "date",
        "range": [_moment(period.start, -edge), _moment(period.end, edge)],
        "tickformat": "%-d %b",
        "nticks": 8,
        "showspikes": True,
        "spikemode": "across",
        "spikethickness": 1,
        "spikedash": "solid",
        "spikecolor": spike,
        "spikesnap": "data",
        "ticklabelstandoff": 6,
    }
    if period.days <= 7:
        axis |= {"tickmode": "array", "tickvals": [day.isoformat() for day in period.dates()]}
        axis["ticktext"] = [_day_name(day) for day in period.dates()]
    elif period.days > 370:
        axis["tickformat"] = "%b %Y"
    return axis


def _provisional_shapes(days: Period | None, period: Period, colour: str) -> list[dict[str, Any]]:
    if days is None:
        return []
    return [
        {
            "type": "rect",
            "layer": "below",
            "line": {"width": 0},
            "fillcolor": colour,
            "xref": "x",
            "x0": days.start.isoformat(),
            "x1": _moment(days.end, period.days),
            "yref": "paper",
            "y0": 0,
            "y1": 1,
        }
    ]


def _day_name(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


def _moment(day: date, shift_days: float) -> str:
    """Return the moment ``shift_days`` after midnight of ``day``: plotly draws a date at its midnight."""
    return (datetime.combine(day, time()) + timedelta(days=shift_days)).isoformat()


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _fade(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
