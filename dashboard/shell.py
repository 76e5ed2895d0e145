"""What surrounds every page: head, notice, routing, the tick that looks for new data."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html, no_update

from dashboard import formatting, ids, theme
from dashboard.components import freshness
from dashboard.components.attributes import attributes
from dashboard.components.header import header, navigation
from dashboard.components.icon import icon
from dashboard.data.freshness import Freshness, Health, judge
from dashboard.data.pool import WarehouseNotReadyError, WarehouseUnavailableError
from dashboard.data.reader import Reader
from dashboard.pages import PAGES
from shop_platform.settings import Settings


def layout(app: Dash, settings: Settings) -> dmc.MantineProvider:
    """Return the shell; the page goes into ``ids.PAGE``."""
    return dmc.MantineProvider(
        [
            dcc.Location(id=ids.URL, refresh="callback-nav"),
            dcc.Interval(id=ids.TICK, interval=settings.dashboard_refresh_seconds * 1000),
            # What the page shows: the data version, and how often the connection had to be found again.
            dcc.Store(id=ids.DATA_TOKEN),
            dcc.Store(id=ids.CONNECTION, data={"lost_since": None}),
            dcc.Store(id=ids.SCHEME),
            header(settings, app.get_asset_url("logo.svg")),
            html.Div(id=ids.NOTICE, className="notices", **attributes(aria_live="polite")),
            html.Main(id=ids.PAGE, tabIndex=-1),
        ],
        theme=theme.MANTINE,
        defaultColorScheme="auto",
    )


def register(app: Dash, reader: Reader, settings: Settings) -> None:
    """Register the shell's callbacks and those of every page."""

    @app.callback(Output(ids.PAGE, "children"), Input(ids.URL, "pathname"))
    def _route(pathname: str | None) -> Any:
        for page in PAGES:
            if page.path == (pathname or "/"):
                return page.layout(reader)
        return _not_found()

    @app.callback(Output(ids.NAVIGATION, "children"), Input(ids.URL, "pathname"), Input(ids.URL, "search"))
    def _navigate(pathname: str | None, search: str | None) -> Any:
        return navigation([(page.path, page.title) for page in PAGES], pathname or "/", search or "")

    @app.callback(
        Output(ids.DATA_TOKEN, "data"),
        Output(ids.CONNECTION, "data"),
        Output(ids.FRESHNESS_LABEL, "children"),
        Output(ids.FRESHNESS_DETAIL, "children"),
        Output(ids.NOTICE, "children"),
        Input(ids.TICK, "n_intervals"),
        State(ids.DATA_TOKEN, "data"),
        State(ids.CONNECTION, "data"),
    )
    def _look_for_new_data(
        _ticks: int | None, token: dict[str, Any] | None, connection: dict[str, Any]
    ) -> tuple[Any, ...]:
        """Only a new version, or a connection found again, makes the cards draw themselves anew."""
        now = reader.now()
        lost_since = connection["lost_since"]
        attempt = token["attempt"] if token else 0
        try:
            version: str | None = reader.version()
            subjects = reader.freshness()
            reconciled = reader.reconciled()
        except WarehouseNotReadyError:
            version, subjects, reconciled = None, [], None
        except WarehouseUnavailableError:
            since = lost_since or f"{now:%H:%M:%S}"
            # The first answer must come even without a connection: the cards wait for it.
            first = {"version": None, "attempt": attempt} if token is None else no_update
            return first, {"lost_since": since}, freshness.lost_label(), _lost_detail(), _lost_notice(since)
        after = {"version": version, "attempt": attempt + (lost_since is not None)}
        judged = judge(subjects, now)
        return (
            no_update if after == token else after,
            {"lost_since": None} if lost_since else no_update,
            freshness.label(judged, now),
            freshness.detail(judged, subjects, reconciled, now, settings.dagster_url),
            _stale_notice(judged),
        )

    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("shop", "chooseScheme"),
        Output(ids.SCHEME, "data"),
        Output(ids.SCHEME_CHOICE, "value"),
        Input(ids.SCHEME_CHOICE, "value"),
    )
    for page in PAGES:
        page.register(app, reader)


def _lost_detail() -> html.P:
    return html.P("The warehouse does not answer. The dashboard keeps trying.", className="freshness__text")


def _lost_notice(since: str) -> html.Div:
    return _notice(
        "error",
        "unplugged",
        f"The warehouse has not answered since {since}. Numbers on this page are from before; "
        "they come back to life by themselves.",
    )


def _stale_notice(judged: Freshness) -> Any:
    if judged.health is not Health.BAD:
        return []
    return _notice(
        "stale",
        "clock",
        f"The newest event is {formatting.age(judged.lag_seconds)} old. Collection or transformation may stand still: "
        "what happened since is missing here.",
    )


def _notice(kind: str, icon_name: str, text: str) -> html.Div:
    return html.Div([icon(icon_name), html.Span(text)], className=f"notice notice--{kind}", role="status")


def _not_found() -> html.Div:
    return html.Div(
        [
            html.H1("There is no such page", className="page__title"),
            html.P(["Go to ", dcc.Link("Overview", href="/", className="link"), "."]),
        ],
        className="page",
    )
