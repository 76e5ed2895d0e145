"""Serve the dashboard: ``python -m dashboard.serve``. One gunicorn worker with threads, stopped by SIGTERM."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from shop_platform.errors import ShopError
from shop_platform.settings import Settings, load


class DashboardServer(BaseApplication):  # type: ignore[misc]
    """Gunicorn without its command line; the app is built in the worker, so that no connection crosses a fork."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app: Any = None
        super().__init__()

    def load_config(self) -> None:
        """Set what gunicorn should do."""
        options: dict[str, Any] = {
            "bind": f"{self._settings.dashboard_host}:{self._settings.dashboard_port}",
            "worker_class": "gthread",
            "workers": 1,
            "threads": 4,
            # With gunicorn's two seconds a browser reuses connections that are just being closed.
            "keepalive": 75,
            "timeout": 60,
            "graceful_timeout": 1,
            "loglevel": "warning",
            "proc_name": "shop-dashboard",
            # It would put a socket into the home folder.
            "control_socket_disable": True,
            "post_worker_init": self._warm_up,
            "worker_exit": self._close,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application (called in the worker)."""
        from dashboard.app import create_app

        self._app = create_app(self._settings)
        return self._app.server

    def _warm_up(self, _worker: Any) -> None:
        from dashboard.app import warm_up

        warm_up(self._app)

    def _close(self, _server: Any, _worker: Any) -> None:
        if self._app is not None:
            self._app.warehouse.close()
        logging.shutdown()
        # Nothing is left to do, and taking plotly's and Dash's many objects apart would take the interpreter a second.
        os._exit(0)


def main() -> int:
    """Serve until told to stop; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The pool reports every failed attempt; during an outage the page and /healthz say so already.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        settings = load()
    except ShopError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    DashboardServer(settings).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
