"""``ops.service_events``: starts and ends of long-running processes, by which one that keeps ending is known."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from shop_platform.children import SUPERVISED_VARIABLE
from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

STARTED, ENDED, FROZEN = "started", "ended", "frozen"


@dataclass(frozen=True)
class ServiceEvent:
    """What happened to ``service``: :data:`STARTED`, :data:`ENDED` or :data:`FROZEN`."""

    service: str
    happened: str
    detail: str = ""
    process: str = ""
    """Which of several processes of the service it was."""
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


def record(settings: Settings, role: Role, events: Sequence[ServiceEvent]) -> None:
    """Write ``events`` down; raises :class:`ShopError` or ``psycopg.Error`` when the warehouse is away."""
    with connect(settings, role) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.service_events (service, happened, detail, process, at) values (%s, %s, %s, %s, %s)",
            [[event.service, event.happened, event.detail, event.process, event.at] for event in events],
        )


class Events:
    """What happened to the children of a supervisor: kept while the warehouse is away, PostgreSQL being one of them."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self._settings, self._role = settings, role
        self._pending: deque[ServiceEvent] = deque(maxlen=1000)

    def add(self, *events: ServiceEvent) -> None:
        """Keep ``events`` and write down what is kept, if that is possible now."""
        self._pending.extend(events)
        if not self._pending:
            return
        try:
            record(self._settings, self._role, list(self._pending))
        except (psycopg.Error, ShopError):
            return
        self._pending.clear()


class Start:
    """The start of this process, written down once; a process under our supervisor leaves it to that one."""

    def __init__(self, settings: Settings, role: Role, service: str) -> None:
        self._settings, self._role = settings, role
        self._event: ServiceEvent | None = ServiceEvent(service, STARTED, process=socket.gethostname())
        if os.environ.get(SUPERVISED_VARIABLE):
            self._event = None

    def record(self) -> None:
        """Write it down if that was not done yet; raises what :func:`record` raises."""
        if self._event is not None:
            record(self._settings, self._role, [self._event])
            self._event = None
