"""What the warehouse says of refreshers: is one alive, and how did the last attempt at each hot model end?"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

CHECK = "refresher_builds_it"
"""The asset check by which a hot model says whether its last build went well."""

# A refresher shows itself every few seconds, whatever it does (heart.py).
ALIVE_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Attempt:
    """The last attempt at one model; ``failures`` in a row, 0 after a success."""

    failures: int
    error: str | None


def attempts(settings: Settings) -> dict[str, Attempt]:
    """Return the last attempt at every model (``schema.table``) that a refresher ever tried."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute("select model, failures, error from ops.hot_models").fetchall()
    return {
        str(model): Attempt(int(str(failures)), None if error is None else str(error))
        for model, failures, error in rows
    }


def alive_processes(settings: Settings) -> set[int]:
    """Return the processes of this host that are a refresher and have shown a sign of life lately."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        rows = connection.execute(
            "select refresher from ops.refreshers where heartbeat_at > clock_timestamp() - make_interval(secs => %s)",
            [ALIVE_WITHIN_SECONDS],
        ).fetchall()
    named = [str(name).rsplit("/", 2) for (name,) in rows]
    return {int(pid) for host, pid, _ in named if host == socket.gethostname()}


def alive(settings: Settings) -> bool:
    """Return whether a refresher has shown a sign of life lately."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        row = connection.execute(
            "select exists (select 1 from ops.refreshers"
            " where heartbeat_at > clock_timestamp() - make_interval(secs => %s))",
            [ALIVE_WITHIN_SECONDS],
        ).fetchone()
    return bool(row and row[0])
