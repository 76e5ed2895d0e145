"""What the desk prints for a person (pure)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from shop_platform.dead_letters.discard import DiscardReport
from shop_platform.dead_letters.edits import difference
from shop_platform.dead_letters.listing import Details, Entry, Group
from shop_platform.dead_letters.reports import FixReport, ReplayReport
from shop_platform.dead_letters.selection import STATUSES
from shop_platform.dead_letters.visible import one_line, shortened, show_value


def _time(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def group_lines(groups: Sequence[Group]) -> Iterator[str]:
    """Yield three lines per cause, and the sum."""
    for group in groups:
        states = ", ".join(f"{getattr(group, name):,} {name}" for name in STATUSES if getattr(group, name))
        where = "  ".join(map(one_line, (group.topic, group.event_type, group.schema_path)))
        yield f"{group.letters:>9,}  {group.error_class}  {where}"
        yield f"           {one_line(group.sentence)}"
        yield (
            f"           {states}; first {_time(group.first_seen)}, last {_time(group.last_seen)} UTC;"
            f" for example {group.example}"
        )
        if group.earlier:
            yield f"           {group.earlier:,} of them came more than ten minutes before most others"
        if 0 < group.with_id < group.letters:
            verb = "carries" if group.with_id == 1 else "carry"
            yield f"           {group.with_id:,} of them {verb} an event id, as a real event does"
    total = sum(group.letters for group in groups)
    sums = f"{'dead letter' if total == 1 else 'dead letters'}, {_counted(len(groups), 'cause')}"
    yield f"{total:>9,}  {sums}" if groups else "No such dead letters."


def entry_lines(entries: Sequence[Entry], limit: int) -> Iterator[str]:
    """Yield one line per letter."""
    for entry in entries:
        state = entry.status if entry.outcome is None else f"{entry.status} ({entry.outcome})"
        yield (
            f"{entry.id:>9}  {state:<20} {entry.topic}/{entry.partition}@{entry.offset}  {_time(entry.received_at)}"
            f"  {entry.error_class}  {one_line(entry.event_type)}  {one_line(entry.schema_path)}"
            f"  {one_line(entry.sentence)}"
        )
    if not entries:
        yield "No such dead letters."
    elif len(entries) == limit:
        yield f"At most {limit} are shown; --limit 0 shows all."


def detail_lines(letter: Details) -> Iterator[str]:
    """Yield everything about one letter."""
    columns = letter.columns
    state = columns["status"] if columns["outcome"] is None else f"{columns['status']} ({columns['outcome']})"
    yield f"dead letter   {columns['id']}, {state}"
    yield (
        f"position      {columns['topic']}, partition {columns['partition']}, offset {columns['offset']}"
        f" (topic id {columns['topic_id']}, incarnation {columns['incarnation']})"
    )
    yield (
        f"event         {one_line(columns['event_type'])} from {one_line(columns['source'])},"
        f" id {columns['event_id'] or '-'}, time {columns['event_time'] or '-'}"
    )
    yield f"received      {columns['received_at']}, sent {columns['message_time'] or '-'}"
    if columns["erased_at"]:
        yield f"erased        {columns['erased_at']}: a customer asked to be forgotten; the content is gone for good"
    yield f"key           {shortened(_bytes(letter.key), '--json')}"
    for name, content in columns["headers"]:
        told = one_line(content if isinstance(content, str) else str(content))
        yield f"header        {shortened(one_line(name), '--json')}: {shortened(told, '--json')}"
    yield f"reason        {columns['error_class']} at {one_line(columns['schema_path'] or '$')}"
    yield f"              {shortened(one_line(columns['error']), '--json')}"
    yield ""
    # A corrected value was valid when it was stored; a replay that refused it put the letter back to open.
    document = letter.document
    faulty = document or letter.value
    if letter.fixed_value is not None and columns["status"] == "open":
        faulty = letter.fixed_value
    values = (
        ("value", letter.value, "--raw"),
        ("the whole event (binary mode: attributes from the headers)", document, "--json"),
        ("corrected value", letter.fixed_value, "--raw --fixed"),
    )
    for title, value, whole in values:
        if value is None and title != "value":
            continue
        yield f"{title} ({len(value or b''):,} bytes)"
        marked = value is faulty
        reason, path = (columns["error"], columns["schema_path"]) if marked else ("", None)
        yield from show_value(value, reason, path, whole)
        yield ""
    yield "history (UTC)" if letter.history else "Nothing has been done about it yet."
    for step in letter.history:
        because = f", because: {one_line(step['because'])}" if step["because"] else ""
        yield (
            f"  {_time(dt.datetime.fromisoformat(step['at']))}  {step['action']}: {step['outcome']}"
            f" by {one_line(step['by'])}{because}"
        )
        if was := step["detail"].get("was"):
            before = shortened(f"{was['error_class']}: {one_line(was['error'])}", "--json")
            yield f"                       before: {before}"


def _bytes(value: bytes | None) -> str:
    if value is None:
        return "-"
    try:
        return one_line(value.decode())
    except UnicodeDecodeError:
        return f"0x{value[:64].hex()}" + ("..." if len(value) > 64 else "")


def replay_lines(report: ReplayReport, *, dry_run: bool) -> Iterator[str]:
    """Yield what a replay did, or would do."""
    would = "would be " if dry_run else ""
    yield (
        f"{_counted(report.looked_at, 'letter')}: {report.landed:,} {would}landed,"
        f" {report.duplicates:,} {would}settled as duplicates (their event had landed),"
        f" {report.still_invalid:,} still invalid"
    )
    for (error_class, event_type, path), count in report.reasons.most_common():
        example = report.examples[error_class, event_type, path]
        yield (
            f"{count:>9,}  {error_class}  {one_line(event_type)}  {one_line(path)}"
            f"  (see `shop dead-letters show {example}`)"
        )
    if report.replayed_before:
        yield f"{report.replayed_before:,} had been replayed before."
    if report.busy:
        yield f"{report.busy:,} {'is' if report.busy == 1 else 'are'} in the hands of another replay."


def fix_lines(report: FixReport, *, dry_run: bool) -> Iterator[str]:
    """Yield what a bulk fix did, or would do, with the first few differences of a dry run."""
    if dry_run:
        for example in report.examples:
            yield f"dead letter {example.letter_id}"
            yield from (f"  {line}" for line in difference(example.before, example.after))
    yield (
        f"{report.fixed:,} {'would be ' if dry_run else ''}fixed, {report.unchanged:,} unchanged,"
        f" {report.still_invalid:,} still invalid, {report.no_document:,} without such a place or no JSON object"
    )
    for (error_class, path), count in report.reasons.most_common():
        problem = report.problems[error_class, path]
        yield f"{count:>9,}  {error_class}  {one_line(path)}  (for example {problem.letter_id})"
        yield f"           {shortened(one_line(problem.sentence), '--json')}"
        yield f"           {problem.advice}"
    if report.fixed and not dry_run:
        yield "Nothing has landed yet: `shop dead-letters replay` does that."


def discard_lines(report: DiscardReport, *, dry_run: bool = False) -> Iterator[str]:
    """Yield what was given up, or would be."""
    if dry_run:
        yield f"{report.discarded:,} would be discarded"
    else:
        yield f"{report.discarded:,} discarded; their bytes stay, `shop dead-letters reopen` takes it back"
    if report.duplicates:
        verb = "would be" if dry_run else "was" if report.duplicates == 1 else "were"
        yield f"{report.duplicates:,} {verb} settled as duplicates instead: their event is in the warehouse."
    if report.unchanged:
        yield f"{report.unchanged:,} had been discarded before."


def reopen_lines(report: DiscardReport, *, dry_run: bool = False) -> Iterator[str]:
    """Yield what waits again, or would."""
    yield f"{report.reopened:,} {'would be ' if dry_run else ''}waiting again"
    if report.unchanged:
        yield f"{report.unchanged:,} were waiting already."
    if report.erased:
        stay = "stays" if report.erased == 1 else "stay"
        yield f"{report.erased:,} {stay} discarded: a customer asked to be forgotten, and the content was erased."
