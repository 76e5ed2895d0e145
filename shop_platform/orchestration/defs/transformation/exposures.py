"""The screens at the end of the lineage, as dbt's exposures name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.dagster_dbt_light import DagsterDbtTranslator
from shop_platform.orchestration.freshness import SCREENS


def exposure_assets(manifest: Mapping[str, Any], translator: DagsterDbtTranslator) -> list[dg.AssetSpec]:
    """Return one external asset per exposure of ``manifest``, downstream of the models it reads."""
    specs = []
    for exposure in manifest["exposures"].values():
        owner = exposure["owner"].get("email")
        specs.append(
            dg.AssetSpec(
                key=exposure_key(exposure),
                deps=[
                    translator.get_asset_spec(manifest, parent, None).key for parent in exposure["depends_on"]["nodes"]
                ],
                group_name=names.GROUP_EXPOSURES,
                description=exposure["description"] or exposure.get("label") or exposure["name"],
                kinds={"dashboard"},
                owners=[owner] if owner else [names.TEAM_ANALYTICS],
                freshness_policy=SCREENS.policy(),
                metadata={"url": dg.MetadataValue.url(exposure["url"])} if exposure.get("url") else {},
            )
        )
    return sorted(specs, key=lambda spec: spec.key.to_user_string())


def exposure_key(exposure: Mapping[str, Any]) -> dg.AssetKey:
    """Return ``meta.dagster.asset_key``, else the name split at its first underscore: ``grafana_business`` becomes
    ``grafana/business``.
    """
    meta = exposure.get("config", {}).get("meta") or exposure.get("meta") or {}
    configured = meta.get("dagster", {}).get("asset_key")
    return dg.AssetKey(configured or exposure["name"].split("_", 1))
