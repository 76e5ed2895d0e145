"""``shop dead-letters feed``: what a producer's team reads, in a terminal, a CI or a cron job."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from shop_platform.dead_letters.terminal import load_settings, plain, print_lines


def feed(
    source: Annotated[
        str | None, typer.Option(help="Only from this source, as your events name it; - for those that name none.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Only of this event type; - for those that name none.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Only of this topic (shop.web or web).")] = None,
    class_: Annotated[
        str | None, typer.Option("--class", help="Only of this error class, such as data_invalid.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Only received since: 2026-11-22T10:00:00Z, or 30m, 24h, 7d before now.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Only received before this moment, told like --since.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="Only behind this place: the `cursor` of the last line read.")
    ] = None,
    status: Annotated[
        str, typer.Option(help="open, fixed, replayed or discarded; default: all, whatever became of it.")
    ] = "all",
    each: Annotated[
        bool, typer.Option("--each", help="Letter by letter instead of by source, type and cause.")
    ] = False,
    limit: Annotated[int, typer.Option(help="With --each: how many at most; 0: all.", min=0)] = 1000,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there is anything.")] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a line (NDJSON) instead of text.")
    ] = False,
) -> None:
    """Show what could not land by source and type, with reasons in words: for the teams whose producers sent it.

    Reads as the role shop_producer, which sees this feed and nothing else. No message's content is shown. Letters come
    in a stable order: poll with --each --json, and give the `cursor` of the last line to --after the next time.
    """
    from shop_platform.dead_letters import feed as reader
    from shop_platform.dead_letters.selection import select

    chosen = select(
        topic=topic, error_class=class_, event_type=type_, source=source, since=since, until=until, status=status
    )
    settings = load_settings()
    letters = reader.each(settings, chosen, after=after, limit=limit) if each else []
    found = [] if each else reader.causes(settings, chosen, after=after)
    if json_:
        for one in letters or found:
            sys.stdout.write(json.dumps(vars(one), default=plain) + "\n")
    elif letters or found:
        print_lines(reader.each_lines(letters, limit) if each else reader.cause_lines(found))
    else:
        print_lines(reader.nothing_lines(settings, chosen, after=after))
    if exit_code and (letters or found):
        raise typer.Exit(1)
