"""``shop dead-letters``: the desk from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_platform.dead_letters.feed_cli import feed
from shop_platform.dead_letters.terminal import By, Json, actor, load_settings, print_json, print_lines
from shop_platform.errors import ShopError

if TYPE_CHECKING:
    from shop_platform.dead_letters.selection import Selection

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(feed)

_Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Ids of dead letters.", show_default=False)]
_Topic = Annotated[str | None, typer.Option(help="Only of this topic (shop.web or web).")]
_Class = Annotated[str | None, typer.Option("--class", help="Only of this error class, such as data_invalid.")]
_Type = Annotated[str | None, typer.Option("--type", help="Only of this event type.")]
_Path = Annotated[str | None, typer.Option("--path", help="Only with the fault at this place, such as $.data.page.")]
_Source = Annotated[str | None, typer.Option(help="Only from this source; - for those that name none.")]
_Since = Annotated[
    str | None, typer.Option(help="Only received since: 2026-11-22T10:00:00Z, or 30m, 24h, 7d before now.")
]
_Until = Annotated[str | None, typer.Option(help="Only received before this moment, told like --since.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, and do not stop at letters that differ from most.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen, change nothing.")]


def _chosen(
    ids: list[int] | None,
    topic: str | None,
    class_: str | None,
    type_: str | None,
    path: str | None,
    source: str | None,
    since: str | None,
    until: str | None,
) -> Selection:
    """Return what the ids and filters of a command select."""
    from shop_platform.dead_letters.selection import select

    return select(
        ids=ids or (),
        topic=topic,
        error_class=class_,
        event_type=type_,
        schema_path=path,
        source=source,
        since=since,
        until=until,
    )


@app.command("list")
def list_(
    topic: _Topic = None,
    class_: _Class = None,
    type_: _Type = None,
    path: _Path = None,
    source: _Source = None,
    since: _Since = None,
    until: _Until = None,
    status: Annotated[
        str | None,
        typer.Option(help="open, fixed, replayed, discarded, retracted or all; default: what waits (open and fixed)."),
    ] = None,
    each: Annotated[bool, typer.Option("--each", help="One line per letter instead of per cause.")] = False,
    limit: Annotated[int, typer.Option(help="With --each: how many at most; 0: all.", min=0)] = 100,
    json_: Json = False,
) -> None:
    """Show what waits, by cause: how many, since when, and the id of an example. Never shows a message's content."""
    from shop_platform.dead_letters import listing, render
    from shop_platform.dead_letters.selection import select

    chosen = select(
        topic=topic,
        error_class=class_,
        event_type=type_,
        schema_path=path,
        source=source,
        since=since,
        until=until,
        status=status,
    )
    found: list[Any]
    if each:
        found = listing.entries(load_settings(), chosen, limit)
        text = render.entry_lines(found, limit)
    else:
        found = listing.groups(load_settings(), chosen)
        text = render.group_lines(found)
    if json_:
        print_json({"letters" if each else "groups": [vars(item) for item in found]})
    else:
        print_lines(text)


@app.command()
def show(
    letter_id: Annotated[int, typer.Argument(metavar="ID", help="Id of the dead letter.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the message's exact bytes and nothing else.")] = False,
    fixed: Annotated[bool, typer.Option("--fixed", help="With --raw: the corrected value instead.")] = False,
    json_: Json = False,
) -> None:
    """Show everything about one letter: position, headers, content with the fault marked, history. Personal data!

    What is long is cut, with its length: --raw shows the whole value, --json everything.
    """
    from shop_platform.dead_letters import listing, render

    found = listing.details(load_settings(), letter_id)
    if raw:
        if fixed and found.fixed_value is None:
            raise ShopError(f"Dead letter {letter_id} has no corrected value", "Leave --fixed out for the original.")
        sys.stdout.buffer.write((found.fixed_value if fixed else found.value) or b"")
        sys.stdout.buffer.flush()
    elif json_:
        print_json(found.as_dict())
    else:
        print_lines(render.detail_lines(found))


@app.command()
def fix(
    ids: _Ids = None,
    value: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="The corrected value of one letter: a file, or - for stdin.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=JSON", help="""Set a place: '$.data.page_type="category"'. May repeat."""),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Take a place away: '$.data.price'. May repeat.")
    ] = None,
    give_id: Annotated[
        bool, typer.Option("--give-id", help="Set $.id to the id the message is known by, or make one of its position.")
    ] = False,
    topic: _Topic = None,
    class_: _Class = None,
    type_: _Type = None,
    path: _Path = None,
    source: _Source = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: _DryRun = False,
    json_: Json = False,
) -> None:
    """Store a corrected value beside the original, if it is valid; `replay` lands it.

    Exit code 1: a value was still not valid, and was not stored.
    """
    from shop_platform.dead_letters import render
    from shop_platform.dead_letters.edits import read_edits
    from shop_platform.dead_letters.fix import fix_many, fix_one

    chosen = _chosen(ids, topic, class_, type_, path, source, since, until)
    edited = bool(set_ or unset or give_id)
    if (value is None) != edited:
        raise ShopError("A fix needs either --value or an edit", "Edits are --set, --unset and --give-id.")
    if value is not None:
        if len(chosen.ids) != 1 or dry_run:
            raise ShopError("--value is for one letter, and stored at once", "shop dead-letters fix 17 --value FILE")
        report = fix_one(load_settings(), chosen.ids[0], _read(value), actor=actor(by))
    else:
        if chosen.is_everything:
            raise ShopError("Nothing says which letters to fix", "Name their ids, or give a filter such as --class.")
        edits = read_edits(set_ or (), unset or (), give_id=give_id)
        report = fix_many(load_settings(), chosen, edits, actor=actor(by), dry_run=dry_run)
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.fix_lines(report, dry_run=dry_run))
    if report.still_invalid or report.no_document:
        raise typer.Exit(1)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ShopError(
            f"'{source}' cannot be read: {error.strerror}", "Give the file with the corrected value."
        ) from error


