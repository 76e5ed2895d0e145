"""Tell a webhook (Slack, Mattermost, an incident tool) of an alert."""

from __future__ import annotations

from typing import Any

import httpx

from shop_platform.orchestration.alert_store import Alert
from shop_platform.settings import Settings

TIMEOUT_SECONDS = 5.0
_ASSETS_NAMED = 5


def message(alert: Alert, settings: Settings) -> dict[str, Any]:
    """Return what is posted: ``text`` for people (Slack and its like show it), the rest for programs.

    ``alert_id`` and ``status`` together name a message: whoever must not read one twice goes by them.
    """
    ended = alert.resolved_at is not None
    run = f"{settings.dagster_link}/runs/{alert.run_id}" if alert.run_id else None
    runbook = f"{settings.runbook_url.rstrip('/')}/{alert.runbook}.md"
    state = "resolved" if ended else alert.severity
    lines = [f"[{settings.env.value}] [{state}] {alert.title}"]
    if alert.assets:
        lines.append(f"assets: {_named(alert.assets)}")
    if alert.detail and not ended:
        lines.append(f"reason: {alert.detail}")
    if run:
        lines.append(f"run: {run}")
    lines.append(f"since: {alert.opened_at:%Y-%m-%d %H:%M:%S %Z}")
    if alert.resolved_at is not None:
        lines.append(f"ended: {alert.resolved_at:%Y-%m-%d %H:%M:%S %Z}")
    else:
        lines.append(f"runbook: {runbook}")
    return {
        "text": "\n".join(lines),
        "status": "resolved" if ended else "firing",
        "alert_id": alert.alert_id,
        "incident": alert.incident,
        "severity": alert.severity,
        "environment": settings.env.value,
        "title": alert.title,
        "reason": alert.detail,
        "assets": list(alert.assets),
        "run_url": run,
        "runbook_url": runbook,
        "opened_at": alert.opened_at.isoformat(),
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
    }


def post(url: str, body: dict[str, Any]) -> str | None:
    """Send; return ``None`` when it was taken, else why not, without the address: it is a secret."""
    try:
        answer = httpx.post(url, json=body, timeout=TIMEOUT_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook cannot be reached ({type(error).__name__})"
    return None if answer.is_success else f"the webhook answered with status {answer.status_code}"


def _named(assets: list[str]) -> str:
    more = len(assets) - _ASSETS_NAMED
    return ", ".join(assets[:_ASSETS_NAMED]) + (f" and {more} more" if more > 0 else "")
