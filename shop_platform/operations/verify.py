"""The two invariants together, as ``shop verify`` and the Dagster job ``verify`` ask for them."""

from __future__ import annotations

from shop_platform.operations.rebuild import MartComparison, RebuildComparison, rebuild_and_compare
from shop_platform.operations.reconcile import Reconciliation, reconcile

__all__ = ["MartComparison", "RebuildComparison", "Reconciliation", "rebuild_and_compare", "reconcile"]
