"""raw.web in years: every id lands once, nothing stops without a partition, and the move to it loses nothing."""

from __future__ import annotations

import datetime as dt
import shutil
import uuid

import psycopg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shop_platform.importing.ids import event_id
from shop_platform.settings import Role, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import MIGRATIONS_DIR, migrate
from shop_platform.warehouse.partitions import ensure_partitions
from tests.conftest import Warehouse, _drop
from tests.support.raw_web import add, at, id_at, partitions, random_id


@pytest.fixture
def year() -> int:
    """The year of the clock (UTC), by which partitions are made.

    Asked for in each test, as the suite may run over New Year.
    """
    return dt.datetime.now(dt.UTC).year


@pytest.fixture
def older(postgres_server, tmp_path):
    """A warehouse from before there were partitions."""
    name = f"shop_{uuid.uuid4().hex[:12]}"
    settings = load(
        pg_port=postgres_server.port, pg_database=name, dagster_database=f"dagster_{name}", data_dir=tmp_path
    )
    folder = tmp_path / "older"
    folder.mkdir()
    for path in MIGRATIONS_DIR.glob("000*.sql"):
        shutil.copy(path, folder)
    migrate(settings, folder)
    made = Warehouse(settings, postgres_server)
    yield made
    _drop(made)


def one(connection, query: str, *parameters):
    return connection.execute(query.encode(), parameters).fetchone()[0]


def homes(connection) -> dict[uuid.UUID, str]:
    """Return in which partition each row lies."""
    return dict(connection.execute("select event_id, tableoid::regclass::text from raw.web").fetchall())


def test_a_new_warehouse_has_partitions_to_the_end_of_next_year(fresh_warehouse, year):
    with connect(fresh_warehouse.settings, Role.GRAFANA) as connection:
        found = partitions(connection)
    assert list(found) == ["web_before", *(f"web_y{year + n}" for n in (-2, -1, 0, 1)), "web_default"]
    assert found["web_before"] == (None, at(year - 2))
    assert found[f"web_y{year}"] == (at(year), at(year + 1))


