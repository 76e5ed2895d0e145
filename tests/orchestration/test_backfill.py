"""``shop backfill`` takes days a shop can have, and says which when it does not."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration.backfill_cli import partitions, span
from shop_platform.orchestration.defs.transformation.assets import load_manifest
from shop_platform.orchestration.defs.transformation.reprocess import events_of
from shop_platform.orchestration.lineage import ColumnLineage
from shop_platform.orchestration.offenders import Offenders

TODAY = dt.date(2026, 11, 24)


def test_one_day_is_a_partition_and_several_are_a_range():
    assert span("2026-11-01", "", TODAY) == (dt.date(2026, 11, 1), dt.date(2026, 11, 1))
    assert partitions(*span("2026-11-01", "", TODAY)) == {"dagster/partition": "2026-11-01"}
    assert partitions(*span("2026-11-01", "2026-11-24", TODAY)) == {
        "dagster/asset_partition_range_start": "2026-11-01",
        "dagster/asset_partition_range_end": "2026-11-24",
    }


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("yesterday", "", "--from 'yesterday' is not a day"),
        ("2026-11-31", "", "--from '2026-11-31' is not a day"),
        ("2026-11-02", "2026-11-01", "--to 2026-11-01 lies before --from 2026-11-02"),
        ("2026-11-01", "2026-11-25", "--to 2026-11-25 is yet to come"),
        ("1999-01-01", "2026-11-01", "lies before 2015-01-01"),
    ],
)
def test_an_impossible_span_is_refused_with_the_option_that_is_wrong(first, last, reason):
    with pytest.raises(ShopError, match=reason) as refused:
        span(first, last, TODAY)
    assert refused.value.exit_code == 2


def test_what_dbt_built_and_judged_is_told_of_each_model(code_locations, tmp_path):
    """Or Dagster would show every check of a model that was built again as not evaluated."""
    manifest = load_manifest(code_locations.manifest_path)
    tests = {node["name"]: node["unique_id"] for node in manifest["nodes"].values() if node["resource_type"] == "test"}
    results = [
        {"unique_id": "model.shop.fct_orders", "status": "success", "failures": None},
        {"unique_id": tests["unique_fct_orders_order_id"], "status": "fail", "failures": 2},
        {"unique_id": tests["not_null_fct_orders_order_id"], "status": "pass", "failures": 0},
        {"unique_id": tests["customers_buy_in_one_currency"], "status": "warn", "failures": 1},
        {"unique_id": "model.shop.fct_refunds", "status": "skipped", "failures": None},
        {"unique_id": tests["unique_fct_refunds_order_refund_id"], "status": "skipped", "failures": None},
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    lineage = ColumnLineage({}, {}, tmp_path / "lineage.json")
    offenders = Offenders(code_locations.settings, manifest["nodes"])
    built, *judged = events_of(manifest, tmp_path, "Built again.", lineage, offenders)
    assert (built.asset_key.path, built.description) == (["marts", "fct_orders"], "Built again.")
    assert [(each.check_name, each.passed, each.severity.value, each.description) for each in judged] == [
        (
            *("unique_fct_orders_order_id", False, "ERROR"),
            "No two rows of fct_orders have the same order_id. Broken by 2 rows.",
        ),
        ("not_null_fct_orders_order_id", True, "ERROR", None),
        (
            *("customers_buy_in_one_currency", False, "WARN"),
            "Customers who bought in several currencies, so that their lifetime sums are converted. Found 1 row.",
        ),
    ]
    assert list(events_of(manifest, tmp_path / "nowhere", "", lineage, offenders)) == [], "dbt never began"
