"""The ``shop`` command: every operation of the platform from a terminal."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from shop_platform.errors import ShopError
from shop_platform.importing.cli import import_file
from shop_platform.operations.erase_cli import erase_customer
from shop_platform.operations.retention_cli import remove_old
from shop_platform.operations.rezone_cli import rebuild
from shop_platform.orchestration.backfill_cli import backfill
from shop_platform.orchestration.reload import reload
from shop_platform.settings import Settings, get_settings

app = typer.Typer(
    name="shop",
    help="An e-commerce data platform: events to Kafka to PostgreSQL exactly once, dbt marts, Dagster, dashboards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _print(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _settings() -> Settings:
    from shop_platform.logs import configure_logging

    settings = get_settings()
    configure_logging(settings)
    return settings


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="Days of simulated history.", min=1, max=1095)] = 90,
    orders_per_day: Annotated[
        int, typer.Option(help="Average orders a day; 0: the shop's own.", min=0, max=100_000)
    ] = 0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same shop.")] = 42,
    rate: Annotated[float, typer.Option(help="Events per second of the live stream.", min=0.1, max=10_000)] = 2.0,
    exit_: Annotated[
        bool, typer.Option("--exit", help="Verify both invariants and exit instead of staying up.")
    ] = False,
) -> None:
    """Start everything on this machine: a shop's history and its live stream become trusted numbers.

    Needs nothing but Python. A second call goes on with the same data. Ctrl-C ends every process.
    """
    from shop_platform.local.demo import DemoOptions, run_demo

    raise typer.Exit(
        run_demo(DemoOptions(days=days, orders_per_day=orders_per_day or None, seed=seed, rate=rate, exit_after=exit_))
    )


@app.command()
def up(
    rate: Annotated[float, typer.Option(help="Events per second of the live stream; 0: none.", min=0)] = 0.0,
) -> None:
    """Start the embedded stack with the data it has, without simulated history."""
    from shop_platform.local.demo import DemoOptions, run_demo

    raise typer.Exit(run_demo(DemoOptions(days=0, orders_per_day=None, seed=42, rate=rate, exit_after=False)))


@app.command()
def status(
    lag: Annotated[bool, typer.Option("--lag", help="Show every partition, not only those that are behind.")] = False,
    json_: Json = False,
) -> None:
    """Show every service, open incidents, counts, lag, freshness and the last runs.

    Exit codes: 0 all is well; 3 a topic waits for a person's decision; 1 something else does not hold (a service, a
    check, I1, an incident) or could not be looked at.
    """
    from shop_platform.operations.status import look_around

    found = look_around(_settings())
    if json_:
        _print(json.dumps(found.as_dict(), indent=2, default=str))
    else:
        from rich.console import Console

        from shop_platform.local.screen import status_table

        Console().print(status_table(found, partitions=None) if lag else status_table(found))
    raise typer.Exit(found.exit_code)


@app.command()
def migrate(json_: Json = False) -> None:
    """Bring roles, databases and schemas up to date. Safe to repeat, and twice at once."""
    from shop_platform.warehouse.migrate import migrate as apply

    applied = [f"{m.version:04d}_{m.name}" for m in apply(_settings())]
    if json_:
        _print(json.dumps({"applied": applied}))
    else:
        _print("applied: " + ", ".join(applied) if applied else "nothing to apply")


@app.command()
def topics(json_: Json = False) -> None:
    """Create the contract's Kafka topics that are missing."""
    from shop_platform.ingest.topics import ensure_topics

    created = ensure_topics(_settings())
    if json_:
        _print(json.dumps({"created": created}))
    else:
        _print("created: " + ", ".join(created) if created else "all topics are there")


@app.command()
def ingest(
    until_end: Annotated[bool, typer.Option("--until-end", help="Stop at the present end of the topics.")] = False,
    processes: Annotated[
        int, typer.Option(help="How many processes share the partitions.", min=1, max=64, metavar="N")
    ] = 1,
    json_: Json = False,
) -> None:
    """Read Kafka into PostgreSQL, exactly once; continuously unless --until-end.

    A topic that needs a person's decision waits (`shop offsets list` says for what), and the others go on.

    Exit codes: 2 configuration, or something out of reach with --until-end; 3 with --until-end, a topic waits for a
    decision; 4 stuck, start it again.
    """
    from shop_platform.signals import END_SECONDS, stop_on_signals

    settings = _settings()
    if not until_end:
        # The fleet ends its members within a time of its own.
        with stop_on_signals(END_SECONDS if processes == 1 else None) as stop:
            if processes > 1:
                from shop_platform.ingest.fleet import run_fleet

                raise typer.Exit(run_fleet(settings, processes, stop))
            from shop_platform.ingest.service import run_service

            with _bar_while_behind() as progress:
                run_service(settings, stop, progress)
        return
    if processes > 1:
        raise ShopError("--processes and --until-end do not go together", "--until-end reads with one process.")
    from shop_platform.ingest.halts import HaltError
    from shop_platform.ingest.until_end import read_until_end
    from shop_platform.local.screen import progress_bar

    with progress_bar("ingesting", enabled=not json_) as progress:
        report = read_until_end(settings, progress=progress)
    if json_:
        _print(json.dumps(report.as_dict()))
    else:
        totals = report.as_dict()
        _print(
            f"{totals['messages']:,} messages: {totals['landed']:,} landed, {totals['duplicates']:,} duplicates,"
            f" {totals['dead']:,} dead-lettered in {totals['seconds']:.1f} s"
        )
    if report.halts:
        raise HaltError(report.halts)


