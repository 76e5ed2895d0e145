"""The job that proves both invariants and fails when one is broken."""

from typing import Any

import dagster as dg

from shop_platform.operations.verify import rebuild_and_compare, reconcile, short_i1, short_i2, tell_i1, tell_i2
from shop_platform.orchestration import names
from shop_platform.settings import Settings


@dg.op(description="I1: distinct produced event ids = landed + dead-lettered, disjoint, none twice.")
def prove_i1(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Reconcile what was produced with what landed."""
    outcome = reconcile(settings)
    broken = "" if outcome.holds else f"I1 is broken: {short_i1(outcome)}"
    _report(context, broken, tell_i1(outcome), outcome.as_dict())


@dg.op(description="I2: every mart = its recomputation from raw.", pool=names.POOL_DBT)
def prove_i2(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Recompute every mart in schemas of its own and compare."""
    outcome = rebuild_and_compare(settings, say=context.log.info)
    broken = "" if outcome.holds else f"I2 is broken: {short_i2(outcome)}"
    _report(context, broken, tell_i2(outcome), outcome.as_dict())


@dg.job(
    name=names.JOB_VERIFY,
    executor_def=dg.in_process_executor,
    description="Proves I1 (nothing lost, nothing twice) and I2 (every mart = its recomputation from raw).",
)
def verify_job() -> None:
    """Both proofs run, whatever the other one says."""
    prove_i1()
    prove_i2()


def _report(context: dg.OpExecutionContext, broken: str, told: list[str], found: dict[str, Any]) -> None:
    """Show in Dagster what ``shop verify`` prints, and everything that was found; fail the step if it is ``broken``."""
    text = "\n".join(told)
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "found": dg.MetadataValue.text(text),
        "counts": dg.MetadataValue.json(found),
    }
    context.add_output_metadata(metadata)
    if broken:
        context.log.error(text)
        raise dg.Failure(broken, metadata=metadata, allow_retries=False)
