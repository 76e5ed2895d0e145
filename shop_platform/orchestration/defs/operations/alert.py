"""Tell somebody: a run that failed, a check that blocks, an asset older than promised."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState

from shop_platform.orchestration.alert_store import claim, keep_in_step, not_told, told
from shop_platform.orchestration.incidents import Incident, failed_checks, failed_jobs, overdue
from shop_platform.orchestration.webhook import message, post
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

INTERVAL_SECONDS = 30
# A tick that has to tell of more than this goes on with the next one: no tick takes longer than four time-outs.
_MESSAGES_PER_TICK = 4


def build_alert_sensor(reasons: Mapping[str, str]) -> dg.SensorDefinition:
    """Return the sensor; ``reasons`` says for each layer of assets why it promises the age it promises."""

    @dg.sensor(
        name="alert",
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps `ops.alerts` and tells `SHOP_ALERT_WEBHOOK_URL` when an incident begins or ends.",
    )
    def alert(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SkipReason:
        keys = context.repository_def.asset_graph.get_all_asset_keys() if context.repository_def else ()
        failing = breaking_their_policy(context.instance, list(keys))
        open_now = look(settings, overdue(failing, reasons))
        url = settings.alert_url
        if not url:
            return dg.SkipReason(f"{open_now} incidents are open (ops.alerts); SHOP_ALERT_WEBHOOK_URL is not set.")
        sent, refused = tell(settings, url)
        return dg.SkipReason(
            f"{open_now} incidents are open; {sent} messages were sent" + (f"; {refused}" if refused else "") + "."
        )

    return alert


def breaking_their_policy(instance: dg.DagsterInstance, keys: list[dg.AssetKey]) -> list[str]:
    """Return those of ``keys`` that Dagster's freshness daemon has found too old."""
    records = instance.get_freshness_state_records(keys)
    return [key.to_user_string() for key, record in records.items() if record.freshness_state is FreshnessState.FAIL]


def look(settings: Settings, late: list[Incident]) -> int:
    """Bring ``ops.alerts`` up to date, ``late`` assets included; return how many incidents are open."""
    with connect(settings, Role.ORCHESTRATOR) as connection:
        runs = failed_jobs(connection)
        checks = failed_checks(connection, told=[run.run_id for run in runs if run.run_id])
        incidents = [*runs, *checks, *late]
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
