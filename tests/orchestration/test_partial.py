"""A run that builds some models leaves the tests to others that would compare what was built with what was not."""

from __future__ import annotations

from shop_platform.orchestration.partial import tests_of_two_ages as of_two_ages
from shop_platform.orchestration.partial import views_above


def node(kind, *parents, materialized="table"):
    return {"resource_type": kind, "depends_on": {"nodes": list(parents)}, "config": {"materialized": materialized}}


NODES = {
    "stg": node("model", "source.orders", materialized="view"),
    "facts": node("model", "stg", materialized="incremental"),
    "by_day": node("model", "facts"),
    "products": node("model", "stg"),
    "joined": node("model", "facts", "products", materialized="view"),
    "unique_facts": node("test", "facts"),
    "stg_is_known": node("test", "stg", "source.orders"),
    "facts_agree_with_source": node("test", "facts", "source.orders"),
    "days_add_up_to_facts": node("test", "by_day", "facts"),
    "joined_is_whole": node("test", "joined"),
    "facts_have_products": node("test", "facts", "products"),
}
MANIFEST = {"nodes": {name: value | {"name": name, "unique_id": name} for name, value in NODES.items()}}


def test_a_table_is_judged_alone_and_against_what_it_is_built_of():
    assert of_two_ages(MANIFEST, ["by_day"]) == []
    assert of_two_ages(MANIFEST, ["facts"]) == ["days_add_up_to_facts", "facts_have_products", "joined_is_whole"]


def test_both_sides_of_a_comparison_are_judged_when_both_are_built():
    assert of_two_ages(MANIFEST, ["facts", "by_day"]) == ["facts_have_products", "joined_is_whole"]
    assert of_two_ages(MANIFEST, ["facts", "products"]) == ["days_add_up_to_facts"]


def test_a_view_is_as_old_as_the_tables_below_it():
    assert of_two_ages(MANIFEST, ["products", "joined"]) == ["facts_have_products", "joined_is_whole"]
    assert of_two_ages(MANIFEST, ["stg"]) == []
    assert of_two_ages(MANIFEST, ["joined"]) == ["joined_is_whole"], "of two tables, one of which may be newer"


def test_a_table_that_reads_what_has_come_since_is_not_held_against_an_older_one_that_it_also_reads():
    """A click on the orders, whose new ones have no lines yet: `fct_orders` reads both the events and the lines."""
    more = {
        "lines": node("model", "stg"),
        "orders": node("model", "stg", "lines"),
        "summary": node("model", "orders"),
        "orders_equal_lines": node("test", "orders", "lines"),
        "summary_equals_orders": node("test", "summary", "orders"),
        "summary_equals_lines": node("test", "summary", "lines"),
    }
    manifest = {"nodes": {name: value | {"name": name} for name, value in ({"stg": NODES["stg"]} | more).items()}}
    assert of_two_ages(manifest, ["orders"]) == ["orders_equal_lines", "summary_equals_orders"]
    assert of_two_ages(manifest, ["summary"]) == ["summary_equals_lines"], "the orders may be newer than the lines"
    assert of_two_ages(manifest, ["orders", "summary"]) == ["orders_equal_lines", "summary_equals_lines"]
    assert of_two_ages(manifest, ["lines", "orders", "summary"]) == []


def test_a_table_of_several_others_is_held_against_one_of_them_when_one_build_made_them():
    more = {
        "products": node("model", "stg"),
        "calendar": node("model"),
        "cohorts": node("model", "facts", "products", "calendar"),
        "cohorts_add_up_to_facts": node("test", "cohorts", "facts"),
    }
    nodes = {"stg": NODES["stg"], "facts": NODES["facts"]} | more
    manifest = {"nodes": {name: value | {"name": name} for name, value in nodes.items()}}
    assert of_two_ages(manifest, ["cohorts"]) == ["cohorts_add_up_to_facts"], "nobody knows"
    assert of_two_ages(manifest, ["cohorts"], {"facts": "a", "products": "b"}) == ["cohorts_add_up_to_facts"]
    assert of_two_ages(manifest, ["cohorts"], {"facts": "a", "products": "a"}) == [], "a calendar has no age"


def test_the_views_that_read_a_view_are_made_again_with_it():
    """Dropping `stg` drops them; a table stays, and keeps what reads it."""
    views = {
        "stg": node("model", "source.orders", materialized="view"),
        "int": node("model", "stg", materialized="view"),
        "above": node("model", "int", "facts", materialized="view"),
        "facts": node("model", "stg", materialized="incremental"),
        "products": node("model", "stg"),
        "of_products": node("model", "products", materialized="view"),
        "of_facts": node("model", "facts", materialized="view"),
    }
    manifest = {"nodes": {name: value | {"name": name, "unique_id": name} for name, value in views.items()}}
    assert views_above(manifest, ["stg"]) == ["above", "int"]
    assert views_above(manifest, ["stg", "int"]) == ["above"]
    assert views_above(manifest, ["facts"]) == [], "an incremental table stays where it is"
    assert views_above(manifest, ["products"]) == ["of_products"]


def test_everything_is_judged_when_everything_is_built():
    assert of_two_ages(MANIFEST, [name for name, value in NODES.items() if value["resource_type"] == "model"]) == []