@contextlib.contextmanager
def _bar_while_behind() -> Iterator[Callable[[int, int], None]]:
    """Give a callback (done, known) that draws a bar on a terminal until the service has caught up once."""
    if not sys.stderr.isatty():
        yield lambda _done, _known: None
        return
    from shop_platform.local.screen import progress_bar

    with contextlib.ExitStack() as bars:
        bar = bars.enter_context(progress_bar("catching up"))
        caught_up = False

        def progress(done: int, known: int) -> None:
            nonlocal caught_up
            if caught_up or not known:
                return
            bar(done, known)
            if done >= known:
                caught_up = True
                bars.close()

        yield progress


@app.command()
def refresh() -> None:
    """Keep the hot marts a few seconds behind the events, until Ctrl-C.

    Builds dbt's selector `hot` whenever new rows have landed. Excludes Dagster's builds and `shop verify` by a lock.
    """
    from shop_platform.refresh.service import run_refresher
    from shop_platform.signals import END_SECONDS, stop_on_signals

    settings = _settings()
    with stop_on_signals(END_SECONDS) as stop:
        run_refresher(settings, stop)


@app.command()
def monitor() -> None:
    """Look every ten seconds at what is wrong and tell SHOP_ALERT_WEBHOOK_URL once of each, until Ctrl-C.

    Keeps `ops.alerts` and `ops.service_states`. `shop status` shows the same to whoever looks.
    """
    from shop_platform.monitoring.service import run_monitor
    from shop_platform.signals import END_SECONDS, stop_on_signals

    settings = _settings()
    with stop_on_signals(END_SECONDS) as stop:
        run_monitor(settings, stop)


@app.command()
def verify(
    json_: Json = False,
    only: Annotated[str, typer.Option(help="i1 (produced = landed + dead) or i2 (marts = recomputation).")] = "all",
) -> None:
    """Check both invariants, name what breaks one (ids and places; keys and columns), and exit 1 then."""
    from shop_platform.operations.verify import rebuild_and_compare, reconcile, tell_i1, tell_i2

    if only not in {"all", "i1", "i2"}:
        raise ShopError(f"'{only}' is not an invariant", "Use --only i1 or --only i2.")
    settings = _settings()
    verdict: dict[str, Any] = {}
    if only != "i2":
        reconciled = reconcile(settings)
        verdict["i1"] = reconciled.as_dict()
        verdict["hours"] = verdict["i1"].pop("hours")
        if not json_:
            _print("\n".join(tell_i1(reconciled)))
    if only != "i1":
        compared = rebuild_and_compare(settings)
        verdict["i2"] = compared.as_dict()
        if not json_:
            _print("\n".join(tell_i2(compared)))
    if json_:
        _print(json.dumps(verdict, indent=2))
    if not all(part["holds"] for part in verdict.values()):
        raise typer.Exit(1)


@app.command("env")
def env_() -> None:
    """Print the settings as exports, for dbt and psql in this shell: eval "$(shop env)"."""
    import shlex

    for name, value in get_settings().process_environment().items():
        _print(f"export {name}={shlex.quote(value)}")


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Remove everything the embedded stack keeps (database, Kafka log, ledgers, logs)."""
    from shop_platform.local.stack import reset as remove

    folder = get_settings().data_dir.resolve()
    try:
        agreed = yes or typer.confirm(f"Remove {folder} with all its data?")
    except typer.Abort:  # the end of the input, or Ctrl-C
        raise ShopError("Nobody answered, so nothing was removed", "Add --yes (`make reset ARGS=--yes`).") from None
    if not agreed:
        raise typer.Exit(1)
    _print(f"{remove(folder) / 1024**2:,.0f} MB removed")


def _mount_offsets() -> None:
    from shop_platform.ingest.offsets_cli import app as offsets

    app.add_typer(offsets, name="offsets", help="Where every partition stands; accept a gap, a recreated topic.")


def _mount_dead_letters() -> None:
    from shop_platform.dead_letters.cli import app as dead_letters  # loads nothing but typer until it is called

    app.add_typer(dead_letters, name="dead-letters", help="See what could not land and why; mend, replay, discard it.")


def _mount_events() -> None:
    from shop_platform.landed_events.cli import app as events  # loads nothing but typer until it is called

    app.add_typer(events, name="events", help="Look at landed events; take them back for a reason, land them again.")


# Their modules load nothing but typer until they are called.
app.command("import")(import_file)
app.command("erase")(erase_customer)
app.command("retention")(remove_old)
app.command("backfill")(backfill)
app.command("reload")(reload)
app.command("rebuild")(rebuild)


def _mount_generator() -> None:
    from shop_platform.generator.cli import app as generator  # NumPy and Faker only once it is called

    app.add_typer(generator, name="generate", help="Simulate a shop: its history, or its live stream.")


def main() -> None:
    """Run the command; a mistake of the user's ends in a sentence and an exit code, not in a stack trace."""
    _mount_offsets()
    _mount_dead_letters()
    _mount_events()
    _mount_generator()
    try:
        app()
    except ShopError as error:
        sys.stderr.write(f"shop: {error}\n")
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
