"""A code location that starts in seconds and whose assets break or wait as long as a file in TINY_CONTROL says so.

`<name>.broken` makes the asset of that name fail, `<name>.hold` makes it wait until the file is gone.
`<name>.broken_once` makes it fail and becomes `<name>.hold`: the next try waits.
"""

import os
import time
from pathlib import Path

import dagster as dg

CONTROL = Path(os.environ["TINY_CONTROL"])
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01")


class BrokenModelError(Exception):
    """What an author's own code raises."""


def work(name: str) -> None:
    """Do what the control files ask for."""
    while (CONTROL / f"{name}.hold").exists():
        time.sleep(0.1)
    once = CONTROL / f"{name}.broken_once"
    if broken_once := once.exists():
        once.rename(CONTROL / f"{name}.hold")
    if broken_once or (CONTROL / f"{name}.broken").exists():
        raise BrokenModelError(f"column {name}_id is ambiguous\nline 7 of {name}.sql")


@dg.asset(key_prefix="raw", group_name="raw")
def events() -> None:
    """The only asset of the first layer."""
    work("events")


@dg.asset(key_prefix="marts", group_name="marts", deps=[events])
def first() -> None:
    """Stands on its own."""
    work("first")


@dg.asset(key_prefix="marts", group_name="marts", deps=[events])
def second() -> None:
    """The one that the tests break."""
    work("second")


@dg.asset(key_prefix="marts", group_name="marts", deps=[second])
def third() -> None:
    """Made of the second."""
    work("third")


@dg.asset(key_prefix="ops", group_name="ops")
def slow(context: dg.AssetExecutionContext) -> None:
    """Waits while its run is held."""
    work(context.run.tags.get("test/hold", "slow"))


@dg.asset(key_prefix="ops", group_name="ops")
def reconciliation() -> None:
    """What a verification makes."""


@dg.asset_check(asset=reconciliation)
def nothing_was_lost() -> dg.AssetCheckResult:
    """Always finds a loss."""
    return dg.AssetCheckResult(passed=False, description="3 events lost")


@dg.asset(key_prefix="marts", group_name="days", partitions_def=DAYS)
def daily_sales() -> None:
    """One partition per day."""


defs = dg.Definitions(
    assets=[events, first, second, third, slow, reconciliation, daily_sales],
    asset_checks=[nothing_was_lost],
    jobs=[
        dg.define_asset_job("shop", [events, first, second, third]),
        dg.define_asset_job("slow", [slow]),
        dg.define_asset_job("verify", [reconciliation]),
        dg.define_asset_job("days", [daily_sales], partitions_def=DAYS),
    ],
    executor=dg.in_process_executor,
)
