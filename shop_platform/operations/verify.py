"""The two invariants together, as ``shop verify`` and the Dagster job ``verify`` ask for them."""

from __future__ import annotations

from shop_platform.operations.differences import MartComparison
from shop_platform.operations.rebuild import RebuildComparison, rebuild_and_compare
from shop_platform.operations.reconcile import Reconciliation, reconcile
from shop_platform.operations.telling import short_i1, short_i2, tell_i1, tell_i2

__all__ = [
    "MartComparison",
    "RebuildComparison",
    "Reconciliation",
    "rebuild_and_compare",
    "reconcile",
    "short_i1",
    "short_i2",
    "tell_i1",
    "tell_i2",
]
