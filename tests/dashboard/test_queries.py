"""The SQL against a real PostgreSQL, as the dashboard's own role."""

from collections.abc import Iterator
from dataclasses import astuple
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
import yaml

from dashboard.data import queries
from dashboard.data.periods import Period
from dashboard.data.pool import Warehouse, WarehouseNotReadyError, WarehouseUnavailableError
from shop_platform.settings import PROJECT_ROOT, Role, Settings, load
from shop_platform.warehouse.connect import connect
from tests.dashboard import marts
from tests.dashboard.conftest import NOW, TODAY

PERIOD = Period.ending(TODAY, 30)
MODELS = PROJECT_ROOT / "dbt_project" / "models" / "marts"


@pytest.fixture
def warehouse_of(seeded_marts: Settings) -> Iterator[Warehouse]:
    pool = Warehouse(seeded_marts)
    yield pool
    pool.close()


@pytest.fixture
def changing(changing_marts: Settings) -> Iterator[Warehouse]:
    pool = Warehouse(changing_marts)
    yield pool
    pool.close()


def _ask(settings: Settings, statement: str, *parameters: object) -> tuple:
    with connect(settings, Role.ADMIN) as connection:
        found = connection.execute(statement, parameters).fetchone()  # type: ignore[call-overload]
        assert found is not None
        return found


def test_the_days_are_the_rows_of_the_mart(warehouse_of: Warehouse, seeded_marts: Settings):
    days = queries.days(warehouse_of, PERIOD.start, PERIOD.end, "EUR")
    assert [row.day for row in days] == PERIOD.dates()
    found = _ask(
        seeded_marts,
        "select orders_count, gross_amount, discount_amount, refund_amount, net_amount, sessions_count,"
        " converting_sessions_count, new_customers, repeat_customer_orders from marts.kpi_daily where date_day = %s",
        TODAY,
    )
    assert astuple(days[-1])[1:] == found


def test_money_in_another_currency_is_never_added(changing: Warehouse, changing_marts: Settings):
    before = queries.days(changing, PERIOD.start, PERIOD.end, "EUR")
    marts.seed(changing_marts, TODAY, NOW, days=20, currency="CHF")
    assert queries.days(changing, PERIOD.start, PERIOD.end, "EUR") == before
    coverage = queries.coverage(changing)
    assert coverage is not None
    assert coverage.currencies == ("EUR", "CHF")


@pytest.mark.parametrize("split", [queries.channels, queries.categories])
def test_the_parts_of_a_split_add_up_to_the_whole(warehouse_of: Warehouse, split):
    rows = split(warehouse_of, PERIOD, PERIOD.previous(), "EUR")
    days = queries.days(warehouse_of, PERIOD.previous().start, PERIOD.end, "EUR")
    assert sum(row.net for row in rows) == sum(row.net for row in days if row.day in PERIOD)
    assert sum(row.previous_net for row in rows) == sum(row.net for row in days if row.day < PERIOD.start)
    assert [row.net for row in rows] == sorted((row.net for row in rows), reverse=True)


def test_without_a_comparison_the_earlier_amounts_are_zero(warehouse_of: Warehouse):
    rows = queries.channels(warehouse_of, PERIOD, None, "EUR")
    assert {row.previous_net for row in rows} == {Decimal()}


def test_the_version_changes_with_a_transformation_and_only_then(changing: Warehouse, changing_marts: Settings):
    first = queries.version(changing)
    with connect(changing_marts, Role.TRANSFORM) as connection:
        connection.execute(
            "insert into ops.model_watermarks (model, ceiling, invocation_id) values ('marts.dim_date', '7', 'x')"
        )
    assert queries.version(changing) == first
    marts.sell(changing_marts, TODAY, Decimal(10), NOW)
    assert queries.version(changing) != first


def test_freshness_has_a_row_per_subject(warehouse_of: Warehouse):
    rows = queries.freshness(warehouse_of)
    assert tuple(row.subject for row in rows) == marts.SUBJECTS
    assert {row.latest_event for row in rows} == {NOW}


def test_the_last_reconciliation_counts(changing: Warehouse, changing_marts: Settings):
    assert queries.reconciled(changing) is None
    with connect(changing_marts, Role.ORCHESTRATOR) as connection:
        for holds, hours_off in ((True, None), (False, 3)):
            connection.execute(
                "insert into ops.reconciliations"
                " (holds, produced, landed, dead_lettered, duplicates, missing, unexpected, hours_off)"
                " values (%s, 9, 9, 0, 0, 0, 0, %s)",
                [holds, hours_off],
            )
    last = queries.reconciled(changing)
    assert last is not None and (last.holds, last.hours_off) == (False, 3)


def test_an_empty_mart_covers_nothing(empty_marts: Settings):
    pool = Warehouse(empty_marts)
    try:
        assert queries.coverage(pool) is None
    finally:
        pool.close()


@pytest.mark.parametrize(
    "statement",
    [
        "delete from marts.kpi_daily returning 1",
        "insert into ops.model_watermarks values ('a', '1', 'b') returning 1",
        "create table marts.mine (a int)",
        "create temporary table mine (a int)",
        "set default_transaction_read_only = off; delete from marts.kpi_daily",
    ],
)
def test_the_dashboard_cannot_write(warehouse_of: Warehouse, seeded_marts: Settings, statement: str):
    with pytest.raises((psycopg.Error, WarehouseNotReadyError)):
        warehouse_of.query(statement)  # type: ignore[arg-type]
    assert _ask(seeded_marts, "select count(*) from marts.kpi_daily") == (120,)


def test_the_dashboard_cannot_read_raw_events(warehouse_of: Warehouse):
    with pytest.raises(WarehouseNotReadyError, match="permission denied"):
        warehouse_of.query("select * from raw.orders")


def test_a_warehouse_without_marts_is_not_ready(fresh_warehouse):
    pool = Warehouse(fresh_warehouse.settings)
    try:
        with pytest.raises(WarehouseNotReadyError):
            queries.coverage(pool)
    finally:
        pool.close()


def test_a_database_that_does_not_exist_is_not_ready(postgres_server, seeded_marts):
    settings = load(pg_port=postgres_server.port, pg_database="shop_absent")
    pool = Warehouse(settings, wait_seconds=0.3)
    try:
        with pytest.raises(WarehouseNotReadyError, match="does not exist"):
            queries.coverage(pool)
    finally:
        pool.close()


def test_a_server_that_is_not_there_is_unavailable_and_says_so_at_once_the_second_time():
    settings = load(pg_port=1)
    pool = Warehouse(settings, wait_seconds=0.3, pause_seconds=60)
    try:
        with pytest.raises(WarehouseUnavailableError) as first:
            queries.ping(pool)
        with pytest.raises(WarehouseUnavailableError) as second:
            queries.ping(pool)
        assert first.value is second.value
    finally:
        pool.close()


@pytest.mark.parametrize("table", sorted(queries.COLUMNS))
def test_every_column_read_is_promised_by_the_dbt_model(table: str):
    (described,) = (p for p in MODELS.rglob(f"{table}.yml") if p.parent.name != "unit_tests")
    model = next(m for m in yaml.safe_load(described.read_text())["models"] if m["name"] == table)
    assert set(queries.COLUMNS[table]) <= {column["name"] for column in model["columns"]}


def test_the_longest_period_of_the_presets_uses_no_more_than_its_days(warehouse_of: Warehouse):
    start = TODAY - timedelta(days=4000)
    assert len(queries.days(warehouse_of, start, TODAY, "EUR")) == 120
