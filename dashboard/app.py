"""Put the app together: settings in, a Dash app out; nothing happens at import."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dash import Dash
from flask import Flask, jsonify

from dashboard import document, export, shell
from dashboard.data.pool import Warehouse, WarehouseNotReadyError, WarehouseUnavailableError
from dashboard.data.reader import Reader
from dashboard.pages import PAGES
from shop_platform.settings import Settings


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class ShopDashboard(Dash):
    """The Dash app with what belongs to its life: the pool to close, the reader to ask."""

    warehouse: Warehouse
    reader: Reader


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> ShopDashboard:
    """Return the app; it connects with the first question, so the warehouse may come up later."""
    app = ShopDashboard(
        __name__,
        title="Shop Platform",
        update_title="",
        suppress_callback_exceptions=True,
        serve_locally=True,
        add_log_handler=False,
        meta_tags=[
            {"name": "viewport", "content": "width=device-width, initial-scale=1"},
            {"name": "robots", "content": "noindex"},
        ],
    )
    app.warehouse = Warehouse(settings)
    app.reader = Reader(app.warehouse, ZoneInfo(settings.shop_tz), clock)
    app.index_string = document.index_string(app.get_asset_url("logo.svg"))
    app.layout = lambda: shell.layout(app, settings)
    shell.register(app, app.reader, settings)
    _register_health(app.server, app.reader)
    export.register(app.server, app.reader)
    document.secure(app)
    return app


def warm_up(app: ShopDashboard) -> None:
    """Answer the first questions to ourselves: a cold app may fail a burst of first readers (Dash issue 3971)."""
    client = app.server.test_client()
    for path in ("/healthz", "/", "/_dash-layout", "/_dash-dependencies"):
        client.get(path)
    for page in PAGES:
        page.layout(app.reader)


def _register_health(server: Flask, reader: Reader) -> None:
    @server.get("/healthz")
    def _health() -> tuple[Any, int]:
        try:
            reader.ping()
        except (WarehouseNotReadyError, WarehouseUnavailableError) as error:
            return jsonify(status="unavailable", warehouse=str(error)), 503
        return jsonify(status="ok", warehouse="ok"), 200
