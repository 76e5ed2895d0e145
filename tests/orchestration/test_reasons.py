"""A failed check says which rule is broken and by which rows: keys, at most five, and nothing else of a row."""

from __future__ import annotations

import re

import pytest

from shop_platform.orchestration.defs.transformation.assets import load_manifest
from shop_platform.orchestration.offenders import Offenders
from shop_platform.orchestration.reasons import Rows, could_not_run, sentence
from shop_platform.orchestration.rules import every_key, keys_of, rule
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect

# What dbt's own tests compile to; the others return the rows themselves.
COMPILED = {
    "unique": "select {column} as unique_field, count(*) as n_records from {relation} where {column} is not null"
    " group by {column} having count(*) > 1",
    "not_null": "select {column} from {relation} where {column} is null",
    "relationships": "with child as (select {column} as from_field from {relation} where {column} is not null)"
    " select from_field from child left join (select 'c1' as to_field) as parent on from_field = to_field"
    " where to_field is null",
    "accepted_values": "with all_values as (select {column} as value_field, count(*) as n_records from {relation}"
    " group by {column}) select * from all_values where value_field not in ('paid')",
}


def model(name, *keys, **more):
    columns = {key: {"constraints": [{"type": "primary_key"}] if len(keys) == 1 else []} for key in keys}
    return {
        "resource_type": "model",
        "name": name,
        "relation_name": f'"marts"."{name}"',
        "columns": columns | {column: {} for column in more.pop("columns", ())},
        "raw_code": "",
        **more,
    }


def check(kind, on="orders", column=None, description="", config=None, **arguments):
    kwargs = arguments | ({"column_name": column} if column else {})
    return {
        "resource_type": "test",
        "name": f"{kind}_{on}",
        "description": description,
        "test_metadata": {"name": kind, "kwargs": kwargs} if kind else None,
        "attached_node": on if kind else None,
        "depends_on": {"nodes": [on]},
        "config": config or {},
    }


NODES = {
    "orders": model("orders", "order_id", columns=["customer_id", "status", "email", "amount"]),
    "lines": model(
        "lines",
        "line_id",
        columns=["order_id", "position"],
        raw_code="select {{ surrogate_key(['l.order_id', 'position']) }} as line_id from x as l",
    ),
    "view": model("view"),
}


def test_every_check_says_what_it_demands(code_locations):
    """The sentence stands in Dagster beside the check, and at the head of whatever is told when it fails."""
    graph = code_locations.graph
    described = {key: graph.get(key).description or "" for key in graph.asset_check_keys}
    assert len(described) > 300
    assert [key for key, told in described.items() if not re.fullmatch(r"[A-Z].{15,320}[.]", told)] == []
    assert [told for told in described.values() if told.startswith("The dbt test")] == [], "a kind without a template"


def test_a_model_s_rows_are_told_apart_by_what_a_person_can_read(code_locations):
    """Not by the hash of a surrogate key, where the model has what that is made of."""
    nodes = load_manifest(code_locations.manifest_path)["nodes"]
    keys = {node["name"]: keys_of(node) for node in nodes.values() if node["resource_type"] == "model"}
    assert keys["kpi_daily"] == ("date_day", "currency")
    assert keys["kpi_daily_by_channel"] == ("date_day", "currency", "channel")
    assert keys["fct_order_lines"] == ("order_id", "order_line_id"), "the position is no column"
    assert keys["stg_orders_placed"] == ("event_id",)
    assert not {"customer_name", "email", "city", "region", "query", "url"} & every_key(nodes)
    assert [name for name, columns in keys.items() if name.startswith(("fct", "dim", "kpi")) and not columns] == []


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (check("not_null", column="status"), "Every row of orders has its status."),
        (check("unique", column="order_id"), "No two rows of orders have the same order_id."),
        (
            check("relationships", column="customer_id", to="ref('customers')", field="id"),
            "Every customer_id of orders stands in customers as id.",
        ),
        (
            check("accepted_values", column="status", values=["paid", "open"]),
            "Every status of orders is one of: paid, open.",
        ),
        (
            check("row_holds", expression="a <=\n b", config={"where": "is_paid"}),
            "For every row of orders: a <= b (of orders: where is_paid).",
        ),
        (
            check(
                "sums_agree", to="ref('lines')", key="order_id", measures={"count": 1, "x": "x"}, to_where="not gone"
            ),
            "Per order_id, orders and lines add up to the same: count = the number of rows, x"
            " (of lines: where not gone).",
        ),
        (check("of_somebody_else"), "The dbt test of_somebody_else_orders finds no row in orders."),
        (check("", description="Orders that\n are odd"), "Orders that are odd."),
    ],
)
def test_a_rule_is_told_by_the_kind_of_its_test(test, told):
    assert rule(test, NODES) == told


