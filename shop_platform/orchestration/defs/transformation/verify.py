"""The job that proves both invariants and fails when one is broken."""

from typing import Any

import dagster as dg

from shop_platform.operations.verify import rebuild_and_compare, reconcile
from shop_platform.orchestration import names
from shop_platform.settings import Settings


@dg.op(description="I1: distinct produced event ids = landed + dead-lettered, disjoint, none twice.")
def prove_i1(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Reconcile what was produced with what landed."""
    outcome = reconcile(settings)
    _report(context, "I1", outcome.holds and outcome.hours.holds, outcome.as_dict())


@dg.op(description="I2: every mart = its recomputation from raw.", pool=names.POOL_DBT)
def prove_i2(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Recompute every mart in schemas of its own and compare."""
    outcome = rebuild_and_compare(settings, say=context.log.info)
    _report(context, "I2", outcome.holds, outcome.as_dict())


@dg.job(
    name=names.JOB_VERIFY,
    executor_def=dg.in_process_executor,
    description="Proves I1 (nothing lost, nothing twice) and I2 (every mart = its recomputation from raw).",
)
def verify_job() -> None:
    """Both proofs run, whatever the other one says."""
    prove_i1()
    prove_i2()


def _report(context: dg.OpExecutionContext, invariant: str, holds: bool, counts: dict[str, Any]) -> None:
    """Show the counts in Dagster; fail the step with the telling ones when the invariant is broken."""
    context.add_output_metadata({"counts": dg.MetadataValue.json(counts)})
    if not holds:
        raise dg.Failure(
            f"{invariant} is broken: {telling(counts)}",
            metadata={"counts": dg.MetadataValue.json(counts)},
            allow_retries=False,
        )


def telling(counts: dict[str, Any]) -> str:
    """Return the counts in one line; of marts only those that differ."""
    parts = [f"{name}={value}" for name, value in counts.items() if isinstance(value, int | str) and name != "holds"]
    if "hours" in counts:
        parts.append(f"hours off={counts['hours']['off']}")
    for mart, differs in counts.get("marts", {}).items():
        if differs["only_in_mart"] or differs["only_in_rebuild"]:
            parts.append(
                f"{mart}: {differs['only_in_mart']} rows only in the mart,"
                f" {differs['only_in_rebuild']} only in the recomputation"
            )
    return ", ".join(parts)
