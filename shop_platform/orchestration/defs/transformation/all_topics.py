"""Every topic read to its end, in the run that builds everything: what its models are built of, and judged by.

The raw tables belong to the code location `ingestion`, and a run never leaves its location. So a run that does
everything begins with this asset, which reads the topics itself and reports for the tables and their checks.
"""

from collections.abc import Iterator

import dagster as dg

from shop_platform.events.registry import TOPICS
from shop_platform.orchestration import names
from shop_platform.orchestration.defs.ingestion.assets import RETRY, ledger_event, read_topics
from shop_platform.orchestration.defs.ingestion.checks import judge_everything, judge_ledger
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
    retry_policy=RETRY,
    freshness_policy=LEDGER.policy(),
    metadata={"service_level": LEDGER.reason},
    description="Every raw table up to where its topic ended when the run began; judged by every check of the tables.",
)
def all_topics(context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]) -> dg.MaterializeResult[None]:
    """Read all topics, then report what landed and what the checks say, as the tables' own runs do."""
    report, tables = read_topics(context, settings, {topic.subject for topic in TOPICS})
    for subject, metadata in tables.items():
        context.log_event(dg.AssetMaterialization(names.raw_key(subject), metadata=metadata))
    context.log_event(ledger_event(report))
    failed = 0
    for result in _judge(settings):
        context.log_event(evaluation(result))
        failed += not result.passed
    return dg.MaterializeResult(metadata=report.as_dict() | {"failed_checks": failed})


def _judge(settings: Settings) -> Iterator[dg.AssetCheckResult]:
    yield from judge_ledger(settings)
    yield from judge_drift(settings)
    yield from judge_everything(settings)


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
