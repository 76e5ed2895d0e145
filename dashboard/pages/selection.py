"""The controls and the URL, kept the same in both directions; the line that says in words what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, ctx, html, no_update

from dashboard import formatting, ids
from dashboard.components.badge import chip
from dashboard.data.periods import (
    Comparison,
    Preset,
    Selection,
    decode,
    encode,
    parse_custom,
    provisional_days,
)
from dashboard.data.pool import WarehouseNotReadyError, WarehouseUnavailableError
from dashboard.data.reader import Reader, Scope


def register_selection(app: Dash, reader: Reader) -> None:
    """Register both callbacks. One callback owns URL and controls: two would chase each other in a circle."""

    @app.callback(
        Output(ids.SELECTION_URL, "search"),
        Output(ids.PRESET, "value"),
        Output(ids.RANGE, "value"),
        Output(ids.COMPARISON, "value"),
        Output(ids.CURRENCY, "value"),
        Input(ids.SELECTION_URL, "search"),
        Input(ids.PRESET, "value"),
        Input(ids.RANGE, "value"),
        Input(ids.COMPARISON, "value"),
        Input(ids.CURRENCY, "value"),
    )
    def _synchronise(
        search: str | None, preset: str, days: list[str | None] | None, comparison: str, currency: str | None
    ) -> tuple[Any, ...]:
        before = decode(search)
        today = reader.today()
        main = _main_currency(reader)
        after: Selection | None = before
        if ctx.triggered_id in {ids.PRESET, ids.RANGE, ids.COMPARISON, ids.CURRENCY}:
            after = from_controls(
                preset, days, comparison, None if currency == main else currency, by_range=ctx.triggered_id == ids.RANGE
            )
            if after is None or (ctx.triggered_id == ids.RANGE and after.period(today) == before.period(today)):
                # Half a choice (the first of two clicks), or the very days of the preset.
                return (no_update,) * 5
        assert after is not None
        period = after.period(today)
        return (
            no_update if after == before else encode(after),
            after.preset.value,
            [period.start.isoformat(), period.end.isoformat()],
            after.comparison.value,
            after.currency or main,
        )

    @app.callback(
        Output(ids.SUMMARY, "children"),
        Output(ids.CURRENCY, "data"),
        Output(ids.CURRENCY_FIELD, "hidden"),
        Input(ids.SELECTION_URL, "search"),
        Input(ids.DATA_TOKEN, "data"),
    )
    def _summarise(search: str | None, _token: Any) -> tuple[Any, Any, bool]:
        selection = decode(search)
        try:
            scope = reader.scope(selection)
        except (WarehouseNotReadyError, WarehouseUnavailableError):
            scope = None
        currencies = scope.coverage.currencies if scope is not None else ()
        return summary(selection, scope, reader), list(currencies), len(currencies) < 2


def from_controls(
    preset: str, days: Sequence[str | None] | None, comparison: str, currency: str | None, *, by_range: bool
) -> Selection | None:
    """Return what the controls say together, ``None`` while the calendar holds half a choice.

    The controls and not the URL are asked: it follows them one answer later, and a second click must not undo the
    first. ``by_range`` says that the calendar was the one that changed, so that its days count whatever the preset.
    """
    start, end = (days or (None, None))[:2]
    shown = parse_custom(start, end)
    if by_range and shown is None:
        return None
    custom = shown if by_range or preset == Preset.CUSTOM else None
    kind = Preset(preset) if custom is None and preset != Preset.CUSTOM else Preset.CUSTOM
    if kind is Preset.CUSTOM and custom is None:
        kind = Selection().preset
    return Selection(kind, custom, Comparison(comparison), currency)


def _main_currency(reader: Reader) -> str | None:
    try:
        coverage = reader.coverage()
    except (WarehouseNotReadyError, WarehouseUnavailableError):
        return None
    return coverage.currencies[0] if coverage is not None else None


def summary(selection: Selection, scope: Scope | None, reader: Reader) -> list[object]:
    """Return the days shown, the days compared with, and what the reader should know about them."""
    today = reader.today()
    period = selection.period(today)
    parts: list[object] = [html.Span(formatting.period(period), className="page__period")]
    if scope is not None and scope.compared is not None:
        parts.append(html.Span(f"compared with {formatting.period(scope.compared)}"))
    elif scope is not None and scope.comparison_begins_too_early:
        first = formatting.day(scope.coverage.first_day)
        parts.append(
            chip(
                "No comparison",
                f"The period before is not covered: the data begins on {first}.",
                icon_name="info",
            )
        )
    since = scope.coverage.provisional_from if scope is not None else None
    provisional = provisional_days(period, since, today)
    if provisional is not None:
        running = "Today is not over yet. " if provisional.end == today else ""
        parts.append(
            chip(
                f"Provisional from {provisional.start.day} {provisional.start:%b}",
                f"{running}Events may arrive late, and cancellations and refunds follow: these days can still change.",
            )
        )
    return parts
