"""Which groups and events a file has had so far, on disk, so that memory does not grow with the file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from typing import NamedTuple, Self


class Seen:
    """A temporary database that the system removes with the process. Use as a context manager."""

    def __init__(self) -> None:
        # An empty name: SQLite keeps it in a file of its own below TMPDIR once it outgrows the cache.
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            "pragma journal_mode = off",
            "pragma synchronous = off",
            "pragma cache_size = -16000",
            "create table event (id blob primary key, digest blob not null, row integer not null) without rowid",
            "create table grp (key text primary key, number int, row int, rows int, events text) without rowid",
            "begin",
        ):
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def event(self, event_id: str, value: bytes, row: int) -> Earlier | None:
        """Note an event; return the earlier one with this id, if there was one."""
        key, digest = bytes.fromhex(event_id.replace("-", "")), hashlib.sha256(value).digest()[:16]
        if self._db.execute("insert or ignore into event values (?, ?, ?)", (key, digest, row)).rowcount:
            return None
        before, earlier_row = self._db.execute("select digest, row from event where id = ?", (key,)).fetchone()
        return Earlier(earlier_row, before == digest)

    def group(self, key: str) -> Group | None:
        """Return the earlier group with this key, if there was one."""
        found = self._db.execute("select number, row, rows, events from grp where key = ?", (key,)).fetchone()
        if found is None:
            return None
        number, row, rows, events = found
        return Group(number, row, rows, Counter(json.loads(events)))

    def note_group(self, key: str, group: Group) -> None:
        """Note a group; the first one with its key stays."""
        self._db.execute(
            "insert or ignore into grp values (?, ?, ?, ?, ?)",
            (key, group.number, group.row, group.rows, json.dumps(group.events)),
        )


class Group(NamedTuple):
    """An entity of several rows: its number, its first row, how many rows and which events it has."""

    number: int
    row: int
    rows: int
    events: Counter[str]


class Earlier(NamedTuple):
    """Where an event was seen before, and whether it said the same."""

    row: int
    same: bool
