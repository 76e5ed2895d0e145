"""A plan fails as dbt fails, puts right what a killed build left, and refuses what it does not know."""

from __future__ import annotations

import pytest

from shop_platform.refresh.plan.execute import PlanRunner
from shop_platform.refresh.plan.statements import PlanError
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.dbt.project import Shop


def _execute(shop: Shop, statement: str) -> None:
    with connect(shop.settings, Role.TRANSFORM) as connection:
        connection.execute(statement)


def _outcomes(shop: Shop, **arguments: object) -> dict[str, str]:
    with connect(shop.settings, Role.TRANSFORM, autocommit=True) as connection:
        return {done.name: done.status for done in PlanRunner(shop.dbt.plan, connection).run(**arguments)}


def test_a_model_that_fails_keeps_its_rows_and_what_reads_it_is_skipped(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00")])
    shop.dbt.run()
    # A row that the contract does not allow: its insert fails after the old rows of the day are deleted.
    _execute(shop, "alter table marts.kpi_daily add constraint none_any_more check (orders_count < 1) not valid")
    e.write(shop.settings, [e.order_placed("o2", "2026-03-01 11:00")])

    status = _outcomes(shop)

    assert status["fct_orders"] == "success"
    assert status["kpi_daily"] == "error"
    assert status["kpi_daily_versions"] == status["kpi_restatements"] == "skipped"
    assert shop.rows("select orders_count from marts.kpi_daily") == [(1,)]
    assert shop.rows("select count(*) from marts.fct_orders") == [(2,)]

    _execute(shop, "alter table marts.kpi_daily drop constraint none_any_more")
    assert set(_outcomes(shop).values()) == {"success"}
    assert shop.rows("select orders_count from marts.kpi_daily") == [(2,)]
    assert shop.differences_from_a_full_refresh() == {}


def test_what_a_killed_build_left_is_no_hindrance(shop: Shop) -> None:
    shop.dbt.run()
    _execute(shop, "create table marts.dim_date__dbt_tmp (a integer)")
    _execute(shop, "create table marts.dim_products__dbt_backup (a integer)")
    _execute(shop, "create view staging.stg_refunds__dbt_tmp as select 1 as a")

    assert set(_outcomes(shop).values()) == {"success"}

    assert shop.rows("select count(*) from pg_class where relname ~ '__dbt_(tmp|backup)$'", Role.ADMIN) == [(0,)]


def test_indexes_stand_after_any_number_of_builds(shop: Shop) -> None:
    question = "select tablename, count(*) from pg_indexes where schemaname = 'marts' group by 1 order by 1"
    shop.dbt.run()
    first = shop.rows(question)
    for _ in range(3):
        shop.dbt.run("--full-refresh")
    assert shop.rows(question) == first


def test_another_relation_in_the_place_of_a_model_is_refused(shop: Shop) -> None:
    shop.dbt.run()
    _execute(shop, "drop table marts.dim_geography")
    _execute(shop, "create view marts.dim_geography as select 1 as country")

    with pytest.raises(PlanError, match="dim_geography is a table, but a view stands in its place"):
        shop.dbt.run("--select", "dim_geography")


def test_a_table_whose_columns_changed_is_left_to_dbt(shop: Shop) -> None:
    shop.dbt.run()
    _execute(shop, "alter table marts.fct_refunds add column surprise integer not null default 0")

    with pytest.raises(PlanError, match=r"fct_refunds: dbt was told 21 rows .* and would be told 22 rows"):
        shop.dbt.run("--select", "fct_refunds")


def test_a_history_that_retention_has_shortened_is_not_built_from_nothing(shop: Shop) -> None:
    """dbt asks before it builds and refuses; a plan only knows the answer under which it was recorded."""
    shop.dbt.run()
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute(
            "insert into ops.retention_runs (relation, older_than, rows_removed, actor)"
            " values ('raw.orders', '2024-01-01', 1, 'test')"
        )
    shop.dbt.run("--select", "fct_orders")

    with pytest.raises(PlanError, match=r"fct_orders: dbt was told 0 rows .* and would be told 1 rows"):
        shop.dbt.run("--full-refresh", "--select", "fct_orders")
