"""After an import: have every mart built, those that otherwise wait for the night too, or say what comes when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.launch import launch_job, wait_for_run
from shop_platform.settings import Settings

Progress = Callable[[int, int], None]

_ANSWER_SECONDS = 10


def build_everything(settings: Settings, progress: Progress = lambda _done, _total: None) -> dict[str, Any]:
    """Start the job that lands and builds everything, and follow it to its end.

    Return its ``run_id``, ``url`` and ``status``, and ``error``; only a ``reason`` when no run could be started. What
    was sent is in Kafka in any case: nothing here is an error of the import.
    """
    # The default address may be that of another stack on this machine.
    if "dagster_url" not in settings.model_fields_set:
        return {"reason": "No stack is known here (SHOP_DAGSTER_URL)."}
    try:
        httpx.get(f"{settings.dagster_url}/server_info", timeout=_ANSWER_SECONDS)
        run_id = launch_job(settings, names.JOB_FULL_PIPELINE, tags={names.TAG_TRIGGER: "shop import"})
    except (httpx.HTTPError, ShopError) as error:
        return {"reason": f"Dagster at {settings.dagster_url} started no run: {str(error).splitlines()[0]}."}
    found: dict[str, Any] = {"run_id": run_id, "url": f"{settings.dagster_link}/runs/{run_id}", "error": None}
    try:
        outcome = wait_for_run(settings, run_id, on_event=progress)
    except ShopError as error:
        return found | {"status": "unknown", "error": error.message}
    return found | {"status": outcome.status.lower(), "error": outcome.error}


def sentence(built: dict[str, Any] | None, shop_tz: str) -> str:
    """Say what was built, or when it will be; ``None``: nobody asked for a build."""
    if built and built.get("status") == "success":
        return f"Every mart is built: {built['url']}"
    if built and "run_id" in built:
        return (
            f"The build of every mart ended as {built['status']}: {built['error'] or 'see its run'}. {built['url']}\n"
            f"The events are in Kafka. {_when(shop_tz)}"
        )
    return f"{built['reason']} {_when(shop_tz)}" if built else _when(shop_tz)


def _when(shop_tz: str) -> str:
    return (
        "The marts follow once the events have landed; cohort_retention and basket_affinity, which are built once a"
        f" night, half an hour after midnight of {shop_tz} (at once: Dagster's job {names.JOB_FULL_PIPELINE})."
    )
