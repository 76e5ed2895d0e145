"""``shop events``: landed events from a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_platform.errors import ShopError

if TYPE_CHECKING:
    from shop_platform.landed_events.retract import RetractReport
    from shop_platform.settings import Settings

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
_By = Annotated[str, typer.Option(help="Who decides; default: you, on this machine.", show_default=False)]
_Reason = Annotated[str, typer.Option("--reason", help="Why; kept for good, and seen on screens: nothing personal.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _settings() -> Settings:
    from shop_platform.logs import configure_logging
    from shop_platform.settings import get_settings

    settings = get_settings()
    configure_logging(settings)
    return settings


def _actor(by: str) -> str:
    from shop_platform.dead_letters.audit import default_actor

    return by.strip() or default_actor()


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        # What a stranger sent may hold characters that this terminal's encoding lacks.
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> str:
    return str(value.isoformat() if hasattr(value, "isoformat") else value)


@app.command()
def show(
    ids: _Ids = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=10_000)] = 10,
    json_: _Json = False,
) -> None:
    """Show landed events: envelope, data, where they landed, who took them back and why. Nothing personal is shown."""
    from shop_platform.landed_events import find, render
    from shop_platform.landed_events.selection import select

    chosen = select(ids=ids or (), source=source, event_type=type_, subject=subject, since=since, until=until)
    events, total = find.show(_settings(), chosen, max(limit, len(chosen.ids)))
    if json_:
        _print_json({"events": [event.as_dict() for event in events], "total": total, "more": total - len(events)})
    else:
        _print(render.event_lines(events, total))


@app.command()
def retract(
    reason: _Reason,
    ids: _Ids = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    by: _By = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_: _Json = False,
) -> None:
    """Take landed events back, for a reason: they become dead letters, and what they touched is computed without them.

    What a query selects is shown and asked about first; where nobody can be asked, --yes is needed. Waits for a build
    that is running. `restore` takes it back.
    """
    from shop_platform.landed_events import render
    from shop_platform.landed_events import retract as work
    from shop_platform.landed_events.selection import select

    chosen = select(ids=ids or (), source=source, event_type=type_, subject=subject, since=since, until=until)
    settings = _settings()
    if not reason.strip():
        raise ShopError("Events are only taken back for a reason", "Say why with --reason.")
    if dry_run:
        report = work.look(settings, chosen)
    else:
        if not (chosen.ids or yes):
            _ask(work.look(settings, chosen), quiet=json_)
        report = work.retract(settings, chosen, actor=_actor(by), because=reason, progress=_progress(quiet=json_))
    if json_:
        _print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        _print(render.retract_lines(report, dry_run=dry_run))


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
    _print(render.kind_lines(found.kinds))
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
    by: _By = "",
    json_: _Json = False,
) -> None:
    """Land retracted events again, in their old places and under their old ids. Waits for a build that is running."""
    from shop_platform.landed_events import render
    from shop_platform.landed_events import restore as work
    from shop_platform.landed_events.selection import select

    report = work.restore(_settings(), select(ids=ids), actor=_actor(by), because=reason)
    if json_:
        _print_json(report.as_dict())
    else:
        _print(render.restore_lines(report))
