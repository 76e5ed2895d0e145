"""A code location with the shop's three jobs and a few that misbehave, small enough to start in seconds."""

import time

import dagster as dg


class BrokenModelError(Exception):
    """What an author's own code raises."""


@dg.asset(key_prefix="raw")
def events() -> None:
    """What `ingest` makes."""


@dg.asset(key_prefix="marts", deps=[events])
def fct_orders() -> None:
    """What `transform` makes."""


@dg.asset(key_prefix="ops", deps=[fct_orders])
def reconciliation() -> None:
    """What `verify` makes."""


@dg.asset_check(asset=reconciliation)
def nothing_was_lost(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Fails when the run is tagged `test/lost`."""
    lost = int(context.run.tags.get("test/lost", "0"))
    return dg.AssetCheckResult(passed=lost == 0, description=f"{lost} events lost")


@dg.asset(key_prefix="marts")
def broken_model() -> None:
    """Always fails, as a model with a bad join would."""
    raise BrokenModelError("column order_id is ambiguous\nline 7 of fct_orders.sql")


@dg.asset(key_prefix="marts")
def slow_model(context: dg.AssetExecutionContext) -> None:
    """Runs for as many seconds as the tag `test/seconds` says."""
    time.sleep(float(context.run.tags.get("test/seconds", "6")))


@dg.op(config_schema={"table": str})
def load(context: dg.OpExecutionContext) -> None:
    """Wants run config."""
    context.log.info(context.op_config["table"])


@dg.job
def configured() -> None:
    """A job that refuses to start without its run config."""
    load()


defs = dg.Definitions(
    assets=[events, fct_orders, reconciliation, broken_model, slow_model],
    asset_checks=[nothing_was_lost],
    jobs=[
        dg.define_asset_job("ingest", [events]),
        dg.define_asset_job("transform", [fct_orders]),
        dg.define_asset_job("verify", [reconciliation]),
        dg.define_asset_job("broken", [broken_model]),
        dg.define_asset_job("slow", [slow_model]),
        configured,
    ],
    executor=dg.in_process_executor,
)
