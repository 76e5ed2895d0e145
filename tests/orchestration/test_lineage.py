"""What each column is made of is read once from the compiled SQL, and kept for every later build."""

from __future__ import annotations

import pytest

from shop_platform.orchestration.lineage import ColumnLineage
from shop_platform.orchestration.manifest import ensure_manifest, lineage_file

COMPILED = """
with days as (
    select order_date, count(*) as orders_count, sum(o.amount) as amount
    from "shop"."marts"."fct_orders" as o
    left join (select * from "shop"."raw"."payments") as p on o.order_id = p.subject
    where p.data ->> 'state' = 'paid'
    group by order_date
)
select order_date as date_day, orders_count, amount / nullif(orders_count, 0) as average, lag(amount) over () as before
from days
"""


def relation(kind, schema, name, *columns, parents=(), **more):
    return {
        "resource_type": kind,
        "name": name,
        "fqn": ["shop", schema, name],
        "relation_name": f'"shop"."{schema}"."{name}"',
        "columns": {column: {} for column in columns},
        "depends_on": {"nodes": list(parents)},
        **more,
    }


NODES = {
    "fct_orders": relation("model", "marts", "fct_orders", "order_id", "order_date", "amount"),
    "kpi": relation("model", "marts", "kpi", "date_day", parents=["fct_orders", "payments", "function.shop.x"]),
}
SOURCES = {"payments": relation("source", "raw", "payments", "subject", "data", source_name="raw")}
EXPECTED = {
    "date_day": [("marts/fct_orders", "order_date")],
    "orders_count": [],
    "average": [("marts/fct_orders", "amount")],
    "before": [("marts/fct_orders", "amount")],
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "dagster" / "lineage.json"


def test_columns_are_followed_to_the_tables_that_the_model_reads(file):
    assert ColumnLineage(NODES, SOURCES, file).of("kpi", COMPILED) == EXPECTED


def test_what_was_read_is_kept_beside_what_others_have_read(file):
    first, second = ColumnLineage(NODES, SOURCES, file), ColumnLineage(NODES, SOURCES, file)
    first.of("kpi", COMPILED)
    second.of("fct_orders", 'select order_id from "shop"."raw"."payments"')
    first.keep()
    second.keep()
    later = ColumnLineage(NODES, SOURCES, file)
    assert later.of("kpi", None) == EXPECTED
    assert set(later.of("fct_orders", None)) == {"order_id"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_query_that_cannot_be_read_and_a_file_that_is_none_stop_no_build(file):
    file.parent.mkdir()
    file.write_text('{"kpi": ')
    lineage = ColumnLineage(NODES, SOURCES, file)
    assert lineage.of("kpi", "select from where (") is None
    assert lineage.of("kpi", None) is None
    assert lineage.of("kpi", COMPILED) == EXPECTED
    lineage.keep()
    assert ColumnLineage(NODES, SOURCES, file).of("kpi", None) == EXPECTED


def test_it_belongs_to_one_state_of_the_project(code_locations):
    manifest = ensure_manifest(code_locations.settings)
    assert lineage_file(code_locations.settings) == manifest.with_name(manifest.name.replace("manifest", "lineage"))
