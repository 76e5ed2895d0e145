"""``shop generate history`` and ``shop generate live``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shop_platform.errors import ShopError
from shop_platform.generator.parameters import HISTORY_FAULTS, LIVE_FAULTS, NO_FAULTS, FaultRates
from shop_platform.settings import get_settings

if TYPE_CHECKING:
    from shop_platform.generator.live import LiveReport

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

_Share = Annotated[float | None, typer.Option(min=0.0, max=0.2, help="Share of messages (0 to 0.2).")]
_NoFaults = Annotated[bool, typer.Option("--no-faults", help="A perfect wire.")]
_Seed = Annotated[int, typer.Option(help="The same seed gives the same shop.", min=0)]


def _faults(base: FaultRates, off: bool, **shares: float | None) -> FaultRates:
    given: dict[str, Any] = {name: share for name, share in shares.items() if share is not None}
    return dataclasses.replace(NO_FAULTS if off else base, **given)


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ShopError(f"'{text}' is not a time.", "Write it like 2026-11-22T10:00:00Z.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _print_progress(done: int, total: int) -> None:
    _print(json.dumps({"done": done, "total": total}))


@app.command()
def history(
    days: Annotated[int, typer.Option(help="Whole days before today.", min=1, max=3650)] = 90,
    orders_per_day: Annotated[float | None, typer.Option(help="Average orders a day (default 32).", min=0.1)] = None,
    seed: _Seed = 42,
    until: Annotated[
        str | None, typer.Option(help="End of the history in ISO form (UTC unless it says so). Default: now.")
    ] = None,
    duplicates: _Share = None,
    late: _Share = None,
    out_of_order: _Share = None,
    malformed: _Share = None,
    unknown_version: _Share = None,
    no_faults: _NoFaults = False,
    progress_json: Annotated[
        bool, typer.Option("--progress-json", help="Progress as JSON lines, for programs.")
    ] = False,
) -> None:
    """Send a shop's past into Kafka, once. Interrupted, the next call goes on; done, it is left alone."""
    from shop_platform.generator.history import run_history
    from shop_platform.local.screen import progress_bar
    from shop_platform.signals import stop_on_signals

    rates = _faults(
        HISTORY_FAULTS, no_faults, duplicate=duplicates, late=late, out_of_order=out_of_order, malformed=malformed,
        unknown_version=unknown_version,
    )  # fmt: skip
    moment = _moment(until)
    with stop_on_signals() as stop, progress_bar("history into Kafka", enabled=not progress_json) as bar:
        found = run_history(
            get_settings(), days=days, orders_per_day=orders_per_day, seed=seed, until=moment, faults=rates,
            progress=_print_progress if progress_json else bar, stop=stop,
        )  # fmt: skip
    if progress_json:
        _print(json.dumps(dataclasses.asdict(found)))
        raise typer.Exit(0 if found.completed else 130)
    if found.note:
        _print(found.note)
    state = "was there already" if found.already_done else "is in Kafka" if found.completed else "was interrupted"
    _print(
        f"The history from {found.start} to {found.end} {state}: {found.events:,} events in"
        f" {found.messages:,} messages; {found.sent_now:,} sent in {found.seconds:.1f} s."
    )
    if not found.completed:
        _print("Call the command again to go on.")
        raise typer.Exit(130)


@app.command()
def live(
    rate: Annotated[float, typer.Option(help="Events per second.", min=0.1, max=20_000)] = 25.0,
    seed: _Seed = 42,
    duplicates: _Share = None,
    late: _Share = None,
    out_of_order: _Share = None,
    malformed: _Share = None,
    unknown_version: _Share = None,
    no_faults: _NoFaults = False,
) -> None:
    """Let the shop live on in real time until Ctrl-C."""
    from shop_platform.generator.live import run_live
    from shop_platform.signals import stop_on_signals

    rates = _faults(
        LIVE_FAULTS, no_faults, duplicate=duplicates, late=late, out_of_order=out_of_order, malformed=malformed,
        unknown_version=unknown_version,
    )  # fmt: skip

    def show(found: LiveReport) -> None:
        end = "\r" if sys.stdout.isatty() else "\n"
        sys.stdout.write(
            f"{found.clock}  {found.sent:,} sent, {found.acknowledged:,} acknowledged, {found.rate:,.1f}/s{end}"
        )
        sys.stdout.flush()

    with stop_on_signals() as stop:
        # A log that grows by a line a second helps nobody.
        found = run_live(
            get_settings(), rate=rate, seed=seed, faults=rates, stop=stop, report=show if sys.stdout.isatty() else None
        )
    _print(
        f"Stopped at {found.clock}: {found.sent:,} messages sent, {found.acknowledged:,} acknowledged ({found.run})."
    )
