"""Overview: eight KPIs, the revenue trend, the split by channel and by category."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, cast

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from dashboard import formatting, ids
from dashboard.components import states
from dashboard.components.attributes import attributes
from dashboard.components.badge import change_badge
from dashboard.components.bar_list import bar_list, share, split_change, title_of
from dashboard.components.card import TABLE, card, graph, guarded, table
from dashboard.components.filters import filters
from dashboard.components.kpi_card import kpi_card, kpi_skeleton
from dashboard.data import kpis
from dashboard.data.periods import Period, decode, encode, provisional_days
from dashboard.data.reader import SPARKLINE_DAYS, Reader, Scope
from dashboard.data.rows import Correction, Day, SplitRow
from dashboard.figures.trend import TrendDay, align, day_state, shaded_days, trend_figure
from dashboard.pages.page import Page
from dashboard.pages.selection import register_selection
from dashboard.theme import Scheme

_NO_MARTS = "The marts are empty. Numbers appear here with the first transformed events."


def layout(reader: Reader) -> Component:
    """Return the page with every card at its final size and nothing in it."""
    return html.Div(
        [
            # The page has its own view of the URL: a callback may not mix elements of the page with the shell's.
            dcc.Location(id=ids.SELECTION_URL, refresh="callback-nav"),
            html.Div(
                [
                    html.Div(
                        [
                            html.H1("Overview", className="page__title"),
                            html.Div(states.skeleton(1), id=ids.SUMMARY, className="page__summary"),
                        ]
                    ),
                    filters(reader.today()),
                ],
                className="page__head",
            ),
            html.Section(
                [kpi_skeleton(kpi) for kpi in kpis.KPIS],
                id=ids.KPIS,
                className="kpis",
                **attributes(aria_label="Key figures"),
            ),
            card(ids.TREND, "Net revenue by day", "Gross sales minus discounts and refunds", size="trend"),
            html.Div(
                [
                    card(ids.CHANNELS, "Net revenue by channel", "Where the order came from", size="list"),
                    card(ids.CATEGORIES, "Net revenue by category", "What was bought", size="list"),
                ],
                className="pair",
            ),
        ],
        className="page",
    )


def register(app: Dash, reader: Reader) -> None:
    """Register the page's callbacks: one per card, so that each fails and recovers on its own."""
    register_selection(app, reader)
    token = Input(ids.DATA_TOKEN, "data")
    search = Input(ids.SELECTION_URL, "search")

    @app.callback(Output(ids.KPIS, "children"), token, search)
    def _kpis(_token: Any, query: str | None) -> Any:
        return guarded(lambda: _draw(reader, query, lambda scope: _kpi_cards(reader, scope)))

    @app.callback(
        Output(ids.body(ids.TREND), "children"),
        token,
        search,
        Input(ids.view(ids.TREND), "value"),
        Input(ids.SCHEME, "data"),
    )
    def _trend(_token: Any, query: str | None, view: str, scheme: str | None) -> Any:
        if scheme is None:
            raise PreventUpdate
        shown = cast(Scheme, scheme)
        return guarded(lambda: _draw(reader, query, lambda scope: _trend_body(reader, scope, view, shown)))

    @app.callback(Output(ids.body(ids.CHANNELS), "children"), token, search, Input(ids.view(ids.CHANNELS), "value"))
    def _channels(_token: Any, query: str | None, view: str) -> Any:
        return guarded(
            lambda: _draw(
                reader,
                query,
                lambda scope: _split_body(reader.channels(scope), scope, view, "channel", "Orders"),
            )
        )

    @app.callback(Output(ids.body(ids.CATEGORIES), "children"), token, search, Input(ids.view(ids.CATEGORIES), "value"))
    def _categories(_token: Any, query: str | None, view: str) -> Any:
        return guarded(
            lambda: _draw(
                reader,
                query,
                lambda scope: _split_body(reader.categories(scope), scope, view, "category", "Units"),
            )
        )

    for name in (ids.TREND, ids.CHANNELS, ids.CATEGORIES):

        @app.callback(Output(ids.download(name), "href"), search, State(ids.download(name), "href"))
        def _download(query: str | None, href: str) -> str:
            return href.partition("?")[0] + encode(decode(query))


def _draw(reader: Reader, query: str | None, body: Callable[[Scope], Any]) -> Any:
    scope = reader.scope(decode(query))
    return states.waiting(_NO_MARTS) if scope is None else body(scope)


def _nothing(scope: Scope) -> Component:
    have = Period(scope.coverage.first_day, scope.coverage.last_day)
    return states.empty(f"There is data for {formatting.period(have)}.")


