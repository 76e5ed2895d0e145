"""One import: read everything once to check it, then once more to send it."""

from __future__ import annotations

import contextlib
import datetime as dt
import filecmp
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from shop_platform.errors import ShopError
from shop_platform.events.contract import contract_of
from shop_platform.events.decode import Contract, ContractViolation
from shop_platform.importing.build import Built, Outgoing, build
from shop_platform.importing.compare import Judged, compared
from shop_platform.importing.days import Days
from shop_platform.importing.landed import Warehouse, warehouse
from shop_platform.importing.plan import Plan, read_plan
from shop_platform.importing.records import Entity, Problem, Row
from shop_platform.importing.report import ImportReport
from shop_platform.importing.seen import Earlier, Noted, Seen, thing_of
from shop_platform.importing.sources import (
    Source,
    column_of,
    entities,
    format_of,
    open_source,
    require_columns,
    rows_of,
)
from shop_platform.settings import Settings

Progress = Callable[[int, int], None]
Phase = Callable[[str], AbstractContextManager[Progress]]
_PROGRESS_EVERY = 500
_RECORDS_FOR_NAMES = 100
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True)
class ImportOptions:
    """What was asked for. ``format``: None to tell it from the name; ``rejects``: None for a file beside the input."""

    file: Path
    map: Path
    format: str | None = None
    dry_run: bool = False
    skip_failing: bool = False
    rejects: Path | None = None
    store: str | None = None
    amend: bool = False


@dataclass
class _Job:
    plan: Plan
    source: Source
    report: ImportReport
    phase: Phase
    stop: threading.Event
    contract: Contract
    rejected: set[int] = field(default_factory=set)
    failed: set[int] = field(default_factory=set)
    contradicted: set[int] = field(default_factory=set)
    landed: Warehouse | None = None
    newest: dt.datetime = _EPOCH


@contextlib.contextmanager
def silent(_: str) -> Iterator[Progress]:
    """Show no progress."""
    yield lambda _done, _total: None


def run_import(
    settings: Settings,
    options: ImportOptions,
    *,
    phase: Phase = silent,
    stop: threading.Event | None = None,
    tell: Callable[[ImportReport], None] = lambda _: None,
) -> ImportReport:
    """Check a file against its map and what has landed, and send its events, each entity whole or not at all.

    Nothing is sent in a dry run, nor when an entity fails or contradicts what landed and ``skip_failing`` was not asked
    for. ``stop`` ends the run between two entities; ``tell`` is called with what was found, before anything is sent.
    Raises :class:`ShopError` for a wrong map, file or column (2), and when Kafka fails (1).
    """
    started = time.monotonic()
    if options.rejects and not options.skip_failing:
        raise ShopError("--rejects goes with --skip-failing", "Without it nothing is sent, and nothing is rejected.")
    plan = read_plan(options.map, options.store)
    kind = format_of(options.file, options.format)
    job = _Job(
        plan, open_source(options.file, kind, plan),
        ImportReport(str(options.file), kind, str(options.map), options.dry_run, shop_tz=settings.shop_tz), phase,
        stop or threading.Event(), contract_of(settings),
    )  # fmt: skip
    report, as_checked = job.report, _state(options.file)
    report.amend, report.store = options.amend, plan.store
    with warehouse(settings) as landed:
        _use(job, landed, settings, options)
        _check(job, options)
        tell(report)
        refused = report.failing_entities + report.refused
        if not (report.interrupted or options.dry_run or (refused and not options.skip_failing)):
            if _state(options.file) != as_checked:
                raise _changed(options.file)
            if report.failing_entities:
                _write_rejects(job, options)
            _send(job, settings, options)
    report.seconds = time.monotonic() - started
    return report


def _use(job: _Job, landed: Warehouse | str, settings: Settings, options: ImportOptions) -> None:
    """Take what there is to compare with; without it, say why."""
    report, stored = job.report, None
    if isinstance(landed, str):
        report.not_compared = landed
        if options.amend:
            raise ShopError(f"--amend tells what differs from what landed: {landed}", "Start the stack: shop up.")
    else:
        job.landed, report.compared = landed, True
        stored = landed.shop_tz()
        report.shop_tz = stored or settings.shop_tz
    report.days = Days(report.shop_tz, is_stored=stored is not None)


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _changed(path: Path) -> ShopError:
    return ShopError(f"{path} changed while it was read", "Run it again when the file is complete.", exit_code=1)


