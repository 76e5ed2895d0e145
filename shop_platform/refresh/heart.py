"""A heartbeat beside the work: a build may take minutes, a frozen process sends none."""

from __future__ import annotations

import threading
import time

import psycopg

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_EVERY_SECONDS = 5.0
# A loop that has not come round for so long is stuck, whatever the rest of its process does.
_STUCK_SECONDS = 1800.0


class Heart:
    """Sends the heartbeat of the refresher ``name`` every five seconds, in a thread with its own connection."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._ticked_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refresher-heart", daemon=True)

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def tick(self) -> None:
        """Say that the loop came round."""
        self._ticked_at = time.monotonic()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_SECONDS):
            try:
                with connect(self._settings, Role.ORCHESTRATOR, autocommit=True) as connection:
                    self._beat(connection)
            except (psycopg.Error, ShopError):
                continue  # the loop says that the warehouse is away

    def _beat(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        while not self._stop.is_set():
            if time.monotonic() - self._ticked_at < _STUCK_SECONDS:
                connection.execute(
                    "update ops.refreshers set heartbeat_at = clock_timestamp() where refresher = %s", [self._name]
                )
            self._stop.wait(_EVERY_SECONDS)