def _kpi_cards(reader: Reader, scope: Scope) -> list[Component]:
    course_from = min(scope.period.start, Period.ending(scope.period.end, SPARKLINE_DAYS).start)
    results = kpis.evaluate(reader.days(scope), scope.period, scope.compared, course_from=course_from)
    provisional = provisional_days(scope.period, scope.coverage.provisional_from, scope.today)
    note = ""
    if provisional is not None:
        which = "a provisional day" if provisional.days == 1 else f"{provisional.days} provisional days"
        note = f"Includes {which}: the figure may still change."
    return [kpi_card(result, scope.currency, compared=scope.compared is not None, note=note) for result in results]


def _trend_body(reader: Reader, scope: Scope, view: str, scheme: Scheme) -> Component:
    days = reader.days(scope)
    if not any(row.day in scope.period for row in days):
        return _nothing(scope)
    aligned = align(days, scope.period, scope.compared, scope.coverage, scope.today)
    caption = f"Net revenue by day, {formatting.period(scope.period)}"
    corrections = reader.corrections(scope)
    if view == TABLE:
        return _trend_table(aligned, scope, caption, corrections)
    figure = trend_figure(
        aligned,
        scope.period,
        scope.currency,
        scope.today,
        scheme,
        provisional_from=scope.coverage.provisional_from,
        corrections=corrections,
    )
    description = f"{caption}. The same as a table: switch to Table above."
    return html.Div([_legend(days, scope), graph(ids.TREND_GRAPH, figure, description)], className="stack")


def _legend(days: Sequence[Day], scope: Scope) -> Component:
    def item(period: Period, modifier: str) -> Component:
        net = kpis.total(row for row in days if row.day in period).net
        return html.Li(
            [
                html.Span(className=f"legend__key {modifier}", **attributes(aria_hidden="true")),
                html.Span([formatting.period(period), " ", html.Strong(formatting.money(net, scope.currency))]),
            ],
            className="legend__item",
        )

    items = [item(scope.period, "legend__key--shown")]
    if scope.compared is not None:
        items.append(item(scope.compared, "legend__key--compared"))
    if shaded_days(scope.period, scope.coverage.provisional_from, scope.today) is not None:
        key = html.Span(className="legend__key legend__key--provisional", **attributes(aria_hidden="true"))
        items.append(html.Li([key, "may still change"], className="legend__item"))
    return html.Ul(items, className="legend")


def _trend_table(
    aligned: Sequence[TrendDay], scope: Scope, caption: str, corrections: Mapping[date, Correction]
) -> Component:
    head = ["Day", "Net revenue", "Gross sales", "Orders"]
    if scope.compared is not None:
        head += ["Compared day", "Its net revenue"]
    rows = []
    for row in reversed(aligned):
        cells = [
            formatting.day(row.day),
            formatting.money(row.net, scope.currency, decimals=2),
            formatting.money(row.gross, scope.currency, decimals=2),
            formatting.count(row.orders),
        ]
        if row.compared_day is not None:
            cells += [
                formatting.day(row.compared_day),
                formatting.money(row.compared_net, scope.currency, decimals=2),
            ]
        state = day_state(row.day, scope.coverage.provisional_from, corrections)
        cells.append(", ".join(state) or "Final")
        rows.append(cells)
    return table(caption, [*head, "State"], rows)


def _split_body(rows: list[SplitRow], scope: Scope, view: str, part: str, volume: str) -> Component:
    if not any(row.net or row.volume for row in rows):
        return _nothing(scope)
    caption = f"Net revenue by {part}, {formatting.period(scope.period)}"
    compared = scope.compared is not None
    if view != TABLE:
        return bar_list(rows, scope.currency, compared=compared, label=caption)
    head = [part.capitalize(), volume, "Gross", "Discounts", "Refunds", "Net", "Share"]
    if compared:
        head += ["Before", "Change"]
    body: list[list[Any]] = []
    for row in rows:
        amounts = [row.gross, row.discount, row.refund, row.net]
        cells: list[Any] = [title_of(row.name), formatting.count(row.volume)]
        cells += [formatting.money(amount, scope.currency, decimals=2) for amount in amounts]
        cells.append(formatting.rate(share(row, rows)))
        if compared:
            cells.append(formatting.money(row.previous_net, scope.currency, decimals=2))
            cells.append(change_badge(split_change(row)))
        body.append(cells)
    return table(caption, head, body)


PAGE = Page("/", "Overview", layout, register)