def _entities(job: _Job, label: str, rows: Iterator[Row]) -> Iterator[Entity]:
    """Yield the entities of ``rows`` with a progress bar, until the end or ``stop``."""
    with job.phase(label) as progress:
        for entity in entities(rows, job.plan.group_by):
            if job.stop.is_set():
                job.report.interrupted = True
                return
            yield entity
            if entity.number % _PROGRESS_EVERY == 0:
                progress(job.source.done, job.source.size)


def _check(job: _Job, options: ImportOptions) -> None:
    """Build every event without sending one; note what fails and which entities that concerns."""
    with Seen() as seen:
        every = (
            build(job.plan, entity, job.contract) for entity in _entities(job, "checking", _watched(job, options.file))
        )
        for built, judged in compared(job.plan, every, job.landed):
            _check_entity(job, built, judged, seen)


def _check_entity(job: _Job, built: Built, judged: Judged, seen: Seen) -> None:
    report, entity = job.report, built.entity
    report.entities += 1
    report.rows += len(entity.rows)
    if built.left_out is not None:
        report.left_out += 1
        report.left_out_because[built.left_out] += 1
    if entity.key and (earlier := seen.group(entity.key)):
        _reject_split_group(job, built, earlier)
    events = Counter[str]() if built.problems else _note_events(job, built, judged, seen)
    # Of what fails, stays out or is there a second time nothing is made that a note could count.
    notes = built.notes if events or (judged.changes and report.amend) else Counter[str]()
    report.notes += notes
    seen.note(Noted(entity.number, entity.rows[0].number, len(entity.rows), events, notes), entity.key)
    if built.problems:
        _reject(job, entity.number, len(entity.rows), built.problems)
        return
    if judged.differences:
        report.differ(judged.differences)
    if judged.is_other or (judged.changes and not report.amend):
        job.rejected.add(entity.number)
    elif judged.changes:
        report.amended += Counter(change.event_type for change in judged.changes)
    if built.ordered_at and report.days:
        report.days.add(built.ordered_at)
    for event in built.events:
        job.newest = max(job.newest, dt.datetime.fromisoformat(event.event_time))


def _watched(job: _Job, path: Path) -> Iterator[Row]:
    """Yield the rows; where records have their own keys, make sure that some record has each key the map reads."""

    def leave_out() -> None:
        job.report.rows_left_out += 1

    rows = rows_of(job.source, job.plan, leave_out)
    if job.source.columns is not None:
        yield from rows
        job.report.blank_rows = job.source.blank
        return
    missing = {column_of(use.path, job.source) for use in job.plan.uses if not use.optional}
    known: dict[str, None] = {}
    number = 0
    for number, row in enumerate(rows, 1):
        if number <= _RECORDS_FOR_NAMES:
            known |= dict.fromkeys(row.data)
        if missing:
            missing.difference_update(row.data)
        yield row
    job.report.blank_rows = job.source.blank
    if number and known and missing and not job.stop.is_set():
        present = {column_of(use.path, job.source) for use in job.plan.uses} - missing
        require_columns(job.plan, job.source, path, [*known, *present])


def _note_events(job: _Job, built: Built, judged: Judged, seen: Seen) -> Counter[str]:
    """Count an entity's new events; one that contradicts an earlier event of the file makes both entities fail."""
    fresh: Counter[str] = Counter()
    to_send = {event.event_id for event in judged.send}
    if judged.is_other or (judged.changes and not job.report.amend):
        to_send = set()
    repeated = 0
    for event in built.events:
        earlier = seen.event(event, built.entity.number)
        if earlier is None:
            fresh[event.event_type] += event.event_id in to_send
        elif earlier.entity != built.entity.number and (earlier.differs or earlier.entity in job.contradicted):
            _contradict(job, built, event, earlier, seen)
        elif earlier.differs:
            reason = f"{thing_of(event)} is told twice by one record, and differs in {_listed(earlier.differs)}"
            built.problems.append(Problem(event.row, reason, event_type=event.event_type))
        else:
            repeated += 1
    if built.problems:
        return Counter()
    job.report.repeated += repeated
    job.report.events += fresh
    return +fresh


