"""What a webhook (Slack, Mattermost, an incident tool) is told of an incident, and how."""

from __future__ import annotations

from typing import Any

import httpx

from shop_platform.commands import as_called_here
from shop_platform.monitoring.advice import ADVICE
from shop_platform.monitoring.grouping import Alert, Message
from shop_platform.settings import Settings

TIMEOUT_SECONDS = 5.0
_ASSETS_NAMED, _BENEATH_NAMED = 5, 10


def body(message: Message, settings: Settings) -> dict[str, Any]:
    """Return what is posted: ``text`` for people (Slack and its like show it), the rest for programs.

    ``alert_id`` and ``status`` together name a message: whoever must not read one twice goes by them.
    """
    head = message.head
    run = f"{settings.dagster_link}/runs/{head.run_id}" if head.run_id else None
    link = runbook_link(settings, head.runbook)
    means, do = _advice(head, settings)
    return {
        "text": "\n".join(_lines(message, settings, run, link)),
        "status": "resolved" if message.over else "firing",
        "alert_id": head.alert_id,
        "incident": head.incident,
        "severity": head.severity,
        "environment": settings.env.value,
        "title": head.title,
        "reason": head.detail,
        "meaning": means,
        "action": do,
        "assets": list(head.assets),
        "beneath": [
            {"incident": each.incident, "title": each.title, "reason": each.detail} for each in message.beneath
        ],
        "run_url": run,
        "runbook_url": link,
        "opened_at": head.opened_at.isoformat(),
        "resolved_at": _ended(message).isoformat() if message.over else None,
    }


def _lines(message: Message, settings: Settings, run: str | None, link: str) -> list[str]:
    head = message.head
    means, do = _advice(head, settings)
    lines = [f"[{settings.env.value}] [{'resolved' if message.over else head.severity}] {head.title}"]
    if len(head.assets) > 1:
        lines.append(f"assets: {_named(head.assets)}")
    if not message.over:
        lines.append(f"reason: {head.detail}")
        if means:
            lines.append(f"it means: {means}")
        lines.append(f"do: {do}")
        if run:
            lines.append(f"run: {run}")
    lines.append(f"since: {head.opened_at:%Y-%m-%d %H:%M:%S %Z}")
    if message.over:
        lines.append(f"ended: {_ended(message):%Y-%m-%d %H:%M:%S %Z}")
    else:
        lines.append(f"runbook: {link}")
    if message.beneath:
        lines.append(f"{'over ' if message.over else ''}with it, {len(message.beneath)} more:")
        lines += [f"  {each.title}" for each in message.beneath[:_BENEATH_NAMED]]
        if len(message.beneath) > _BENEATH_NAMED:
            lines.append(f"  and {len(message.beneath) - _BENEATH_NAMED} more")
    return lines


def _advice(head: Alert, settings: Settings) -> tuple[str, str]:
    means, do = ADVICE[head.runbook]
    return means, as_called_here(settings, do)


def _ended(message: Message) -> Any:
    return max(each.resolved_at for each in [message.head, *message.beneath] if each.resolved_at is not None)


def runbook_link(settings: Settings, page: str) -> str:
    """Return where a page of ``docs/runbooks`` is found: a link when ``SHOP_RUNBOOK_URL`` is one, else a path."""
    return f"{settings.runbook_url.rstrip('/')}/{page}.md"


def post(url: str, content: dict[str, Any]) -> str | None:
    """Send; return ``None`` when it was taken, else why not, without the address: it is a secret."""
    try:
        answer = httpx.post(url, json=content, timeout=TIMEOUT_SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook cannot be reached ({type(error).__name__})"
    return None if answer.is_success else f"the webhook answered with status {answer.status_code}"


def _named(assets: list[str]) -> str:
    more = len(assets) - _ASSETS_NAMED
    return ", ".join(assets[:_ASSETS_NAMED]) + (f" and {more} more" if more > 0 else "")


def text_of(alert: Alert) -> str:
    """Return an alert in one line, for a terminal or a log."""
    return f"{alert.title}: {alert.detail}" if alert.detail else alert.title
