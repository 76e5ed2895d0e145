"""What every model of the project has to bring along; read from the manifest, so a new model cannot forget it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shop_platform.operations.mart_keys import readable_key
from shop_platform.operations.rebuild import LOGS
from tests.dbt.project import PROJECT, Shop


@pytest.fixture
def models(_shop: Shop) -> list[Any]:
    assert _shop.dbt.manifest is not None
    return [node for node in _shop.dbt.manifest.nodes.values() if node.resource_type == "model"]


@pytest.fixture
def marts(models: list[Any]) -> list[Any]:
    return [model for model in models if model.fqn[1] == "marts"]


def test_the_marts_are_the_ones_other_rooms_rely_on(marts: list[Any]) -> None:
    assert {mart.name for mart in marts} == {
        *("dim_customers", "dim_products", "dim_product_history", "dim_date", "dim_channels", "dim_geography"),
        *("dim_exchange_rates", "fct_orders", "fct_order_lines", "fct_order_status_history", "fct_customer_orders"),
        *("fct_payments", "fct_refunds", "fct_refund_lines", "fct_discounts", "fct_inventory_levels"),
        *("fct_sessions", "fct_events", "fct_carts", "fct_abandoned_carts", "funnel_daily"),
        *("fct_marketing_touches", "fct_attribution", "channel_performance"),
        *("cohort_retention", "product_performance", "basket_affinity"),
        *("kpi_daily", "kpi_daily_by_channel", "kpi_daily_by_category", "kpi_daily_by_country", "kpi_daily_by_device"),
        *("kpi_daily_versions", "kpi_restatements", "kpi_day_status", "fct_late_events"),
        *("kpi_hourly", "data_freshness", "data_quality_scorecard"),
    }


def test_a_row_of_every_mart_has_a_name_that_a_person_can_read(marts: list[Any]) -> None:
    for mart in marts:
        hashed = {name for name, column in mart.columns.items() if column.description.startswith("Key made of")}
        key = readable_key(mart.to_dict(omit_none=True))
        assert set(key) - hashed, (mart.name, key)


def test_every_model_says_its_grain_and_describes_every_column(models: list[Any], shop: Shop) -> None:
    shop.dbt.run()
    in_database: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in shop.rows(
        "select table_schema, table_name, column_name from information_schema.columns"
        " where table_schema in ('staging', 'intermediate', 'marts')"
    ):
        in_database.setdefault((schema, table), set()).add(column)

    for model in models:
        assert re.match(r"One row per \w+", model.description), model.name
        documented = {name for name, column in model.columns.items() if column.description.strip()}
        assert documented == in_database[model.schema, model.name], model.name


# What `net` means differs by table; whoever reads one column must not need to know another.
_REFUNDS = re.compile(r"\b(before|after) refunds\b|before discounts and refunds")
_OF_REFUNDS = re.compile(r"(^|_)(net|gross|total|margin|revenue|average_order_value)(_|$)")


def test_every_amount_says_whether_refunds_are_taken_off(marts: list[Any]) -> None:
    amounts = [
        (mart.name, name, column.description)
        for mart in marts
        for name, column in mart.columns.items()
        if column.data_type == "numeric" and _OF_REFUNDS.search(name) and not name.startswith("refund")
    ]
    assert len(amounts) > 60
    assert [each for each in amounts if not _REFUNDS.search(each[2])] == []
    nets = [each for each in amounts if re.search(r"(^|_)net_amount$", each[1])]
    assert len(nets) > 15
    assert [each for each in nets if not re.search(r"without tax", each[2]) or "cancelled" not in each[2]] == []


def test_every_model_has_an_owner_and_a_file_of_its_own(models: list[Any]) -> None:
    for model in models:
        assert model.config.group in {"analytics", "data_platform"}, model.name
        assert Path(model.patch_path.removeprefix("shop://")).name == f"{model.name}.yml"
        described = yaml.safe_load((PROJECT / model.patch_path.removeprefix("shop://")).read_text(encoding="utf-8"))
        assert [entry["name"] for entry in described["models"]] == [model.name]


def test_every_mart_has_an_enforced_contract_with_one_primary_key_that_is_tested(marts: list[Any], _shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    tests = [node for node in _shop.dbt.manifest.nodes.values() if node.resource_type == "test"]
    for mart in marts:
        assert mart.config.contract.enforced, mart.name
        keys = [
            name
            for name, column in mart.columns.items()
            if "primary_key" in [constraint.type.value for constraint in column.constraints]
        ]
        assert len(keys) == 1, mart.name
        checked = {
            test.test_metadata.name
            for test in tests
            if hasattr(test, "test_metadata") and test.attached_node == mart.unique_id and test.column_name == keys[0]
        }
        assert checked >= {"unique", "not_null"}, mart.name


def test_every_table_opens_its_window_and_records_its_watermark(models: list[Any]) -> None:
    for model in models:
        if model.config.materialized == "view":
            continue
        before = [hook.sql for hook in model.config.pre_hook]
        after = [hook.sql for hook in model.config.post_hook]
        assert "{{ lock_model() }}" in before and "{{ open_window() }}" in before, model.name
        assert "{{ record_watermark() }}" in after, model.name


def test_whatever_reads_a_source_stops_at_the_ceiling(models: list[Any]) -> None:
    for model in models:
        if any(parent.startswith("source.") for parent in model.depends_on.nodes):
            assert model.fqn[1] == "staging", f"{model.name} reads a source beside staging"
            assert "{{ below_ceiling(" in model.raw_code, model.name


def test_facts_delete_and_insert_by_a_key_and_roll_ups_by_day(models: list[Any]) -> None:
    incremental = [model for model in models if model.config.materialized == "incremental"]
    assert len(incremental) >= 20
    for model in incremental:
        assert model.config.on_schema_change == "fail", model.name
        if model.config.incremental_strategy == "append":
            hooks = [hook.sql for hook in model.config.pre_hook]
            assert any("open_changed_days(" in hook for hook in hooks), model.name
            assert hooks[-1] == "{{ clear_changed_days() }}", model.name
        else:
            assert model.config.incremental_strategy == "delete+insert", model.name
            assert model.config.unique_key in model.columns, model.name


def test_every_fact_of_a_roll_up_notes_its_days(models: list[Any]) -> None:
    by_name = {model.name: model for model in models}
    for model in models:
        for hook in model.config.pre_hook:
            for fact, day in re.findall(r"'(\w+)': '(\w+)'", hook.sql):
                assert by_name[fact].config.meta["day_column"] == day, (model.name, fact)
                assert day in by_name[fact].columns


def test_only_logs_survive_a_full_refresh_and_verification_carries_them_over(models: list[Any]) -> None:
    assert {model.name for model in models if model.config.full_refresh is False} == set(LOGS)
    # Only a log may know when its run began.
    asking = {model.name for model in models if "published_at()" in model.raw_code}
    assert asking <= set(LOGS)


def test_no_mart_depends_on_the_clock(models: list[Any]) -> None:
    clock = re.compile(r"\b(now\(|current_(date|time)|clock_timestamp|localtime|random\()", re.IGNORECASE)
    assert [model.name for model in models if clock.search(model.raw_code)] == []


# What somebody could get wrong; a model without any of it only renames, casts and filters.
_LOGIC = re.compile(
    r"\b(case|over|join|union|distinct|group by)\b|\bkpi_split\(|\bday_spine\(|\bexchange_rates_on\(", re.IGNORECASE
)
# Shows a list as it is; the list's own model has the test.
_WITHOUT_LOGIC = {"dim_exchange_rates"}


def test_every_model_with_logic_has_a_unit_test_and_its_incremental_branch_another(
    models: list[Any], _shop: Shop
) -> None:
    assert _shop.dbt.manifest is not None
    branches: dict[str, set[Any]] = {}
    for each in _shop.dbt.manifest.unit_tests.values():
        overridden = each.overrides.macros if each.overrides else {}
        branches.setdefault(each.model, set()).add(overridden.get("is_incremental"))
    with_logic = [model for model in models if _LOGIC.search(re.sub(r"--[^\n]*", "", model.raw_code))]
    assert len(with_logic) > 40
    assert {model.name for model in with_logic} - _WITHOUT_LOGIC - branches.keys() == set()
    incremental = {model.name for model in models if model.config.materialized == "incremental"}
    assert {name for name in incremental if True not in branches.get(name, set())} == set()


def test_every_model_says_which_layer_it_is_of(models: list[Any]) -> None:
    for model in models:
        assert model.fqn[1] in model.tags, model.name


def test_every_data_test_has_a_severity_and_a_warning_keeps_its_rows(_shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    tests = [node for node in _shop.dbt.manifest.nodes.values() if node.resource_type == "test"]
    for test in tests:
        assert "severity" in test.unrendered_config, f"{test.name}: not decided, dbt's own default"
        if test.config.store_failures:
            assert test.schema == "test_failures" and test.config.limit, test.name
    # What the shop tells and no model can mend. A new one needs a line in DECISIONS.md, "Tests".
    warning = [test for test in tests if test.config.severity.lower() == "warn"]
    # A clock that is far off: its test returns nothing but days, so there is nothing to keep.
    of_days = {test.name for test in tests if "_date_day__ref_dim_date_" in test.name}
    assert len(of_days) > 20
    warnings = {test.name for test in warning} - of_days
    assert of_days <= {test.name for test in warning}
    assert warnings == {
        *("customers_buy_in_one_currency", "events_wait_for_their_order", "orders_change_status_as_they_may"),
        *("orders_in_a_currency_without_a_rate", "orders_use_the_listed_exchange_rates"),
        *("fct_inventory_levels_are_not_below_zero", "fct_orders_is_paid_what_it_costs"),
        *("fct_payments_is_in_the_currency_of_its_order", "fct_refunds_is_in_the_currency_of_its_order"),
        *("fct_refunds_gives_back_no_more_than_was_paid", "fct_refund_lines_stay_within_the_refunds"),
        *("fct_orders_states_what_its_lines_add_up_to", "fct_orders_total_adds_up", "fct_orders_discount_within_gross"),
        *("fct_order_lines_discount_within_gross", "fct_discounts_within_gross"),
        *("fct_orders_refunds_stay_within_the_order", "kpi_daily_margin_speaks_for_no_more_than_was_sold"),
        *("fct_orders_amounts_can_be_converted", "dim_customers_lifetime_values_are_known"),
        *("fct_orders_events_agree", "fct_refund_lines_is_of_a_product_that_was_sold"),
        *("fct_payments_events_agree", "fct_refunds_events_agree", "fct_sessions_events_agree"),
        *("fct_marketing_touches_events_agree", "dim_customers_events_agree", "dim_products_events_agree"),
        *("fct_refund_lines_name_the_line_that_sold_their_product", "fct_refund_lines_stay_within_the_order_line"),
        "fct_refunds_gives_back_no_more_shipping_than_was_charged",
    }
    assert warnings <= {test.name for test in tests if test.config.store_failures}
