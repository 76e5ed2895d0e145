"""What ``shop events`` prints for a person (pure)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

from shop_platform.dead_letters.visible import one_line, printable
from shop_platform.landed_events.find import Kind, Landed, Twice
from shop_platform.landed_events.restore import RestoreReport
from shop_platform.landed_events.retract import RetractReport

# So many are named.
_NAMED = 10


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


def events_in_words(count: int, kind: str = "") -> str:
    """Return "1 event", "1,000 landed events"."""
    return f"{count:,} {kind}{' ' if kind else ''}{'event' if count == 1 else 'events'}"


def twice_lines(twice: Sequence[Twice]) -> Iterator[str]:
    """Yield which ids several topics hold an event of, and what that means for the command."""
    for each in twice[:_NAMED]:
        topics = " and ".join(each.topics)
        yield f"{each.event_id} is the id of {len(each.topics)} events, in {topics}: all are meant without --topic."
    if (more := len(twice) - _NAMED) > 0:
        yield f"{more:,} more {'id is that' if more == 1 else 'ids are those'} of several events."


def kind_lines(kinds: Sequence[Kind], what: str = "landed") -> Iterator[str]:
    """Yield one line per type and source, and the sum of these ``what`` (landed, retracted) events."""
    for kind in kinds:
        days = "1 day" if kind.days == 1 else f"{kind.days:,} days"
        yield (
            f"{kind.events:>9,}  {one_line(kind.event_type)}  from {one_line(kind.source)}, on {days}:"
            f" {_time(kind.first)} to {_time(kind.last)} UTC"
        )
    total = sum(kind.events for kind in kinds)
    yield f"{total:>9,}  {what} {'event' if total == 1 else 'events'}" if kinds else f"No such {what} events."


def retract_lines(report: RetractReport, *, dry_run: bool) -> Iterator[str]:
    """Yield what was taken back, or would be."""
    if dry_run:
        yield from kind_lines(report.kinds)
        yield from twice_lines(report.twice)
        yield f"{report.retracted:,} would be retracted"
    elif report.retracted:
        yield f"{report.retracted:,} retracted; `shop events restore` lands them again"
    else:
        yield "Nothing was retracted."
    if report.unchanged:
        yield f"{report.unchanged:,} had been retracted before."
    if report.erasures:
        stay = _stay(report.erasures)
        yield f"{report.erasures:,} {stay}: a customer asked to be forgotten, and what was erased is gone."
    if report.expired:
        yield (
            f"{report.expired:,} {_stay(report.expired)}: retention has removed the beginning of the session, which"
            " could not be built again without it."
        )


def _stay(count: int) -> str:
    return "stays" if count == 1 else "stay"


def restore_lines(report: RestoreReport, *, dry_run: bool) -> Iterator[str]:
    """Yield what landed again, or would."""
    if dry_run:
        yield from kind_lines(report.kinds, "retracted")
        yield from twice_lines(report.twice)
        yield f"{report.restored:,} would be restored"
    else:
        yield f"{report.restored:,} restored: landed again" if report.restored else "Nothing was restored."
    if report.unchanged:
        yield f"{report.unchanged:,} {'was' if report.unchanged == 1 else 'were'} not retracted."
