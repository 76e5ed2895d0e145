"""Every query of every board and alert, run as Grafana's role on a real warehouse."""

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

import psycopg
import pytest

from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.grafana import operations
from tests.grafana.documents import BOARDS, Found, every_query
from tests.grafana.macros import Range, expand

QUERIES = [pytest.param(each, id=each.where) for each in every_query()]
RANGES = {"1 hour": (1 / 24, "1m"), "1 day": (1, "5m"), "90 days": (90, "6h")}
_NUMBERS = (int, float, Decimal)
Connection = psycopg.Connection[tuple[object, ...]]


def _range(query: Found, days: float, interval: str) -> Range:
    """Return the range as Grafana hands it to this query: an alert has its own, a day chart no shorter interval."""
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    length = dt.timedelta(seconds=query.range_seconds) if query.kind == "alert" else dt.timedelta(days=days)
    return Range(end - length, end, "1d" if query.min_interval == "1d" else interval, _choices(query.board))


def _choices(board: str | None) -> dict[str, str | list[str]]:
    """Choose everything where several values may be chosen, else the currency of the seed."""
    if board is None:
        return {}
    return {
        each["name"]: each["query"].split(",") if each["multi"] else "EUR"
        for each in BOARDS[board]["templating"]["list"]
    }


def _run(connection: Connection, query: Found, at: Range) -> tuple[list[str], list[tuple[object, ...]]]:
    cursor = connection.execute(expand(query.sql, at).encode())
    assert cursor.description is not None
    return [column.name for column in cursor.description], cursor.fetchall()


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _check_time_series(names: list[str], rows: list[tuple[object, ...]]) -> None:
    """Time first, ascending and never empty; labels are text; one row per moment and labels, or points vanish."""
    assert names[0] == "time"
    times = [row[0] for row in rows]
    assert all(isinstance(moment, (dt.datetime, *_NUMBERS)) for moment in times)
    assert times == sorted(times)
    numbers = [i for i in range(1, len(names)) if all(row[i] is None or isinstance(row[i], _NUMBERS) for row in rows)]
    labels = [i for i in range(1, len(names)) if i not in numbers] if rows else []
    assert numbers
    assert all(isinstance(row[i], str) for row in rows for i in labels)
    keys = [(row[0], *(row[i] for i in labels)) for row in rows]
    assert len(set(keys)) == len(keys)


def _check_alert(names: list[str], rows: list[tuple[object, ...]]) -> None:
    """Exactly one number, all else text, no time, each row with labels of its own."""
    numbers = [i for i in range(len(names)) if all(isinstance(row[i], _NUMBERS) for row in rows)]
    assert len(numbers) == 1
    assert all(isinstance(row[i], str) for row in rows for i in range(len(names)) if i not in numbers)
    labels = [tuple(value for i, value in enumerate(row) if i not in numbers) for row in rows]
    assert len(set(labels)) == len(labels)


def _check_variable(names: list[str], rows: list[tuple[object, ...]]) -> None:
    assert len(names) == 1
    assert all(isinstance(row[0], str) for row in rows)


def _check_annotation(names: list[str], rows: list[tuple[object, ...]]) -> None:
    assert names == ["time", "text"]
    assert all(isinstance(row[0], dt.datetime) and _is_text(row[1]) for row in rows)


def _check_table(names: list[str], rows: list[tuple[object, ...]]) -> None:
    assert len(set(names)) == len(names)


_CHECKS: dict[str, Callable[[list[str], list[tuple[object, ...]]], None]] = {
    "time_series": _check_time_series,
    "alert": _check_alert,
    "variable": _check_variable,
    "annotation": _check_annotation,
    "table": _check_table,
}


@pytest.mark.usefixtures("healthy_platform")
@pytest.mark.parametrize("length", RANGES)
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_as_grafanas_role_and_gives_the_shape_its_panel_needs(
    query: Found, length: str, grafana: Connection
) -> None:
    names, rows = _run(grafana, query, _range(query, *RANGES[length]))

    if query.kind == "alert":
        assert rows
    if rows:
        _CHECKS[query.kind](names, rows)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_before_anything_has_happened(query: Found, grafana: Connection) -> None:
    _run(grafana, query, _range(query, 1, "5m"))


@pytest.mark.usefixtures("healthy_platform")
def test_every_panel_shows_something_on_a_healthy_platform(grafana: Connection) -> None:
    """And in its shape over a month as well: a day of 23 hours must not give two points at one time."""
    may_be_empty = {
        "pipeline/Checks that fail/A",
        "pipeline/Halts that wait for a person/A",
        "pipeline/Hours that do not add up/A",
        "pipeline/annotation Failed runs",
    }
    empty = []
    for query in every_query():
        names, rows = _run(grafana, query, _range(query, 30, "1h"))
        if rows:
            _CHECKS[query.kind](names, rows)
        if not any(value is not None for row in rows for value in row):
            empty.append(query.where)

    assert set(empty) == may_be_empty


