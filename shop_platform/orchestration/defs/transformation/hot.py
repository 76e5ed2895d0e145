"""Asset checks of the hot marts: did the resident refresher's last build of each go well?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from shop_platform.refresh.attempts import CHECK, Attempt, attempts
from shop_platform.settings import Settings

_TABLES = {"table", "incremental"}


def hot_models(manifest: Mapping[str, Any]) -> list[str]:
    """Return the names of the tables that the refresher builds: those tagged ``hot``."""
    return sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and "hot" in node["tags"] and node["config"]["materialized"] in _TABLES
    )


def build_hot_checks(models: Sequence[str]) -> dg.AssetChecksDefinition:
    """Return one check per hot model; the refresher reports the same ones itself whenever they change."""
    specs = [
        dg.AssetCheckSpec(
            CHECK, asset=["marts", model], description="The resident refresher's last build of it went well."
        )
        for model in models
    ]

    @dg.multi_asset_check(name="check_refresher", specs=specs, can_subset=True)
    def hot_checks(
        context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge each hot model by its last attempt."""
        known = attempts(settings)
        for key in sorted(context.selected_asset_check_keys, key=lambda key: key.to_user_string()):
            yield judge(key.asset_key, known.get(f"marts.{key.asset_key.path[-1]}"))

    return hot_checks


def judge(asset: dg.AssetKey, attempt: Attempt | None) -> dg.AssetCheckResult:
    """ERROR when the last attempt failed; a model that no refresher ever built is nobody's failure."""
    failed = attempt is not None and attempt.failures > 0
    return dg.AssetCheckResult(
        passed=not failed,
        asset_key=asset,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        description=(
            f"The refresher could not build {asset.path[-1]} ({attempt.failures} times in a row): {attempt.error}"
            if attempt and failed
            else None
        ),
    )
