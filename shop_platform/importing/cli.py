"""``shop import``: a file of orders, customers or products into Kafka."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shop_platform.importing.report import ImportReport

_SHOWN = 20


def import_file(
    file: Annotated[Path, typer.Argument(help="The exported file.", show_default=False)],
    map_: Annotated[Path, typer.Option("--map", help="The map: which column becomes which field (docs/import.md).")],
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, ndjson or parquet. Default: what the file's name ends in.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say row by row what would fail; send nothing.")] = False,
    skip_failing: Annotated[
        bool,
        typer.Option("--skip-failing", help="Send the entities that are right; write the rows of the others away."),
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="Where --skip-failing writes them. Default: beside the file; fibu.csv gives fibu.rejects.csv."
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            help="Name of the store, when you have several: it goes before every id and into the source, so that"
            " order 1001 of two stores stays two orders. Takes the place of `store` in the map."
        ),
    ] = None,
    amend: Annotated[
        bool,
        typer.Option(
            "--amend",
            help="Send what differs from what landed as events of its own: an edited order, a grown refund. Without it"
            " such a file sends nothing and says which orders differ.",
        ),
    ] = False,
    build: Annotated[
        bool, typer.Option("--build/--no-build", help="Have Dagster build every mart, and wait for it.")
    ] = True,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Import a shop's history from a file, through Kafka like every other event. Importing twice lands once.

    The stock maps in docs/examples/import read Shopify's and WooCommerce's exports: tips, fees, duties and gift cards
    beside goods, half units, spreadsheets' oddities; docs/import.md has one line for each in a map of your own.

    Ends when every mart is built, those that otherwise wait for the night too, or says what comes when. Exit code 0:
    everything was sent (or could be), 1: rows fail or contradict what landed, 2: the map, the file or a column is
    wrong.
    """
    from shop_platform.importing.run import ImportOptions, run_import
    from shop_platform.local.screen import progress_bar
    from shop_platform.settings import get_settings
    from shop_platform.signals import stop_on_signals

    settings = get_settings()
    options = ImportOptions(file, map_, format_, dry_run, skip_failing, rejects, store, amend)

    def tell(found: ImportReport) -> None:
        """Say what was found before anything is sent: there is time for Ctrl-C."""
        if not json_:
            sys.stdout.writelines(line + "\n" for line in found.findings(_SHOWN))
            sys.stdout.flush()

    with stop_on_signals() as stop:
        report = run_import(
            settings, options, phase=lambda label: progress_bar(label, enabled=not json_), stop=stop, tell=tell
        )
    if not json_:
        sys.stdout.write(report.outcome() + "\n")
        sys.stdout.flush()
    document = report.as_dict()
    if report.sent and not report.interrupted:
        from shop_platform.orchestration.after_import import build_everything, sentence

        built = None
        if build:
            with progress_bar("building every mart", enabled=not json_) as progress:
                built = build_everything(settings, progress)
        document["build"] = built
        if not json_:
            sys.stdout.write(sentence(built, settings.shop_tz) + "\n")
    if json_:
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    raise typer.Exit(report.exit_code)