@pytest.mark.usefixtures("healthy_platform")
@pytest.mark.parametrize(
    "panel", [p for b in BOARDS.values() for p in b["panels"] if p["type"] in {"stat", "bargauge"}]
)
def test_big_numbers_and_bars_have_the_columns_that_they_can_draw(panel, grafana: Connection) -> None:
    board = next(name for name, b in BOARDS.items() if any(p is panel for p in b["panels"]))
    query = Found(panel["title"], "table", panel["targets"][0]["rawSql"], board)
    _, rows = _run(grafana, query, _range(query, 30, "1h"))

    if panel["type"] == "stat":
        assert len(rows) == 1
        assert all(isinstance(value, _NUMBERS) for value in rows[0])
    else:
        assert all(isinstance(row[0], str) and isinstance(row[1], _NUMBERS) and len(row) == 2 for row in rows)


@pytest.mark.usefixtures("healthy_platform")
def test_the_figures_are_those_of_the_seed(grafana: Connection) -> None:
    def value(where: str) -> tuple[object, ...]:
        query = next(each for each in every_query() if each.where == where)
        _, rows = _run(grafana, query, _range(query, 7, "1h"))
        return tuple(float(each) if isinstance(each, _NUMBERS) else each for each in rows[0])

    assert value("business/Orders/A") == (10, 17)
    assert value("business/Net revenue (${currency})/A") == (850, 857)
    assert value("pipeline/Runs by outcome/A") == (2, 0)
    assert value("pipeline/Open dead letters/A") == (2,)
    assert value("pipeline/Lag in records/A") == (0,)
    assert value("pipeline/Exactly once/A") == (1,)


def test_what_waits_for_a_person_is_shown(grafana: Connection, admin: Connection) -> None:
    def rows(where: str) -> list[dict[str, object]]:
        query = next(each for each in every_query() if each.where == where)
        names, found = _run(grafana, query, _range(query, 1, "1h"))
        return [dict(zip(names, row, strict=True)) for row in found]

    operations.hours(admin, "shop.orders")
    operations.hours(admin, "shop.web", missing=3)
    admin.execute(
        "insert into ops.ingest_halts (reason, topic, partition, detail, message, resolution, resolved_at, resolved_by)"
        " values ('offsets_removed', 'shop.web', 2, '{}', 'gone', 'decide', null, null),"
        " ('offsets_removed', 'shop.web', 1, '{}', 'gone', 'decide', now(), 'ada')"
    )

    (hour,) = rows("pipeline/Hours that do not add up/A")
    assert (hour["topic"], hour["difference"], hour["landed"], hour["noted"]) == ("shop.web", 3, 297, 300)
    (halt,) = rows("pipeline/Halts that wait for a person/A")
    assert (halt["topic"], halt["partition"], halt["resolution"]) == ("shop.web", "2", "decide")


@pytest.fixture
def real(real_marts: Settings) -> Iterator[Connection]:
    """A connection as Grafana has it, to a warehouse that dbt has built."""
    with connect(real_marts, Role.GRAFANA, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_runs_on_the_marts_that_dbt_makes(query: Found, real: Connection) -> None:
    names, rows = _run(real, query, _range(query, 30, "1h"))

    # A first build publishes and restates nothing.
    if query.board == "business" and query.where != "business/Restated figures/A":
        assert any(value is not None for row in rows for value in row)
    if rows:
        _CHECKS[query.kind](names, rows)


def test_a_business_day_is_the_shops_and_not_the_servers(real_marts: Settings) -> None:
    """The first minutes of a day in Berlin are still yesterday in UTC: the day's orders must not be missing then."""
    query = next(each for each in every_query() if each.where == "business/Revenue per day (${currency})/A")
    today = dt.datetime.now(ZoneInfo("Europe/Berlin")).replace(hour=0, minute=0, second=0, microsecond=0)
    midnight = today - dt.timedelta(days=1)
    at = Range(midnight - dt.timedelta(days=3), midnight + dt.timedelta(minutes=5), "1d", {"currency": "EUR"})
    with connect(real_marts, Role.GRAFANA, autocommit=True) as connection:
        # As `shop migrate` sets it for the role.
        connection.execute("set timezone = 'Europe/Berlin'")
        _, rows = _run(connection, query, at)

    assert [row[0] for row in rows] == [midnight - dt.timedelta(days=back) for back in (3, 2, 1, 0)]


def test_the_message_and_the_reason_of_a_dead_letter_stay_hidden(grafana: Connection) -> None:
    for column in ("message_value", "message_key", "headers", "error"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            grafana.execute(f"select {column} from ops.dead_letters".encode())
