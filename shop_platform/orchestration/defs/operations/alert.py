"""Tell somebody: a run that failed, a check that blocks, an asset older than promised, a code location that is away."""

from __future__ import annotations

import json
from collections.abc import Mapping

import dagster as dg
import httpx
from dagster._core.definitions.freshness import FreshnessState

from shop_platform.errors import ShopError
from shop_platform.orchestration.alert_store import claim, keep_in_step, not_told, told
from shop_platform.orchestration.incidents import Incident, failed_checks, failed_jobs, overdue, unloaded
from shop_platform.orchestration.intervals import sensor_interval
from shop_platform.orchestration.launch import location_errors
from shop_platform.orchestration.text import first_line
from shop_platform.orchestration.webhook import message, post
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

INTERVAL_SECONDS = 30
# A tick that has to tell of more than this goes on with the next one: no tick takes longer than four time-outs.
_MESSAGES_PER_TICK = 4
_WEB_TIMEOUT_SECONDS = 5.0


def build_alert_sensor(reasons: Mapping[str, str]) -> dg.SensorDefinition:
    """Return the sensor; ``reasons`` says for each layer of assets why it promises the age it promises."""

    @dg.sensor(
        name="alert",
        minimum_interval_seconds=sensor_interval(INTERVAL_SECONDS),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps `ops.alerts` and tells `SHOP_ALERT_WEBHOOK_URL` when an incident begins or ends.",
    )
    def alert(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
        # Of all code locations: an asset that is no longer defined is remembered until it is wiped.
        failing = breaking_their_policy(context.instance, list(context.instance.get_asset_keys()))
        away = locations_away(settings)
        # One that is just reloading is away for a moment: what was away at the last tick too is an incident.
        seen = set(json.loads(context.cursor)) if context.cursor else set()
        lasting = {location: error for location, error in away.items() if location in seen}
        open_now = look(settings, [*overdue(failing, reasons), *unloaded(lasting)])
        said = f"{open_now} incidents are open (ops.alerts)"
        if settings.alert_url:
            sent, refused = tell(settings, settings.alert_url)
            said += f"; {sent} messages were sent" + (f"; {refused}" if refused else "")
        else:
            said += "; SHOP_ALERT_WEBHOOK_URL is not set"
        return dg.SensorResult(skip_reason=f"{said}.", cursor=json.dumps(sorted(away)))

    return alert


def breaking_their_policy(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> list[str]:
    """Return those of ``keys`` that Dagster's freshness daemon has found too old."""
    records = instance.get_freshness_state_records(keys)
    return [key.to_user_string() for key, record in records.items() if record.freshness_state is FreshnessState.FAIL]


def locations_away(settings: Settings) -> dict[str, str]:
    """Return why a code location is not loaded, for each that is not; with no name, why the web server does not say."""
    try:
        return location_errors(settings.dagster_url, timeout_seconds=_WEB_TIMEOUT_SECONDS)
    except (ShopError, httpx.HTTPError) as error:
        return {"": f"{settings.dagster_url}: {first_line(str(error)) or type(error).__name__}"}


def look(settings: Settings, found: list[Incident]) -> int:
    """Bring ``ops.alerts`` up to date, with what was ``found`` elsewhere; return how many incidents are open."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        runs = failed_jobs(connection)
        checks = failed_checks(connection, told=[run.run_id for run in runs if run.run_id])
        incidents = [*runs, *checks, *found]
        keep_in_step(connection, incidents)
    return len(incidents)


def tell(settings: Settings, url: str) -> tuple[int, str | None]:
    """Send what is due; return how many messages were taken and why the others were not."""
    sent, refused = 0, None
    for each in claim(settings, _MESSAGES_PER_TICK):
        error = post(url, message(each, settings))
        if error is None:
            told(settings, each)
            sent += 1
        else:
            not_told(settings, each, error)
            refused = error
    return sent, refused