@app.command()
def replay(
    ids: _Ids = None,
    topic: _Topic = None,
    class_: _Class = None,
    type_: _Type = None,
    path: _Path = None,
    source: _Source = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: _DryRun = False,
    json_: Json = False,
) -> None:
    """Decode what waits once more and land what is valid now, in its old place and under its old id. Safe to repeat.

    Without ids and filters: everything that waits. Exit code 1: some letters are still invalid.
    """
    from shop_platform.dead_letters import render
    from shop_platform.dead_letters.replay import replay as carry_out

    chosen = _chosen(ids, topic, class_, type_, path, source, since, until)

    def progress(done: int) -> None:
        if not json_ and sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} letters")
            sys.stderr.flush()

    report = carry_out(load_settings(), chosen, actor=actor(by), dry_run=dry_run, progress=progress)
    if report.looked_at and not json_ and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.replay_lines(report, dry_run=dry_run))
    if report.still_invalid:
        raise typer.Exit(1)


@app.command()
def discard(
    because: Annotated[str, typer.Option(help="Why; kept for good.")],
    ids: _Ids = None,
    topic: _Topic = None,
    class_: _Class = None,
    type_: _Type = None,
    path: _Path = None,
    source: _Source = None,
    since: _Since = None,
    until: _Until = None,
    by: By = "",
    dry_run: _DryRun = False,
    yes: _Yes = False,
    json_: Json = False,
) -> None:
    """Give letters up, for a reason. Their bytes stay; `reopen` takes it back.

    What a filter selects is shown first, and asked about on a terminal. Without one, a selection in which some letters
    differ from most (an older one, one with an event id among garbage) is refused unless --yes is given.
    """
    from shop_platform.dead_letters import listing, render
    from shop_platform.dead_letters.discard import discard as carry_out

    chosen = _chosen(ids, topic, class_, type_, path, source, since, until)
    if not (dry_run or yes or chosen.ids or chosen.is_everything or not because.strip()):
        _look_first(chosen, "discard", quiet=json_)
    report = carry_out(load_settings(), chosen, actor=actor(by), because=because, dry_run=dry_run)
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        if dry_run:
            print_lines(render.group_lines(listing.groups(load_settings(), chosen)))
        print_lines(render.discard_lines(report, dry_run=dry_run))


def _look_first(chosen: Selection, verb: str, *, quiet: bool) -> None:
    """Show what a filter selects and ask; without a terminal, refuse what a person should have seen."""
    from shop_platform.dead_letters import listing, render

    found = listing.groups(load_settings(), chosen)
    letters = sum(group.letters for group in found)
    if sys.stdin.isatty() and sys.stdout.isatty() and not quiet:
        print_lines(render.group_lines(found))
        if letters and not typer.confirm(f"{verb} {'this letter' if letters == 1 else f'these {letters:,} letters'}?"):
            raise typer.Exit(1)
    elif listing.mixed(found):
        raise ShopError(
            "Some of these letters differ from most of them, and nobody has looked at them:\n"
            + "\n".join(f"  {line}" for line in render.group_lines(found)),
            "Narrow it with --since and --until, see it with --dry-run, or say --yes.",
        )


@app.command()
def reopen(
    ids: _Ids = None,
    topic: _Topic = None,
    class_: _Class = None,
    type_: _Type = None,
    path: _Path = None,
    source: _Source = None,
    since: _Since = None,
    until: _Until = None,
    because: Annotated[str, typer.Option(help="Why; kept for good.", show_default=False)] = "",
    by: By = "",
    dry_run: _DryRun = False,
    json_: Json = False,
) -> None:
    """Take the discarding of letters back: they wait again."""
    from shop_platform.dead_letters import render
    from shop_platform.dead_letters.discard import reopen as carry_out

    chosen = _chosen(ids, topic, class_, type_, path, source, since, until)
    report = carry_out(load_settings(), chosen, actor=actor(by), because=because, dry_run=dry_run)
    if json_:
        print_json(report.as_dict() | {"dry_run": dry_run})
    else:
        print_lines(render.reopen_lines(report, dry_run=dry_run))