def _contradict(job: _Job, built: Built, event: Outgoing, earlier: Earlier, seen: Seen) -> None:
    """Let two entities fail that tell the same thing differently: nobody knows which of them is right."""
    thing = thing_of(event)
    differs = f"differs there in {_listed(earlier.differs)}" if earlier.differs else "is contradicted by a third row"
    built.problems.append(
        Problem(event.row, f"{thing} is in row {earlier.row} too, and {differs}", event_type=event.event_type)
    )
    job.contradicted |= {built.entity.number, earlier.entity}
    if earlier.entity not in job.failed:
        there = seen.noted(earlier.entity)
        _take_off(job.report, there)
        reason = f"{thing} is in row {event.row} too, and differs there in {_listed(earlier.differs)}"
        _reject(job, there.number, there.rows, [Problem(earlier.row, reason, event_type=event.event_type)])


def _take_off(report: ImportReport, there: Noted) -> None:
    """Count an entity no longer that turns out to fail."""
    report.events -= there.events
    report.notes -= there.notes


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``a, b and c``."""
    shown = [f"`{name}`" for name in names]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _reject_split_group(job: _Job, built: Built, earlier: Noted) -> None:
    """Reject both parts of a group whose rows stand apart: neither is the whole order."""
    reason = f"other rows of '{built.entity.key}' begin at row {earlier.row}: rows of one entity must stand together"
    built.problems.append(Problem(built.entity.rows[0].number, reason, job.plan.group_by or ""))
    if earlier.number not in job.failed:
        _take_off(job.report, earlier)
        _reject(job, earlier.number, earlier.rows, [])


def _reject(job: _Job, number: int, rows: int, problems: list[Problem]) -> None:
    job.rejected.add(number)
    job.failed.add(number)
    job.report.failing_entities += 1
    job.report.failing_rows += rows
    job.report.note(problems)


def _write_rejects(job: _Job, options: ImportOptions) -> None:
    """Write the rows of failing entities, before anything is sent; an older file with other rows is left alone."""
    target = options.rejects or options.file.with_name(f"{options.file.stem}.rejects{options.file.suffix}")
    draft = target.with_name(f"{target.name}.part")
    failing = (
        entity
        for entity in _entities(job, "writing rejects", rows_of(job.source, job.plan))
        if entity.number in job.rejected
    )
    try:
        job.source.write(draft, (row for entity in failing for row in entity.rows))
        if job.report.interrupted:
            return
        if target.exists() and not filecmp.cmp(draft, target, shallow=False):
            raise ShopError(
                f"{target} exists already with other rows", "Move it away, or name another: --rejects FILE."
            )
        draft.replace(target)
    except OSError as error:
        raise ShopError(f"{target} cannot be written: {error.strerror}", "Name another file: --rejects FILE.") from None
    finally:
        draft.unlink(missing_ok=True)
    job.report.rejects = str(target)


def _send(job: _Job, settings: Settings, options: ImportOptions) -> None:
    """Build every event again and send those of entities that did not fail."""
    if not (job.report.events or job.report.amended) or job.report.interrupted:
        return
    from shop_platform.importing.send import sender  # what only checks needs no Kafka client

    with sender(settings, job.plan.source) as out:
        job.report.run = out.run
        every = (
            build(job.plan, entity, job.contract)
            for entity in _entities(job, "sending", rows_of(job.source, job.plan))
            if entity.number not in job.rejected
        )
        for built, judged in compared(job.plan, every, job.landed):
            if built.problems:
                raise _changed(options.file)
            for event in judged.send:
                out.send(event)
            for change in judged.changes if options.amend else ():
                out.send(_checked(job, change.event(job.plan.source, job.newest)))
    job.report.sent = out.acknowledged


def _checked(job: _Job, event: Outgoing) -> Outgoing:
    """Return an event that tells a change; raise :class:`ShopError` when the contract does not take it."""
    try:
        job.contract.decode(event.value, event.topic)
    except ContractViolation as violation:
        raise ShopError(
            f"What changed about {event.thing} is no valid {event.event_type}: {violation}",
            "Leave it out with `leave_out`, or import without --amend.", exit_code=1,
        ) from None  # fmt: skip
    return event
