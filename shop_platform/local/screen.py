"""What a person sees in the terminal: progress bars, the status screen, the final account."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from shop_platform.operations.checks import days_as_one, names_of
from shop_platform.operations.status import Status

_GOOD, _BAD, _DIM = "green", "bold red", "dim"
# A shop has dozens of partitions: those that wait longest say enough.
_PARTITIONS_SHOWN = 8
_INCIDENTS_SHOWN = 6
_WARNINGS_SHOWN = 10


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if not task.speed else f"{task.speed:,.0f}/s", style=_DIM)


@contextlib.contextmanager
def progress_bar(label: str, *, enabled: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Give a callback (done, total) that draws a bar on standard error with the rate and the time left."""
    console = Console(stderr=True)
    if not enabled or not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,}"


def _seconds(value: float | None) -> Text:
    if value is None:
        return Text("–", _DIM)
    shown = f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
    return Text(shown, _GOOD if value < 120 else "yellow" if value < 900 else _BAD)


def status_table(
    status: Status, *, partitions: int | None = _PARTITIONS_SHOWN, warnings: int = _WARNINGS_SHOWN
) -> RenderableType:
    """Return counts, lag, freshness and the last runs as a table that fits 80 columns.

    Shows up to so many ``partitions`` that are behind, the longest waiting first; ``None`` shows every partition. Up to
    so many ``warnings`` are told with what they found; 0 counts them only.
    """
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column()
    sent = "no ledger of a producer is here"
    if status.produced is not None:
        sent = f"{_number(status.produced)} messages that Kafka acknowledged to producers with a ledger"
    grid.add_row("Produced", sent)
    grid.add_row(
        "Landed",
        f"{_number(status.landed)} events, {_number(status.duplicates)} duplicates dropped,"
        f" {_number(status.dead_lettered)} dead letters",
    )
    lag = Text(_number(status.lag), _GOOD if not status.lag else "yellow")
    oldest = (", the oldest waits ", _seconds(status.lag_seconds)) if status.lag else ()
    grid.add_row("Lag", Text.assemble(lag, " messages", *oldest))
    if status.components:
        grid.add_row("Services", _components(status))
    grid.add_row("Ingestion", _services(status))
    grid.add_row("Marts", Text.assemble("newest event ", _seconds(status.freshness_seconds), " old"))
    holds = status.reconciled and not status.hours_off if status.reconciled is not None else None
    verdict = {None: ("not checked yet", _DIM), True: ("I1 holds", _GOOD), False: ("I1 IS BROKEN", _BAD)}[holds]
    hours = (f", hours that do not add up: {status.hours_off:,}", _BAD) if status.hours_off else ""
    way = (", `shop verify --only i1` names what", _BAD) if holds is False else ""
    grid.add_row("Reconciled", Text.assemble(verdict, hours, way, f"  {status.reconciled_at or ''}"))
    if status.failed_checks or status.warning_checks:
        counted = Text.assemble(_failing(status), (f", {status.warning_checks} with a warning", "yellow"))
        grid.add_row("Checks", Text("\n").join([counted, *_found_by_hand(status), *_warnings(status, warnings)]))
    if status.incidents:
        grid.add_row("Incidents", _incidents(status))
    blocked = [Text(f"BLOCKED  {sentence}", _BAD) for sentence in status.blockers]
    parts: list[RenderableType] = [*_halts(status), *blocked, grid]
    if lagging := _partitions(status, partitions):
        parts += ["", *lagging]
    if status.runs:
        runs = Table(box=None, padding=(0, 2, 0, 0), header_style=_DIM)
        for heading in ("Last runs", "outcome", "started", "took"):
            runs.add_column(heading)
        for run in status.runs:
            style = {"success": _GOOD, "failure": _BAD}.get(run["status"], "yellow")
            took = f"{run['seconds']:.0f} s" if run["seconds"] is not None else ""
            runs.add_row(run["job"], Text(run["status"].lower(), style), (run["started_at"] or "")[11:19], took)
        parts += ["", runs]
    parts += [Text(problem, _BAD) for problem in status.problems]
    return Group(*parts)


def _components(status: Status) -> Text:
    """Say how many services are up, and each that is not with its reason."""
    away = [each for each in status.components if not each["up"]]
    up = Text(f"{len(status.components) - len(away)} of {len(status.components)} up", _BAD if away else _GOOD)
    return Text("\n").join([up, *(Text(f"{each['service']}: {each['detail']}", _BAD) for each in away)])


def _incidents(status: Status) -> Text:
    """List what is open, a line each with its beginning."""
    lines = []
    for each in status.incidents[:_INCIDENTS_SHOWN]:
        style = _BAD if each["severity"] == "critical" else "yellow"
        lines.append(Text.assemble((f"{each['opened_at'][11:19]} ", _DIM), (each["title"], style)))
        if each["detail"]:
            lines.append(Text(each["detail"], _DIM))
    if more := len(status.incidents) - _INCIDENTS_SHOWN:
        lines += [Text(f"and {more} more", _DIM)] if more > 0 else []
    return Text("\n").join(lines)