def test_at_most_five_rows_are_named_and_the_others_counted():
    unique = check("unique", column="order_id")
    rows = Rows(7, ("order_id",), tuple((f"o{n}",) for n in range(1, 6)))
    assert sentence(unique, NODES, rows) == (
        "No two rows of orders have the same order_id. Broken by: order_id o1, o2, o3, o4, o5 and 2 more."
    )
    two = Rows(2, ("date_day", "currency"), (("2026-03-01", "EUR"), ("2026-03-01", "CHF")))
    assert sentence(check("", description="Odd days."), NODES, two) == (
        "Odd days. Found: date_day 2026-03-01, currency EUR; date_day 2026-03-01, currency CHF."
    )
    assert sentence(unique, NODES, None, 1).endswith("Broken by 1 row.")
    assert sentence(check("", description="Odd.", config={"limit": 9}), NODES, None, 9) == "Odd. Found at least 9 rows."
    assert could_not_run(unique, NODES, "no such\n column.").endswith("not known: no such column.")


@pytest.fixture
def broken(fresh_warehouse):
    """Orders of which o1 is right, o2 twice there, and six more wrong in all other respects."""
    settings = fresh_warehouse.settings
    with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
        connection.execute("create table marts.orders (order_id text, customer_id text, status text, email text)")
        connection.execute("create table marts.lines (line_id text, order_id text, position integer)")
        connection.execute(
            "insert into marts.orders values ('o1', 'c1', 'paid', 'a@b.c'), ('o2', 'c1', 'paid', 'a@b.c')"
        )
        connection.execute("insert into marts.orders values ('o2', 'c1', 'paid', 'a@b.c')")
        connection.execute(
            "insert into marts.orders select 'x' || n, 'nobody', 'a@b.c', null from generate_series(1, 6) as n"
        )
        connection.execute("insert into marts.lines values ('l1', 'o1', 1), ('l2', 'o1', 2)")
    return settings


def told(settings, test, compiled, failures=1):
    with Offenders(settings, NODES | {"test": test}) as offenders:
        return offenders.reason("test", compiled, failures).partition(" Broken by")[2].removeprefix(": ")


SIX = "order_id x1, x2, x3, x4, x5 and 1 more."


@pytest.mark.parametrize(
    ("test", "rows"),
    [
        (check("unique", column="order_id"), "order_id o2."),
        (check("not_null", column="email"), SIX),
        (check("relationships", column="customer_id", to="ref('customers')", field="id"), SIX),
        (check("accepted_values", column="status", values=["paid"]), SIX),
        (
            check("accepted_values", column="status", values=["paid"], config={"where": "order_id < 'x3'"}),
            "order_id x1, x2.",
        ),
    ],
)
def test_the_rows_are_found_by_what_dbt_compiled_even_where_that_returns_no_key(broken, test, rows):
    kind, column = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]["column_name"]
    assert told(broken, test, COMPILED[kind].format(column=column, relation="marts.orders")) == rows


def test_of_the_rows_that_a_query_returns_only_keys_are_told(broken):
    compiled = "select * from marts.orders where email = 'a@b.c' -- as dbt leaves it;"
    assert told(broken, check("row_holds", expression="no"), compiled) == "order_id o1, o2."
    alone = check("", description="Addresses that are there.")
    with Offenders(broken, NODES | {"test": alone}) as offenders:
        assert offenders.reason("test", compiled, 3) == "Addresses that are there. Found: order_id o1, o2."
        no_key = "select email from marts.orders where email = 'a@b.c'"
        assert offenders.reason("test", no_key, 3) == "Addresses that are there. Found 3 rows."


def test_a_join_that_repeats_rows_names_them(broken):
    joined = check("join_keeps_the_rows", to="ref('lines')", condition="facts.order_id = others.order_id")
    assert told(broken, joined, "select 1 as rows_count, 2 as joined_rows_count") == "order_id o1."


def test_a_query_that_takes_too_long_or_fails_leaves_the_rule_and_the_number(broken, monkeypatch):
    monkeypatch.setattr("shop_platform.orchestration.offenders._QUERY_MILLISECONDS", 50)
    slow = "select orders.* from marts.orders as orders, pg_sleep(5)"
    assert told(broken, check("row_holds", expression="no"), slow, 8) == " 8 rows."
    assert told(broken, check("row_holds", expression="no"), "select nonsense", 8) == " 8 rows."
    with Offenders(broken, NODES | {"test": check("row_holds", expression="no")}) as offenders:
        why = offenders.reason("test", "select nonsense from marts.orders", None)
    assert why.endswith('Whether it holds is not known: column "nonsense" does not exist.')


def test_a_question_changes_nothing(broken):
    forbidden = "with gone as (delete from marts.orders returning order_id) select * from gone"
    assert told(broken, check("row_holds", expression="no"), forbidden, 9) == " 9 rows."
    with connect(broken, Role.TRANSFORM) as connection:
        assert connection.execute("select count(*) from marts.orders").fetchone() == (9,)
