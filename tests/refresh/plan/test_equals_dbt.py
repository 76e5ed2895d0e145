"""A plan and dbt build the same: rows, columns, constraints, indexes, comments, marks, verdicts of data tests."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.refresh.plan.record import record
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import SEED, dose
from tests.conftest import _drop, _new_warehouse
from tests.dbt import events as e
from tests.dbt import events_orders as o
from tests.dbt.project import SHADOW, Shop
from tests.dbt.random_shop import random_stream, split

# When a run began is the run's own.
_OWN = {
    "kpi_daily_versions": {"published_at"},
    "kpi_restatements": {"restated_at"},
    "kpi_day_status": {"first_published_at", "last_restated_at"},
}

_COLUMNS = """
    select c.relname, c.relkind, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
    from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = '{schema}'::regnamespace and c.relkind in ('r', 'v') order by 1, 3"""
_CONSTRAINTS = """
    select conrelid::regclass::text, contype, pg_get_constraintdef(oid) from pg_constraint
    where connamespace = '{schema}'::regnamespace order by 1, 2, 3"""
_INDEXES = """
    select tablename, regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON') from pg_indexes
    where schemaname = '{schema}' order by 1, 2"""
_COMMENTS = """
    select c.relname, d.objsubid, d.description from pg_description as d join pg_class as c on c.oid = d.objoid
    where c.relnamespace = '{schema}'::regnamespace order by 1, 2"""
_VIEWS = "select viewname, definition from pg_views where schemaname = '{schema}' order by 1"
_MARKS = """
    select model, ceiling::text, changes_floor is null from ops.model_watermarks
    where starts_with(model, '{schema}.') order by 1"""
_CHANGED = """
    select relation, date_day::text, count(*) from ops.changed_days
    where starts_with(relation, '{schema}.') group by 1, 2 order by 1, 2"""


@pytest.fixture(scope="module")
def both(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One warehouse with the marts twice: dbt builds one copy, a plan the other, of the same rows at once."""
    folder = tmp_path_factory.mktemp("plan")
    warehouse = _new_warehouse(postgres_server, folder)
    shop = Shop(warehouse.settings, folder)
    yield shop
    shop.close()
    _drop(warehouse)


@pytest.mark.timeout(dose(900, 3600))
@pytest.mark.parametrize("number", range(dose(1, 10)))
def test_on_any_stream_in_any_runs_the_two_builds_are_the_same(both: Shop, number: int) -> None:
    seed = random.Random(f"plan/{SEED}/{number}").randrange(2**31)
    rng = random.Random(seed)
    both.clear()
    first, second, third = split(o.with_money_and_returns(random_stream(seed), seed), batches=3, seed=seed)
    some = sorted(rng.sample(sorted(both.dbt.marts()), 12))

    # A first build, the same again with new rows, some models only, everything with days built again, a full refresh.
    _land_and_build(both, first)
    _land_and_build(both, second, "--select", *some)
    # One stream in ten has no order so early.
    _land_and_build(both, third, days=sorted(rng.choices(_days(both) or [A_DAY], k=2)))
    _assert_same(both)
    _land_and_build(both, [], "--full-refresh")
    _assert_same(both)

    by_dbt = both.dbt.invoke("test", "--exclude-resource-type", "unit_test", check=False)
    said = {done.node.name: str(done.status) for done in by_dbt.result.results if done.node.resource_type == "test"}
    assert {done.name: done.status for done in both.shadow.test(check=False)} == said
    assert {"pass", "warn"} <= set(said.values())


def test_a_plan_is_the_same_on_a_full_warehouse_and_recording_it_leaves_nothing(both: Shop) -> None:
    both.clear()
    e.write(both.settings, random_stream(1))
    both.dbt.run()

    again = record(both.settings, with_tests=False)

    assert again.begin == both.dbt.plan.begin
    for one, other in zip(again.models, both.dbt.plan.models, strict=True):
        for way in one.ways:
            assert one.ways[way] == other.ways[way], f"{one.name}, {way}"
        assert one == other
    assert both.rows("select count(*) from pg_namespace where nspname like 'zzplan%'", Role.ADMIN) == [(0,)]
    assert both.rows("select count(*) from ops.model_watermarks where model like 'zzplan%'") == [(0,)]
    assert both.rows("select count(*) from marts.fct_orders")[0][0] > 0


A_DAY = "2026-03-01"


def _days(both: Shop) -> list[str]:
    return [row[0] for row in both.rows("select distinct order_date::text from marts.fct_orders order by 1")]


def _land_and_build(both: Shop, events: list[e.Event], *arguments: str, days: Sequence[str] = ()) -> None:
    """Land ``events``; dbt builds one copy of the marts, a plan the other, both with what is visible now.

    With ``days``, the first and the last one, something is altered in them by hand before, which both put right.
    """
    if events:
        e.write(both.settings, events)
    now = both.rows("select pg_snapshot_xmin(pg_current_snapshot())::text")[0][0]
    told = {"ceiling": now} | dict(zip(("reprocess_from", "reprocess_to"), days, strict=False))
    at_once = ("--vars", json.dumps(told))
    for schema in ("marts", f"{SHADOW}marts") if days else ():
        with connect(both.settings, Role.TRANSFORM) as connection:
            connection.execute(
                SQL("update {}.fct_orders set channel = 'altered' where order_date between %s and %s").format(
                    Identifier(schema)
                ),
                list(days),
            )
    both.dbt.invoke("run", *arguments, *at_once)
    both.shadow.run(*arguments, *at_once)


def _assert_same(both: Shop) -> None:
    for mart, columns in both.dbt.marts().items():
        listed = ", ".join(column for column in columns if column not in _OWN.get(mart, set()))
        one, other = f"select {listed} from marts.{mart}", f"select {listed} from {SHADOW}marts.{mart}"
        for here, there in ((one, other), (other, one)):
            assert both.rows(f"({here} except all {there}) limit 3") == [], mart
    for layer in ("staging", "intermediate", "marts"):
        for question in (_COLUMNS, _CONSTRAINTS, _INDEXES, _COMMENTS, _VIEWS, _MARKS, _CHANGED):
            assert _told(both, question, SHADOW, layer) == _told(both, question, "", layer)


def _told(both: Shop, question: str, prefix: str, layer: str) -> list[tuple[Any, ...]]:
    """Return what the catalog says of a layer's copy, without the prefix that tells the copies apart."""
    with connect(both.settings, Role.ADMIN) as admin:
        # Shown in full, so that the two copies differ by nothing but their names.
        admin.execute("set local search_path = pg_catalog")
        found = admin.execute(question.format(schema=prefix + layer)).fetchall()
    return sorted(tuple(str(value).replace(prefix or "\0", "") for value in row) for row in found)
