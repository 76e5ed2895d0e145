"""Who may read what the project builds, and that nothing private gets there."""

from __future__ import annotations

import psycopg
import pytest

from shop_platform.settings import Role
from tests.dbt import events as e
from tests.dbt.project import Shop

_READERS = [Role.DASHBOARD, Role.GRAFANA, Role.ORCHESTRATOR, Role.BI]
_PRIVATE = "Secretstreet|private.example|Givenname|Familyname|a private wish"


@pytest.fixture(scope="module")
def built(_shop: Shop) -> Shop:
    shop = _shop
    shop.clear()
    events = [
        e.customer_created("anna", "2026-03-01 10:00", phone="private.example", birth_date="1990-01-01"),
        e.customer_updated("ben", "2026-03-01 10:00"),
        e.session_started("s1", "2026-03-01 10:00"),
        e.searched("s1", "2026-03-01 10:01"),
        e.order_placed("o1", "2026-03-01 10:02"),
    ]
    e.write(shop.settings, events)
    shop.dbt.run()
    # Rights must survive what a second build does to the tables.
    shop.dbt.run("--full-refresh")
    return shop


def test_readers_read_every_mart_and_nothing_below(built: Shop) -> None:
    for role in _READERS:
        for mart in built.dbt.marts():
            built.rows(f"select * from marts.{mart} limit 1", role)
        for hidden in ("staging.stg_orders_placed", "intermediate.int_counted_orders"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                built.rows(f"select * from {hidden} limit 1", role)
    for role in (Role.DASHBOARD, Role.GRAFANA, Role.BI):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            built.rows("select * from raw.orders limit 1", role)


@pytest.mark.parametrize("role", _READERS)
@pytest.mark.parametrize(
    "statement", ["delete from marts.kpi_daily", "truncate marts.fct_orders", "drop table marts.dim_date"]
)
def test_readers_cannot_write(built: Shop, role: Role, statement: str) -> None:
    # The role's own read-only default must not be the only thing that stands in the way.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        built.rows(f"set transaction read write; {statement}", role)


def test_personal_data_never_leaves_raw(built: Shop) -> None:
    relations = [
        f"{schema}.{name}"
        for schema, name in built.rows(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema in ('staging', 'intermediate', 'marts')"
        )
    ]
    assert len(relations) > 30
    leaks = [
        relation
        for relation in relations
        if built.rows(f"select count(*) from {relation} as line where line::text ~* '{_PRIVATE}'")[0][0]
    ]
    assert leaks == []
    assert built.rows(f"select count(*) from raw.customers as line where line::text ~* '{_PRIVATE}'") == [(2,)]
