"""Write down which assets break their freshness policy, for whoever tells (``shop monitor``)."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
import httpx
from dagster._core.definitions.freshness import FreshnessState

from shop_platform.errors import ShopError
from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.launch import assets_defined
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

INTERVAL_SECONDS = 30


def build_freshness_sensor(promises: Mapping[str, str]) -> dg.SensorDefinition:
    """Return the sensor; ``promises`` says for each layer of assets why it promises the age it promises."""

    @dg.sensor(
        name="record_freshness",
        minimum_interval_seconds=sensor_interval(INTERVAL_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes the assets that break their freshness policy to `ops.late_assets`.",
    )
    def record_freshness(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
        late = defined(settings, breaking_their_policy(context.instance))
        with connect(settings, Role.ORCHESTRATOR) as connection:
            with connection.cursor() as cursor:
                cursor.executemany(
                    "insert into ops.late_assets (asset, promise) values (%s, %s)"
                    " on conflict (asset) do update set promise = excluded.promise",
                    [[asset, promises.get(asset.split("/")[0], "")] for asset in late],
                )
            connection.execute("delete from ops.late_assets where asset <> all(%s)", [late])
        return dg.SensorResult(skip_reason=f"{len(late)} assets are older than promised (ops.late_assets).")

    return record_freshness


def breaking_their_policy(instance: dg.DagsterInstance) -> list[str]:
    """Return the keys that Dagster's freshness daemon has found too old, of all code locations."""
    records = instance.get_freshness_state_records(list(instance.get_asset_keys()))
    return sorted(
        key.to_user_string() for key, record in records.items() if record.freshness_state is FreshnessState.FAIL
    )


def defined(settings: Settings, assets: list[str]) -> list[str]:
    """Leave out what no code location defines any more: Dagster remembers it until it is wiped."""
    if not assets:
        return []
    try:
        known = assets_defined(settings.dagster_url)
    except (ShopError, httpx.HTTPError):
        return assets
    return [asset for asset in assets if asset in known]
