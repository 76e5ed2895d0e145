"""Committed consumer offsets, durable in an SQLite file; rows are bound to the topic id, not to its name."""

import sqlite3
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .errors import StartError


class Committed(NamedTuple):
    """One committed position: the next offset to read, the leader epoch of the client and its free text."""

    offset: int
    leader_epoch: int
    metadata: str


_SCHEMA = """
CREATE TABLE IF NOT EXISTS committed (
    group_id TEXT NOT NULL, topic_id TEXT NOT NULL, partition INTEGER NOT NULL,
    position INTEGER NOT NULL, leader_epoch INTEGER NOT NULL, metadata TEXT NOT NULL,
    PRIMARY KEY (group_id, topic_id, partition)
) WITHOUT ROWID
"""
_UPSERT = "INSERT OR REPLACE INTO committed VALUES (?, ?, ?, ?, ?, ?)"


class OffsetStore:
    """Offsets by group, topic id and partition; every method is one durable transaction and thread-safe.

    Methods that write raise sqlite3.Error when the disk refuses; nothing has changed then.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise StartError(f"the committed offsets in {path} cannot be opened: {error}") from error

    def commit(self, group: str, positions: Iterable[tuple[uuid.UUID, int, Committed]]) -> None:
        """Store positions of `(topic id, partition, position)`, all or none."""
        rows = [(group, str(topic), partition, *position) for topic, partition, position in positions]
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_UPSERT, rows)

    def of_group(self, group: str) -> dict[tuple[uuid.UUID, int], Committed]:
        """All positions of a group."""
        query = "SELECT topic_id, partition, position, leader_epoch, metadata FROM committed WHERE group_id = ?"
        with self._lock:
            rows = self._db.execute(query, (group,)).fetchall()
        return {(uuid.UUID(topic), p): Committed(at, epoch, text) for topic, p, at, epoch, text in rows}

    def groups(self) -> list[str]:
        """The groups that have committed anything."""
        with self._lock:
            return [row[0] for row in self._db.execute("SELECT DISTINCT group_id FROM committed")]

    def forget_group(self, group: str) -> bool:
        """Delete a group's positions; whether there were any."""
        with self._lock:
            return self._db.execute("DELETE FROM committed WHERE group_id = ?", (group,)).rowcount > 0

    def forget_topic(self, topic_id: uuid.UUID) -> None:
        """Delete every group's positions in a topic that is gone."""
        with self._lock:
            self._db.execute("DELETE FROM committed WHERE topic_id = ?", (str(topic_id),))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()
