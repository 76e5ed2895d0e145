"""Which entities and events a file has had so far, on disk, so that memory does not grow with the file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from array import array
from collections import Counter
from functools import cache
from typing import NamedTuple, Self

import msgspec

from shop_platform.events.registry import EVENT_TYPES
from shop_platform.importing.build import Outgoing
from shop_platform.importing.ids import KEY_FIELDS

# Of one customer, product or payment these may be told many times, at different times; everything else is told once.
_OFTEN = frozenset(
    f"shop.{name}.v1"
    for name in ("customer.updated", "product.updated", "product.price_changed", "order.payment_failed")
)


class Seen:
    """A temporary database that the system removes with the process. Use as a context manager."""

    def __init__(self) -> None:
        # An empty name: SQLite keeps it in a file of its own below TMPDIR once it outgrows the cache.
        self._db = sqlite3.connect("", isolation_level=None)
        for statement in (
            "pragma journal_mode = off",
            "pragma synchronous = off",
            "pragma cache_size = -16000",
            "create table event (key blob primary key, digest blob, fields blob, row int, entity int) without rowid",
            "create table entity (number integer primary key, row int, rows int, events text, notes text)",
            "create table grp (key text primary key, number int) without rowid",
            "begin",
        ):
            self._db.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def event(self, event: Outgoing, entity: int) -> Earlier | None:
        """Note an event; return the earlier one about the same thing, if there was one."""
        key, digest, fields = _key(event), hashlib.sha256(event.value).digest()[:16], _fields(event)
        values = (key, digest, fields.tobytes(), event.row, entity)
        if self._db.execute("insert or ignore into event values (?, ?, ?, ?, ?)", values).rowcount:
            return None
        before, was, row, number = self._db.execute(
            "select digest, fields, row, entity from event where key = ?", (key,)
        ).fetchone()
        if before == digest:
            return Earlier(row, number, ())
        told = zip(_names(event.event_type), array("I", was), fields, strict=True)
        return Earlier(row, number, tuple(name for name, one, other in told if one != other) or ("data",))

    def group(self, key: str) -> Noted | None:
        """Return the earlier entity of the group with this key, if there was one."""
        found = self._db.execute("select number from grp where key = ?", (key,)).fetchone()
        return None if found is None else self.noted(found[0])

    def noted(self, number: int) -> Noted:
        """Return an entity that was noted."""
        row, rows, *counts = self._db.execute(
            "select row, rows, events, notes from entity where number = ?", (number,)
        ).fetchone()
        return Noted(number, row, rows, *(Counter(json.loads(each)) for each in counts))

    def note(self, noted: Noted, key: str | None) -> None:
        """Note an entity, and the key of its group; the first one with its key stays."""
        counts = json.dumps(noted.events), json.dumps(noted.notes)
        self._db.execute("insert into entity values (?, ?, ?, ?, ?)", (noted.number, noted.row, noted.rows, *counts))
        if key:
            self._db.execute("insert or ignore into grp values (?, ?)", (key, noted.number))


class Noted(NamedTuple):
    """An entity: its number, its first row, how many rows, which events and which notes it has."""

    number: int
    row: int
    rows: int
    events: Counter[str]
    notes: Counter[str]


class Earlier(NamedTuple):
    """Where an event about the same thing was seen before, in which entity, and which fields differ."""

    row: int
    entity: int
    differs: tuple[str, ...]


def thing_of(event: Outgoing) -> str:
    """Return what an event tells of, in words: ``order 'o-1'``."""
    return f"{KEY_FIELDS[event.event_type].removesuffix('_id')} '{event.thing}'"


def _key(event: Outgoing) -> bytes:
    """Return what may be told once: the type and its business id, or the very event where a thing is told often."""
    if event.event_type in _OFTEN:
        return bytes.fromhex(event.event_id.replace("-", ""))
    return hashlib.sha256(msgspec.json.encode([event.event_type, event.thing])).digest()[:16]


@cache
def _names(event_type: str) -> tuple[str, ...]:
    return ("time", *EVENT_TYPES[event_type].payload.__struct_fields__)


def _fields(event: Outgoing) -> array[int]:
    """Return a checksum of each field, so that a contradiction can be told by name; 0 for a field that is not there."""
    data = msgspec.json.decode(event.value, type=_Envelope).data
    told = (bytes(data.get(name, b"")) for name in _names(event.event_type)[1:])
    return array("I", [zlib.crc32(event.event_time.encode()), *map(zlib.crc32, told)])


class _Envelope(msgspec.Struct):
    data: dict[str, msgspec.Raw]
