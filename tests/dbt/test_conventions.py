"""What every model of the project has to bring along; read from the manifest, so a new model cannot forget it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        *("dim_customers", "dim_products", "dim_date"),
        *("fct_orders", "fct_order_lines", "fct_payments", "fct_refunds", "fct_sessions"),
        *("kpi_daily", "kpi_daily_by_channel", "kpi_daily_by_category", "data_freshness"),
    }


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


def test_incremental_models_delete_and_insert_by_a_key_and_refuse_a_changed_schema(models: list[Any]) -> None:
    incremental = [model for model in models if model.config.materialized == "incremental"]
    assert len(incremental) == 5
    for model in incremental:
        assert model.config.incremental_strategy == "delete+insert", model.name
        assert model.config.unique_key in model.columns, model.name
        assert model.config.on_schema_change == "fail", model.name


def test_no_mart_depends_on_the_clock(models: list[Any]) -> None:
    clock = re.compile(r"\b(now\(|current_(date|time)|clock_timestamp|localtime|random\()", re.IGNORECASE)
    assert [model.name for model in models if clock.search(model.raw_code)] == []


def test_exposures_name_their_asset(_shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    keys = {item.name: item.config.meta["dagster"]["asset_key"] for item in _shop.dbt.manifest.exposures.values()}
    assert keys == {
        "dashboard_overview": ["dashboard", "overview"],
        "grafana_pipeline": ["grafana", "pipeline"],
        "grafana_business": ["grafana", "business"],
    }
