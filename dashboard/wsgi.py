"""The WSGI entry point: ``gunicorn dashboard.wsgi:server``."""

from __future__ import annotations

from dashboard.app import create_app
from shop_platform.settings import get_settings

app = create_app(get_settings())
server = app.server
