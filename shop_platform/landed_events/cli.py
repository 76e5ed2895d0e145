"""``shop events``: landed events from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_platform.dead_letters.terminal import By, Json, actor, load_settings, print_json, print_lines
from shop_platform.errors import ShopError

if TYPE_CHECKING:
    from shop_platform.landed_events.find import Kind, Twice
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
_Topic = Annotated[
    str | None,
    typer.Option(help="Only of this topic (shop.web or web); with ids, too: one id may have landed in two topics."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_Reason = Annotated[str, typer.Option("--reason", help="Why; kept for good, and seen on screens: nothing personal.")]


@app.command()
def show(
    ids: _Ids = None,
    topic: _Topic = None,
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

    chosen = select(
        ids=ids or (), topic=topic, source=source, event_type=type_, subject=subject, since=since, until=until
    )
    events, total = find.show(load_settings(), chosen, max(limit, len(chosen.ids)))
    if json_:
        print_json({"events": [event.as_dict() for event in events], "total": total, "more": total - len(events)})
    else:
        print_lines(render.event_lines(events, total))


@app.command()
def validate(
    file: Annotated[
        str, typer.Argument(help="A file of events: one a line, or a JSON array. - reads standard input.")
    ] = "-",
    topic: Annotated[
        str | None,
        typer.Option(help="The topic they are sent to (shop.orders or orders). Default: each to that of its type."),
    ] = None,
    json_: Json = False,
) -> None:
    """Judge events by the contract, as the ingestion would, without a stack; exit code 1 when one is wrong."""
    from pathlib import Path

    from shop_platform.dead_letters.selection import topic_name
    from shop_platform.events.contract import contract_of
    from shop_platform.events.validate import judge

    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ShopError(
            f"{file} cannot be read: {error.strerror}", "Name a file of events, or - for standard input."
        ) from None
    found = judge(contract_of(load_settings()), text, topic_name(topic) if topic else None)
    if json_:
        print_json(found.as_dict())
    else:
        print_lines(found.lines())
    raise typer.Exit(1 if found.wrong or not found.events else 0)


@app.command()
def retract(
    reason: _Reason,
    ids: _Ids = None,
    topic: _Topic = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: _DryRun = False,
    yes: _Yes = False,
    json_: Json = False,
) -> None:
    """Take landed events back, for a reason: they become dead letters, and what they touched is computed without them.

    What a query selects is shown and asked about first, and so is an id that landed in two topics; where nobody can be
    asked, --yes is needed. Waits for a build that is running. `restore` takes it back; `marts` says how far the marts
    are.
    """
    from shop_platform.landed_events import render
    from shop_platform.landed_events import retract as work
    from shop_platform.landed_events.selection import select

    chosen = select(
        ids=ids or (), topic=topic, source=source, event_type=type_, subject=subject, since=since, until=until
    )
    settings = load_settings()
    if not reason.strip():
        raise ShopError("Events are only taken back for a reason", "Say why with --reason.")
    if dry_run:
        report = work.look(settings, chosen)
    else:
        if not yes:
            found = work.look(settings, chosen)
            _ask(
                found.retracted,
                found.kinds,
                found.twice,
                by_id=bool(chosen.ids),
                what="landed",
                verb="take back",
                done="taken back",
                quiet=json_,
            )
        report = work.retract(settings, chosen, actor=actor(by), because=reason, progress=_progress(quiet=json_))
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.retract_lines(report, dry_run=dry_run))
        if report.retracted and not dry_run:
            _tell_marts(settings)


@app.command()
def restore(
    reason: _Reason,
    ids: _Ids = None,
    topic: _Topic = None,
    source: _Source = None,
    type_: _Type = None,
    subject: _Subject = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: _DryRun = False,
    yes: _Yes = False,
    json_: Json = False,
) -> None:
    """Land retracted events again, in their old places and under their old ids.

    Chosen and asked about as for `retract`. Waits for a build that is running; `marts` says how far the marts are.
    """
    from shop_platform.landed_events import render
    from shop_platform.landed_events import restore as work
    from shop_platform.landed_events.selection import select

    chosen = select(
        ids=ids or (), topic=topic, source=source, event_type=type_, subject=subject, since=since, until=until
    )
    settings = load_settings()
    if not reason.strip():
        raise ShopError("Events are only restored for a reason", "Say why with --reason.")
    if dry_run:
        report = work.look(settings, chosen)
    else:
        if not yes:
            found = work.look(settings, chosen)
            _ask(
                found.restored,
                found.kinds,
                found.twice,
                by_id=bool(chosen.ids),
                what="retracted",
                verb="restore",
                done="restored",
                quiet=json_,
            )
        report = work.restore(settings, chosen, actor=actor(by), because=reason, progress=_progress(quiet=json_))
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.restore_lines(report, dry_run=dry_run))
        if report.restored and not dry_run:
            _tell_marts(settings)


def _ask(
    count: int,
    kinds: Sequence[Kind],
    twice: Sequence[Twice],
    *,
    by_id: bool,
    what: str,
    verb: str,
    done: str,
    quiet: bool,
) -> None:
    """Show what was selected and ask; without a terminal, refuse. Ids are asked about when topics share one."""
    from shop_platform.landed_events import render

    if not count or (by_id and not twice):
        return
    shown = [*render.kind_lines(kinds, what), *render.twice_lines(twice)]
    if quiet or not (sys.stdin.isatty() and sys.stdout.isatty()):
        is_to_be = "is to be" if count == 1 else "are to be"
        choose = "choose one with --topic, or say --yes for all" if twice else "then say --yes"
        raise ShopError(
            f"Nobody has confirmed that {render.events_in_words(count)} {is_to_be} {done}:\n"
            + "\n".join(f"  {line}" for line in shown),
            f"See it with --dry-run, {choose}.",
        )
    print_lines(shown)
    these = "this" if count == 1 else "these"
    if not typer.confirm(f"{verb.capitalize()} {these} {render.events_in_words(count)}?"):
        raise typer.Exit(1)


def _progress(*, quiet: bool) -> Any:
    def progress(done: int) -> None:
        if not quiet and sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} events\r")
            sys.stderr.flush()

    return progress


def _tell_marts(settings: Settings) -> None:
    from shop_platform.orchestration.after_retraction import sentences

    print_lines(sentences(settings))


@app.command()
def marts(
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until every mart is built since, as long as it takes.")
    ] = False,
    json_: Json = False,
) -> None:
    """Tell which marts are not built yet without what was retracted, or with what was restored, and who builds them.

    Exit code 1: some are not.
    """
    from shop_platform.orchestration import after_retraction

    settings = load_settings()

    def say(lines: list[str]) -> None:
        if not json_:
            print_lines(lines)
            sys.stdout.flush()

    if wait:
        found = after_retraction.wait(settings, say)
    else:
        found = after_retraction.look(settings)
        say([*after_retraction.tell(found), *(f"  {name}" for name in found.behind)])
    if json_:
        print_json(found.as_dict())
    if found.behind:
        raise typer.Exit(1)