def _failing(status: Status) -> Text:
    """Count the failing checks and name them, what touches money first."""
    names = names_of(status.failing_checks)[:_INCIDENTS_SHOWN]
    more = len(status.failing_checks) - len(names)
    named = f" ({', '.join(names)}{f' and {more} more' if more > 0 else ''})" if names else ""
    return Text(f"{status.failed_checks} failing{named}", _BAD if status.failed_checks else _GOOD)


def _found_by_hand(status: Status) -> list[Text]:
    """Name the failing checks that are no incident: only a person's own run has found them."""
    told = {each["incident"] for each in status.incidents}
    rest = [each for each in status.failing_checks if f"check:{each['asset']}:{each['check_name']}" not in told]
    lines = []
    for each in rest[:_INCIDENTS_SHOWN]:
        lines.append(Text(f"{each['check_name']} does not hold for {each['asset']}", _BAD))
        lines.append(Text(each["description"] or "", _DIM))
    return lines


def _warnings(status: Status, most: int) -> list[Text]:
    """Name the checks that warn, each with its sentence, which names some of the rows."""
    lines = []
    told = days_as_one(status.warnings)
    for each in told[:most]:
        lines.append(Text.assemble((each["check_name"], "yellow"), (f" of {each['asset']}", _DIM)))
        lines.append(Text(each["description"] or "", _DIM))
    more = len(told) - most
    return [*lines, Text(f"and {more} more that warn: --json names them", _DIM)] if most and more > 0 else lines


def _services(status: Status) -> Text:
    states = Counter(service["state"] if service["alive"] else "silent" for service in status.services)
    words = Text(", ").join(
        Text(f"{number} {state}", _GOOD if state == "running" else "yellow") for state, number in sorted(states.items())
    )
    what = f" service{'s' * (states.total() != 1)}" if states else "no service"
    return Text.assemble(words, what, f", {status.ingest_rows_per_second:,.0f} rows/s")


def _halts(status: Status) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for halt in status.halts:
        parts.append(Text(f"HALTED since {halt['first_seen_at']}: {halt['message']}", _BAD))
        parts += [Text(halt["resolution"]), ""]
    return parts


def _partitions(status: Status, most: int | None) -> list[RenderableType]:
    rows = status.lag_by_partition
    if most is not None:
        rows = sorted((row for row in rows if row["lag"]), key=lambda row: (-(row["lag_seconds"] or 0), -row["lag"]))
    shown = rows[:most]
    if not shown:
        return []
    table = Table(box=None, padding=(0, 2, 0, 0), header_style=_DIM)
    table.add_column("Partition")
    for heading in ("lag", "waits", "next offset", "end"):
        table.add_column(heading, justify="right")
    for row in shown:
        waits = _seconds(row["lag_seconds"]) if row["lag"] else Text("")
        lag = Text(_number(row["lag"]), "yellow" if row["lag"] else _GOOD)
        table.add_row(f"{row['topic']}/{row['partition']}", lag, waits, str(row["next_offset"]), str(row["end_offset"]))
    behind = sum(bool(row["lag"]) for row in status.lag_by_partition)
    total = f"{behind} of {len(status.lag_by_partition)} partitions behind"
    table.add_row(Text(total, _DIM), Text(_number(status.lag), _DIM), _seconds(status.lag_seconds) if behind else "")
    return [table]


def live_screen(status: Status, urls: Mapping[str, str], memory: Mapping[str, int], notes: list[str]) -> RenderableType:
    """Return the one screen of a running stack."""
    links = Table.grid(padding=(0, 2))
    links.add_column(style="bold")
    links.add_column()
    for name, url in urls.items():
        links.add_row(name, Text(url, "cyan underline"))
    total = sum(memory.values())
    return Group(
        links,
        "",
        # A live stream is a message behind now and then; a table that comes and goes would make the screen jump.
        status_table(status, partitions=0, warnings=0),
        "",
        *[Text(note, "yellow") for note in notes[-3:]],
        Text(f"{total / 1024**2:,.0f} MB in {len(memory)} services · Ctrl-C ends everything", _DIM),
    )


def account(timings: Mapping[str, float], memory: Mapping[str, int]) -> RenderableType:
    """Return where the time went and what each process holds."""
    times = Table(box=None, header_style=_DIM)
    times.add_column("Where the time went")
    times.add_column("s", justify="right")
    for name, seconds in timings.items():
        times.add_row(name, f"{seconds:.1f}")
    times.add_row(Text("total", "bold"), Text(f"{sum(timings.values()):.1f}", "bold"))
    held = Table(box=None, header_style=_DIM)
    held.add_column("What each process holds")
    held.add_column("MB", justify="right")
    for name, size in memory.items():
        held.add_row(name, f"{size / 1024**2:,.0f}")
    held.add_row(Text("total", "bold"), Text(f"{sum(memory.values()) / 1024**2:,.0f}", "bold"))
    both = Table.grid(padding=(0, 6))
    both.add_row(times, held)
    return both
