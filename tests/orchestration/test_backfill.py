"""``shop backfill`` takes days a shop can have, and says which when it does not."""

from __future__ import annotations

import datetime as dt

import pytest

from shop_platform.errors import ShopError
from shop_platform.orchestration.backfill_cli import partitions, span
from shop_platform.orchestration.defs.transformation.reprocess import built_models

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


def test_models_that_dbt_built_are_told_and_tests_are_not():
    results = [
        {"unique_id": "model.shop.fct_orders", "status": "success"},
        {"unique_id": "model.shop.fct_refunds", "status": "skipped"},
        {"unique_id": "test.shop.unique_order", "status": "pass"},
    ]
    assert built_models({"results": results}) == ["model.shop.fct_orders"]
