"""``shop rebuild``: every mart from nothing, with business days of another time zone."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def rebuild(
    shop_tz: Annotated[str, typer.Option("--shop-tz", help="The zone at whose midnight a business day begins.")],
    accept_lost_history: Annotated[
        bool, typer.Option("--accept-lost-history", help="Lose the days whose raw rows retention has removed.")
    ] = False,
) -> None:
    """Build every mart from nothing with the business days of another time zone, which the warehouse then keeps.

    Safe to repeat: until it is through nothing else is built, and a call that was interrupted is ended by the same one.
    Then start every service with SHOP_SHOP_TZ of that zone. Exit code 1: a model failed.
    """
    from shop_platform.operations.rezone import reachable, rebuild_in_zone

    def say(text: str) -> None:
        sys.stderr.write(text + "\n")

    with reachable(shop_tz, say) as settings:
        rebuild_in_zone(settings, accept_lost_history=accept_lost_history, say=say)
    sys.stdout.write(
        f"Every mart has the business days of {shop_tz} now. Start every service with SHOP_SHOP_TZ={shop_tz}.\n"
    )
