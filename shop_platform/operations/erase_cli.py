"""``shop erase``: forget a customer, or apply all erasures once more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from shop_platform.errors import ShopError

if TYPE_CHECKING:
    from shop_platform.operations.erase import Erasure, Found, Reapplied
    from shop_platform.settings import Settings

_BEYOND = (
    "Not in this command's reach: Kafka keeps the customer's earlier messages until the retention of its topics ends",
    "(7 days unless you changed it), and backups keep them as long as you keep backups.",
    "After a restore: `shop erase --reapply`.",
)


def erase_customer(
    customer_id: Annotated[
        str | None, typer.Argument(help="The customer's id.", show_default=False, metavar="[CUSTOMER_ID]")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, one word: it becomes part of the event.")] = "request",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also for a customer of whom there is nothing.")] = False,
    reapply_: Annotated[
        bool, typer.Option("--reapply", help="Erase again what is there of all who asked: after a restore.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Erase what is personal about a customer (GDPR, article 17), everywhere and for good; sums and orders stay.

    Shows how much there is, asks, sends a customer.erased event, waits until it has landed and looks again.
    Exit code 0: nothing personal is left; 1: something is, or there is no such customer.
    """
    from shop_platform.settings import get_settings

    settings = get_settings()
    if reapply_:
        if customer_id is not None:
            raise ShopError("--reapply goes without a customer", "It erases again for everybody who has asked.")
        _reapply(settings, json_=json_)
        return
    if customer_id is None:
        raise ShopError("Nobody was named", "shop erase CUSTOMER_ID, or shop erase --reapply after a restore.")
    if json_ and not yes:
        raise ShopError("--json does not ask", "Add --yes.")
    _erase(settings, customer_id, reason, yes=yes, force=force, json_=json_)


def _erase(settings: Settings, customer_id: str, reason: str, *, yes: bool, force: bool, json_: bool) -> None:
    from shop_platform.local.screen import progress_bar
    from shop_platform.operations.erase import check, erase, look

    check(customer_id, reason)
    if not yes:
        found = look(settings, customer_id)
        if found.known or force:
            _print(found_lines(customer_id, found))
            _print(_BEYOND)
            if not typer.confirm("Erase it for good?"):
                raise typer.Exit(1)
    with progress_bar("landing", enabled=not json_) as progress:
        outcome = erase(settings, customer_id, reason, force=force, progress=progress)
    if json_:
        document = outcome.as_dict() | {"beyond_reach": " ".join(_BEYOND)}
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    else:
        if yes:
            _print(found_lines(customer_id, outcome.found))
        _print(outcome_lines(outcome))
        if yes:
            _print(_BEYOND)
    if not outcome.complete:
        raise typer.Exit(1)


def _reapply(settings: Settings, *, json_: bool) -> None:
    from shop_platform.operations.erase import reapply

    done = reapply(settings)
    _print([json.dumps(vars(done))] if json_ else [reapplied_line(done)])


def _print(lines: Iterator[str] | tuple[str, ...] | list[str]) -> None:
    sys.stdout.writelines(line + "\n" for line in lines)


def found_lines(customer_id: str, found: Found) -> Iterator[str]:
    """Yield what there is of a customer, in numbers only."""
    yield f"customer {customer_id}" + (f", asked to be forgotten at {found.erased_at}" if found.erased_at else "")
    yield f"  personal data    {found.personal_data:>7,} events"
    yield f"  search words     {found.search_words:>7,} events"
    if found.of_orders:
        yield f"  of orders        {found.of_orders:>7,} events"
    yield f"  texts in raw     {found.texts:>7,} events: town, language, pages seen, a coupon that nobody else has"
    waiting = f", {found.waiting:,} wait: whatever should still land, replay it first" if found.waiting else ""
    yield f"  dead letters     {found.dead_letters:>7,} with content that mentions the customer{waiting}"
    if found.unsplit:
        yield f"  personal in raw  {found.unsplit:>7,} events"
    yield f"  without a name   {found.events:>7,} events of the account and {found.orders:,} orders: they stay"


def outcome_lines(outcome: Erasure) -> Iterator[str]:
    """Yield what was done and whether anything is left."""
    if outcome.complete:
        done = "Erased" if outcome.sent or outcome.found.personal else "Had been erased before"
        yield f"{done}: nothing personal about {outcome.customer_id} is left in the warehouse."
        return
    if outcome.left.erased_at is None:
        yield "NOT erased: the event has been sent but has not landed. Is it a dead letter (`shop dead-letters list`)?"
        return
    yield f"NOT erased whole: of {outcome.customer_id} is left"
    yield from found_lines(outcome.customer_id, outcome.left)
    if outcome.left.unsplit:
        yield "Rows of raw were written by an older version: `select pii.move_from_raw()` as administrator moves them."


def reapplied_line(done: Reapplied) -> str:
    """Return what erasing once more did."""
    return (
        f"{done.customers:,} customers asked to be forgotten: {done.personal_data:,} events with personal data and the"
        f" content of {done.dead_letters:,} dead letters were still there and are erased now"
    )
