"""Which files of tests take longest: they begin first where several processes share the tests."""

from __future__ import annotations

# Minutes of one of two processes on two cores. Only the order matters, so a file that is not here need not be.
_MINUTES = {
    "test_platform.py": 9,
    "test_promises.py": 8,
    "test_survival.py": 7,
    "test_shop_pipeline.py": 5,
    "test_demo.py": 5,
    "test_order_marts.py": 9,
    "test_restatements.py": 8,
    "test_web_marts.py": 7,
    "test_dbt_build.py": 6,
    "test_incremental_equals_full_refresh.py": 5,
    "test_reprocess.py": 4,
    "test_odd_shops.py": 4,
    "test_time.py": 4,
    "test_changed_days.py": 4,
    "test_customer_product_marts.py": 3,
    "test_versions.py": 3,
    "test_erase.py": 2,
}


def rank(group: str) -> int:
    """Return the place of a group of tests (a file's name); the lowest comes first."""
    return -_MINUTES.get(group, 0)
