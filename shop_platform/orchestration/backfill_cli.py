"""``shop backfill``: have Dagster build business days again."""

from __future__ import annotations

import datetime as dt
import json
import sys
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.settings import get_settings


def backfill(
    first: Annotated[str, typer.Option("--from", help="First business day, such as 2026-11-01.")],
    last: Annotated[str, typer.Option("--to", help="Last business day, included; by default the first.")] = "",
    wait: Annotated[bool, typer.Option(help="Follow the run to its end; --no-wait only starts it.")] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Build business days again from raw: every fact with an event of those days, and every roll-up of them.

    One Dagster run for all of them, beside live ingestion; whatever is new is read as well. Safe to repeat.
    Exit code 1: the run failed; each mart is as it was or as it should be.
    """
    from shop_platform.orchestration.launch import launch_job, wait_for_run

    settings = get_settings()
    begin, end = span(first, last, dt.datetime.now(ZoneInfo(settings.shop_tz)).date())
    run_id = launch_job(
        settings, names.JOB_REPROCESS, tags={names.TAG_TRIGGER: "shop backfill"} | partitions(begin, end)
    )
    link = f"{settings.dagster_link}/runs/{run_id}"
    if not json_:
        _say(f"Building {(end - begin).days + 1:,} days again, {begin} to {end}: {link}")
    if not wait:
        _answer(json_, run_id, link, "started", None)
        return
    outcome = wait_for_run(settings, run_id)
    _answer(json_, run_id, link, outcome.status.lower(), outcome.error)
    if not outcome.succeeded:
        raise typer.Exit(1)


def span(first: str, last: str, today: dt.date) -> tuple[dt.date, dt.date]:
    """Return both days; raise :class:`ShopError` when one is no day, they are in the wrong order, or yet to come."""
    begin, end = _day("--from", first), _day("--to", last or first)
    if end < begin:
        raise ShopError(f"--to {end} lies before --from {begin}", "Exchange them.")
    if end > today:
        raise ShopError(f"--to {end} is yet to come", f"Today is {today} in the shop's time zone.")
    return begin, end


def partitions(begin: dt.date, end: dt.date) -> dict[str, str]:
    """Return the tags by which Dagster knows which partitions one run is about."""
    if begin == end:
        return {"dagster/partition": begin.isoformat()}
    return {
        "dagster/asset_partition_range_start": begin.isoformat(),
        "dagster/asset_partition_range_end": end.isoformat(),
    }


def _day(option: str, text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise ShopError(f"{option} {text!r} is not a day", "Write it like 2026-11-01.") from None
    if day < dt.date.fromisoformat(names.FIRST_DAY):
        raise ShopError(f"{option} {day} lies before {names.FIRST_DAY}", "No day before that has a partition.")
    return day


def _answer(json_: bool, run_id: str, link: str, status: str, error: str | None) -> None:
    if json_:
        _say(json.dumps({"run_id": run_id, "url": link, "status": status, "error": error}, indent=2))
    elif status == "success":
        _say("Built and tested.")
    elif status != "started":
        _say(f"The run ended with {status}: {error or 'see the link'}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