def test_each_id_finds_the_partition_of_its_time_and_lands_once(fresh_warehouse, year):
    imported = event_id("/shop/test", "shop.web.page_viewed.v1", "a", round(at(year - 9).timestamp() * 1000))
    with connect(fresh_warehouse.settings, Role.INGEST, autocommit=True) as connection:
        expected = {
            add(connection, imported, at(year - 9)): "raw.web_before",
            add(connection, id_at(at(year - 1)), at(year - 1)): f"raw.web_y{year - 1}",
            add(connection, id_at(at(year) - dt.timedelta(milliseconds=1)), at(year)): f"raw.web_y{year - 1}",
            add(connection, id_at(at(year)), at(year)): f"raw.web_y{year}",
            add(connection, id_at(at(year + 5)), at(year + 5)): "raw.web_default",
            add(connection, uuid.UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479"), at(year)): "raw.web_default",
        }
        assert homes(connection) == expected
        for known in expected:
            with pytest.raises(psycopg.errors.UniqueViolation):
                add(connection, known, at(year))


def test_a_missing_partition_stops_nothing_and_gets_its_rows_when_it_is_made(fresh_warehouse, year):
    with connect(fresh_warehouse.settings, Role.ADMIN, autocommit=True) as admin:
        admin.execute(f"drop table raw.web_y{year + 1}".encode())
    with connect(fresh_warehouse.settings, Role.INGEST, autocommit=True) as connection:
        early, late, random = id_at(at(year + 1, 2)), id_at(at(year + 3)), random_id()
        for each in (early, late, random):
            add(connection, each, at(year + 1, 2))
        assert set(homes(connection).values()) == {"raw.web_default"}
        before = connection.execute("select event_id, _xid::text, data from raw.web order by 1").fetchall()

        assert ensure_partitions(connection) == [f"web_y{year + 1}"]

        assert homes(connection) == {early: f"raw.web_y{year + 1}", late: "raw.web_default", random: "raw.web_default"}
        # Models find new rows by the transaction that wrote them: a row that moves is not a new one.
        assert connection.execute("select event_id, _xid::text, data from raw.web order by 1").fetchall() == before
        assert ensure_partitions(connection) == []


def test_a_table_that_is_busy_is_left_for_the_next_call(fresh_warehouse, year):
    settings = fresh_warehouse.settings
    with connect(settings, Role.ADMIN) as admin:
        admin.execute(f"drop table raw.web_y{year + 1}".encode())
        admin.commit()
        with connect(settings, Role.INGEST) as reader, connect(settings, Role.ORCHESTRATOR, autocommit=True) as asking:
            reader.execute("select count(*) from raw.web")
            assert ensure_partitions(asking) == []
            reader.rollback()
            assert ensure_partitions(asking) == [f"web_y{year + 1}"]


@pytest.mark.parametrize("role", [Role.TRANSFORM, Role.DASHBOARD, Role.GRAFANA])
def test_who_only_reads_makes_no_partitions(warehouse, role):
    with connect(warehouse.settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("select ops.ensure_partitions()")


def test_a_table_with_ids_in_the_order_of_time_becomes_the_first_partition_as_it_is(older, year):
    settings = older.settings
    with connect(settings, Role.INGEST) as connection:
        old, new = id_at(at(year - 4)), id_at(at(year))
        for each in (old, new, id_at(at(year, 2))):
            add(connection, each, at(year))
        far, random = id_at(at(year + 4)), uuid.UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")
        add(connection, random, at(year))
    with connect(settings, Role.TRANSFORM) as connection:
        connection.execute("create view staging.events as select event_id, subject from raw.web")
        connection.execute("create view staging.counted as select count(*) as events from staging.events")
        connection.execute("comment on view staging.events is 'kept'")
        connection.execute("grant select on staging.events to shop_orchestrator")
    with connect(settings, Role.ADMIN) as admin:
        table = one(admin, "select 'raw.web'::regclass::oid")
        rows = admin.execute("select event_id, data, _xid::text, ingested_at from raw.web order by 1").fetchall()

    assert migrate(settings)[0].version == 10

    with connect(settings, Role.ADMIN) as admin:
        assert one(admin, "select 'raw.web_before'::regclass::oid") == table
        assert (
            admin.execute("select event_id, data, _xid::text, ingested_at from raw.web order by 1").fetchall() == rows
        )
        assert homes(admin)[old] == homes(admin)[new] == "raw.web_before"
        assert homes(admin)[random] == "raw.web_default"
        assert partitions(admin)["web_before"] == (None, at(year + 1))
    with connect(settings, Role.INGEST) as connection:
        add(connection, far, at(year))
        with pytest.raises(psycopg.errors.UniqueViolation):
            add(connection, old, at(year))
    with connect(settings, Role.INGEST) as connection:
        add(connection, far, at(year))
    with connect(settings, Role.TRANSFORM) as connection:
        # Both views follow the new table, the one on the view as well.
        assert one(connection, "select count(*) from staging.events") == 5
        assert one(connection, "select events from staging.counted") == 5
        assert one(connection, "select obj_description('staging.events'::regclass)") == "kept"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select from raw.web_before")


def test_a_table_with_random_ids_becomes_the_default_partition_as_it_is(older, year):
    settings = older.settings
    with connect(settings, Role.INGEST) as connection:
        for _ in range(40):
            add(connection, random_id(), at(year))
        # One of two hundred random ids looks like a time before now.
        low = uuid.UUID("00a0c10b-58cc-4372-a567-0e02b2c3d479")
        add(connection, low, at(year))
    with connect(settings, Role.ADMIN) as admin:
        table = one(admin, "select 'raw.web'::regclass::oid")
    migrate(settings)
    with connect(settings, Role.ADMIN) as admin:
        assert one(admin, "select 'raw.web_default'::regclass::oid") == table
        assert one(admin, "select count(*) from raw.web") == 41
        assert homes(admin)[low] == "raw.web_before"
        # Every partition has every index, under the parent's.
        assert admin.execute(
            "select distinct count(*) from pg_index as i join pg_inherits as p on p.inhrelid = i.indrelid"
            " where p.inhparent = 'raw.web'::regclass group by i.indrelid"
        ).fetchall() == [(4,)]


_TIMES = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 1, 1), timezones=st.just(dt.UTC))


@hypothesis_settings(max_examples=60, deadline=None)
@given(first=_TIMES, second=_TIMES, key=st.text(max_size=5))
def test_ids_are_in_the_order_of_their_times(warehouse, first, second, key):
    first, second = (instant.replace(microsecond=instant.microsecond // 1000 * 1000) for instant in (first, second))
    ms = round((first - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(milliseconds=1))
    made = event_id("/shop/test", "shop.web.page_viewed.v1", key, ms)
    with connect(warehouse.settings, Role.ADMIN) as connection:
        low, high, instant = connection.execute(
            "select ops.first_id_at(%s), ops.first_id_at(%s), ops.time_of_id(%s)", [first, second, made]
        ).fetchone()
    assert low <= made and instant == first
    assert (low < high) == (first < second)
    assert (made < high) == (first < second)
