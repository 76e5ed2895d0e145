"""dagster-dbt without dbt in this process: dbt always runs in a process of its own, and its import costs two seconds.

With dbt-core, dagster-dbt imports it for a few types and to evaluate selections. It works without it too (for dbt
Fusion, which has no Python): with types of its own, and the whole manifest as the only selection; we ask for no other.
Every Dagster process, each run among them, starts three seconds sooner.
"""

from __future__ import annotations

import sys
from importlib.metadata import version

_TELLS_THAT_DBT_IS_THERE = "dbt.version"


def _without_dbt() -> None:
    """Import dagster-dbt while dbt-core looks as if it were not installed."""
    known = sys.modules.get(_TELLS_THAT_DBT_IS_THERE)
    sys.modules[_TELLS_THAT_DBT_IS_THERE] = None  # type: ignore[assignment]
    try:
        import dagster_dbt.compat  # noqa: F401
    finally:
        del sys.modules[_TELLS_THAT_DBT_IS_THERE]
        if known is not None:
            sys.modules[_TELLS_THAT_DBT_IS_THERE] = known


_without_dbt()

from dagster_dbt import (  # noqa: E402
    DagsterDbtCliRuntimeError,
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from dagster_dbt.asset_utils import get_asset_check_key_for_test  # noqa: E402
from dagster_dbt.core import resource as dagster_dbt_resource  # noqa: E402
from dagster_shared.libraries import DagsterLibraryRegistry  # noqa: E402

# What Dagster's UI shows of the versions: it would say "dbt-fusion unknown" only.
DagsterLibraryRegistry.register("dbt-core", version("dbt-core"), is_dagster_package=False)

__all__ = [
    "DagsterDbtCliRuntimeError",
    "DagsterDbtTranslator",
    "DagsterDbtTranslatorSettings",
    "DbtCliInvocation",
    "DbtCliResource",
    "DbtProject",
    "dagster_dbt_resource",
    "dbt_assets",
    "get_asset_check_key_for_test",
]
