"""The marts beside the books: every column of every row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.truth.account import Books, Event, Rates
from tests.truth.kpis import KEYS, Table, kpis

_ABSENT: dict[str, Any] = {}


def differences(settings: Settings, events: Iterable[Event]) -> list[str]:
    """Return a line for each figure that a KPI mart tells otherwise than the books of ``events``.

    It names where, column, told and expected. The exchange rates are reference data of the shop, as published.
    A column that the books do not know is a difference too: whoever adds one says there what it must be.
    """
    found = []
    with connect(settings, Role.DASHBOARD) as connection:
        books = Books(events, settings.shop_tz, _rates(connection))
        for mart, expected in kpis(books).items():
            told, columns = _told(connection, mart)
            found += untold(mart, columns, expected) + compared(mart, told, expected)
    return found


def _rates(connection: psycopg.Connection[Any]) -> Rates:
    query = "select currency, rate_date, rate_to_base from marts.dim_exchange_rates order by rate_date"
    found: Rates = {}
    for currency, since, rate in connection.execute(query):
        found.setdefault(currency, []).append((since, rate))
    return found


def _told(connection: psycopg.Connection[Any], mart: str) -> tuple[Table, set[str]]:
    cursor = connection.cursor(row_factory=dict_row)
    rows = cursor.execute(f"select * from marts.{mart}").fetchall()  # a name of KEYS
    columns = {column.name for column in cursor.description or ()}
    told: Table = {}
    for row in rows:
        key = tuple(row.pop(name) for name in KEYS[mart])
        assert key not in told, f"{mart}: two rows of {key}"
        told[key] = row
    # A key has no meaning of its own, but each row has one.
    assert len({row.pop(f"{mart}_id") for row in told.values()}) == len(told), mart
    return told, columns - {f"{mart}_id", *KEYS[mart]}


def untold(mart: str, columns: set[str], expected: Table) -> list[str]:
    """Return a line for each column of the mart that the books do not know. They may know more."""
    known = set(next(iter(expected.values()), columns))
    return [f"{mart}.{name}: the books do not know it (tests/truth/kpis.py)" for name in sorted(columns - known)]


def compared(mart: str, told: Table, expected: Table) -> list[str]:
    """Return a line for each row that one side lacks and each figure that differs."""
    found = []
    for key in sorted(told.keys() | expected.keys(), key=str):
        place = f"{mart} {' '.join(map(str, key))}"
        if key not in expected or key not in told:
            one, other = told.get(key, _ABSENT), expected.get(key, _ABSENT)
            found.append(f"{place}: told {one or 'no row'}, expected {other or 'no row'}")
            continue
        for name in told[key].keys() & expected[key].keys():
            # As text: 5 and 5.00 are one number and two figures.
            if str(told[key][name]) != str(expected[key][name]):
                found.append(f"{place} {name}: told {told[key][name]}, expected {expected[key][name]}")
    return found
