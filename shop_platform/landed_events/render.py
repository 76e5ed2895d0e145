"""What ``shop events`` prints for a person (pure)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

from shop_platform.dead_letters.visible import one_line, printable
from shop_platform.landed_events.find import Kind, Landed
from shop_platform.landed_events.restore import RestoreReport
from shop_platform.landed_events.retract import RetractReport

WHEN = (
    "The marts follow by themselves: the hot ones within seconds where `shop refresh` runs, every mart within ten"
    " minutes where Dagster runs (job 'transform'). `shop status` shows how far they are."
)


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def event_lines(events: Sequence[Landed], total: int) -> Iterator[str]:
    """Yield everything about each event, and how many more there are."""
    for event in events:
        yield f"event         {event.event_id}"
        yield f"type          {one_line(event.event_type)}, source {one_line(event.source)}"
        yield f"subject       {one_line(event.subject)}, time {_time(event.event_time)} UTC"
        yield (
            f"landed        {event.topic}, partition {event.partition}, offset {event.offset}, at"
            f" {_time(event.ingested_at)} UTC"
        )
        if event.retracted_at is not None:
            yield (
                f"RETRACTED     {_time(event.retracted_at)} UTC by {one_line(event.retracted_by)}, because:"
                f" {one_line(event.because)} (dead letter {event.dead_letter_id})"
            )
        yield "data          without what is personal"
        for line in json.dumps(event.data, indent=2, ensure_ascii=False).splitlines():
            yield f"  {printable(line)}"
        yield ""
    if not events:
        yield "No such events."
    elif total > len(events):
        yield f"{total - len(events):,} more; --limit shows more of them."


def kind_lines(kinds: Sequence[Kind]) -> Iterator[str]:
    """Yield one line per type and source, and the sum."""
    for kind in kinds:
        days = "1 day" if kind.days == 1 else f"{kind.days:,} days"
        yield (
            f"{kind.events:>9,}  {one_line(kind.event_type)}  from {one_line(kind.source)}, on {days}:"
            f" {_time(kind.first)} to {_time(kind.last)} UTC"
        )
    yield f"{sum(kind.events for kind in kinds):>9,}  landed events" if kinds else "No such landed events."


def retract_lines(report: RetractReport, *, dry_run: bool) -> Iterator[str]:
    """Yield what was taken back, or would be."""
    if dry_run:
        yield from kind_lines(report.kinds)
        yield f"{report.retracted:,} would be retracted"
    elif report.retracted:
        yield f"{report.retracted:,} retracted; `shop events restore` lands them again"
    else:
        yield "Nothing was retracted."
    if report.unchanged:
        yield f"{report.unchanged:,} had been retracted before."
    if report.erasures:
        yield f"{report.erasures:,} stay: a customer asked to be forgotten, and what was erased is gone."
    if report.expired:
        yield (
            f"{report.expired:,} stay: retention has removed the beginning of their session, so that it could not be"
            " built again without them."
        )
    if report.retracted and not dry_run:
        yield WHEN


def restore_lines(report: RestoreReport) -> Iterator[str]:
    """Yield what landed again."""
    yield f"{report.restored:,} restored: landed again" if report.restored else "Nothing was restored."
    if report.unchanged:
        yield f"{report.unchanged:,} {'was' if report.unchanged == 1 else 'were'} not retracted."
    if report.restored:
        yield WHEN
