"""``shop events``: landed events from a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_platform.dead_letters.terminal import By, Json, actor, load_settings, print_json, print_lines
from shop_platform.errors import ShopError

if TYPE_CHECKING:
    from shop_platform.landed_events.retract import RetractReport

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

_Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of events.", show_default=False)]
_Source = Annotated[str | None, typer.Option(help="Only from this source, as the events name it.")]
_Type = Annotated[
    str | None, typer.Option("--type", help="Only of this type: order.placed, or shop.order.placed.v1 for one version.")
]
_Subject = Annotated[str | None, typer.Option(help="Only about this order, session, product or customer.")]
_Since = Annotated[
    str | None,
    typer.Option(help="Only with a time in the event since: 2026-11-22T10:00:00Z, or 30m, 24h, 7d before now."),
]
_Until = Annotated[str | None, typer.Option(help="Only with a time before this moment, told like --since.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; kept for good, and seen on screens: nothing personal.")]


@app.command()
def show(
    ids: _Ids = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=10_000)] = 10,
    json_: Json = False,
) -> None:
    """Show landed events: envelope, data, where they landed, who took them back and why. Nothing personal is shown."""
    from shop_platform.landed_events import find, render
    from shop_platform.landed_events.selection import select

    chosen = select(ids=ids or (), source=source, event_type=type_, subject=subject, since=since, until=until)
    events, total = find.show(load_settings(), chosen, max(limit, len(chosen.ids)))
    if json_:
        print_json({"events": [event.as_dict() for event in events], "total": total, "more": total - len(events)})
    else:
        print_lines(render.event_lines(events, total))


@app.command()
def retract(
    reason: _Reason,
    ids: _Ids = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: Json = False,
) -> None:
    """Take landed events back, for a reason: they become dead letters, and what they touched is computed without them.

    What a query selects is shown and asked about first; where nobody can be asked, --yes is needed. Waits for a build
    that is running. `restore` takes it back.
    """
    from shop_platform.landed_events import render
    from shop_platform.landed_events import retract as work
    from shop_platform.landed_events.selection import select

    chosen = select(ids=ids or (), source=source, event_type=type_, subject=subject, since=since, until=until)
    settings = load_settings()
    if not reason.strip():
        raise ShopError("Events are only taken back for a reason", "Say why with --reason.")
    if dry_run:
        report = work.look(settings, chosen)
    else:
        if not (chosen.ids or yes):
            _ask(work.look(settings, chosen), quiet=json_)
        report = work.retract(settings, chosen, actor=actor(by), because=reason, progress=_progress(quiet=json_))
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.retract_lines(report, dry_run=dry_run))


def _ask(found: RetractReport, *, quiet: bool) -> None:
    """Show what a query selects and ask; without a terminal, refuse."""
    from shop_platform.landed_events import render

    if not found.retracted:
        return
    if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ShopError(
            f"Nobody has confirmed that {found.retracted:,} events are to be taken back:\n"
            + "\n".join(f"  {line}" for line in render.kind_lines(found.kinds)),
            "See it with --dry-run, then say --yes.",
        )
    print_lines(render.kind_lines(found.kinds))
    if not typer.confirm(f"Take these {found.retracted:,} events back?"):
        raise typer.Exit(1)


def _progress(*, quiet: bool) -> Any:
    def progress(done: int) -> None:
        if not quiet and sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} events\r")
            sys.stderr.flush()

    return progress


@app.command()
def restore(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of retracted events.")],
    reason: _Reason,
    by: By = "",
    json_: Json = False,
) -> None:
    """Land retracted events again, in their old places and under their old ids. Waits for a build that is running."""
    from shop_platform.landed_events import render
    from shop_platform.landed_events import restore as work
    from shop_platform.landed_events.selection import select

    report = work.restore(load_settings(), select(ids=ids), actor=actor(by), because=reason)
    if json_:
        print_json(report.as_dict())
    else:
        print_lines(render.restore_lines(report))
