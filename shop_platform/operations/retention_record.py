"""What retention did to one table, and the line about it in ``ops.retention_runs``."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

import psycopg

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Removal:
    """Rows of ``relation`` older than ``older_than`` that went; ``note`` says what is to be known about it.

    ``blocked``: something is due, and the note says what stands in the way. ``detail`` holds partitions, bytes and
    rows that stayed, of a raw table.
    """

    relation: str
    older_than: dt.datetime | None
    rows: int = 0
    note: str = ""
    blocked: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


def record(connection: Connection, removal: Removal, actor: str) -> None:
    """Write ``removal`` down, in the transaction that carries it out."""
    connection.execute(
        "insert into ops.retention_runs (relation, older_than, rows_removed, detail, actor)"
        " values (%s, %s, %s, %s, %s)",
        [removal.relation, removal.older_than, removal.rows, json.dumps(removal.detail), actor],
    )


def removed_until(connection: Connection, relation: str) -> dt.datetime | None:
    """Return the instant before which retention has removed everything from ``relation``; ``None``: nothing."""
    row = connection.execute(
        "select max(older_than) from ops.retention_runs where relation = %s", [relation]
    ).fetchone()
    found: dt.datetime | None = row[0] if row else None
    return found
