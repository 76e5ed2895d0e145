"""Every topic read to its end, in the run that builds everything: what its models are built of, and judged by.

The raw tables belong to the code location `ingestion`, and a run never leaves its location. So a run that does
everything begins with this asset, which reads the topics itself and reports for the tables and their checks.
"""

import dagster as dg

from shop_platform.events.registry import TOPICS
from shop_platform.operations.verify import reconcile
from shop_platform.orchestration import names
from shop_platform.orchestration.defs.ingestion.assets import read_topics, tried_again
from shop_platform.orchestration.defs.ingestion.checks import judge_everything, judge_ledger, ledger_event
from shop_platform.orchestration.defs.ingestion.drift_checks import judge_drift
from shop_platform.orchestration.freshness import LEDGER
from shop_platform.settings import Settings


@dg.asset(
    key=names.ALL_TOPICS_KEY,
    deps=[names.topic_key(topic.subject) for topic in TOPICS],
    group_name=names.GROUP_RAW,
    owners=[names.TEAM_PLATFORM],
    kinds={"python", "postgres"},
    pool=names.POOL_INGEST,
    freshness_policy=LEDGER.policy(),
    metadata={"service_level": LEDGER.reason},
    description="Every raw table up to where its topic ended when the run began; judged by every check of the tables.",
)
def all_topics(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Read all topics, then report what landed and what the checks say, as the tables' own runs do."""
    report, tables = read_topics(context, settings, {topic.subject for topic in TOPICS})
    for subject, metadata in tables.items():
        context.log_event(dg.AssetMaterialization(names.raw_key(subject), metadata=metadata))
    with tried_again(context):
        reconciled = reconcile(settings, record=True)
    context.log_event(ledger_event(reconciled))
    failed = 0
    for result in (*judge_ledger(settings), *judge_drift(settings), *judge_everything(reconciled)):
        context.log_event(evaluation(result))
        failed += not result.passed
    return dg.MaterializeResult(metadata=report.as_dict() | {"failed_checks": failed})


def evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """Return the result as an event of a run that did not plan the check."""
    assert result.asset_key is not None and result.check_name is not None
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )
