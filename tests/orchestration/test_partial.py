"""A run that builds some models leaves the tests to others that would compare what was built with what was not."""

from __future__ import annotations

from shop_platform.orchestration.partial import tests_of_two_ages as of_two_ages


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
    assert of_two_ages(MANIFEST, ["stg"]) == of_two_ages(MANIFEST, ["joined"]) == []


def test_everything_is_judged_when_everything_is_built():
    assert of_two_ages(MANIFEST, [name for name, value in NODES.items() if value["resource_type"] == "model"]) == []
