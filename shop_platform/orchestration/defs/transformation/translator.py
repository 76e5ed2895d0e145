"""How a dbt node looks in Dagster: key, group, owner, freshness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from shop_platform.orchestration import names
from shop_platform.orchestration.dagster_dbt_light import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject
from shop_platform.orchestration.freshness import MODELS, NIGHTLY
from shop_platform.orchestration.rules import rule


class ShopTranslator(DagsterDbtTranslator):
    """Keys are ``<layer>/<model>``; the layer (the model's first folder) is also the group."""

    def __init__(self) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Add what dbt does not know: the service level, and that a run of everything reads the topics first."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.startswith("model.") and reads_a_source(manifest["nodes"][unique_id]):
            spec = spec.merge_attributes(deps=[names.ALL_TOPICS_KEY])
        if spec.freshness_policy is not None or unique_id.startswith("source."):
            return spec
        level = NIGHTLY if is_nightly(manifest["nodes"][unique_id]) else MODELS
        return spec.replace_attributes(freshness_policy=level.policy())

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return ``<layer>/<model>`` for a model, ``meta.dagster.asset_key`` or ``raw/<table>`` for a source."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey([layer(dbt_resource_props), dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the layer."""
        return layer(dbt_resource_props)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        """Describe every test by the rule that it holds; few have a description of their own."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        return spec._replace(description=rule(manifest["nodes"][unique_id], manifest["nodes"]))

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        """Return the owners dbt names, else the analysts."""
        return super().get_owners(dbt_resource_props) or [names.TEAM_ANALYTICS]

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return dbt's description without the SQL: the manifest has it, and the code server's memory is dear."""
        return str(dbt_resource_props.get("description") or f"dbt {dbt_resource_props['name']}")


def reads_a_source(dbt_resource_props: Mapping[str, Any]) -> bool:
    """Tell whether a model is built of raw tables."""
    return any(node.startswith("source.") for node in dbt_resource_props["depends_on"]["nodes"])


def is_nightly(dbt_resource_props: Mapping[str, Any]) -> bool:
    """Tell whether a model waits for the night instead of following the events."""
    return names.TAG_NIGHTLY in dbt_resource_props["tags"]


def layer(dbt_resource_props: Mapping[str, Any]) -> str:
    """Return the first folder below the project: ``staging``, ``intermediate``, ``marts``, or a resource type."""
    fqn: list[str] = dbt_resource_props["fqn"]
    return fqn[1] if len(fqn) > 2 else str(dbt_resource_props["resource_type"])
