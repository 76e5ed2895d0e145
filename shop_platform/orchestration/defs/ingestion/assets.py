"""Kafka topics as external assets, raw tables as one executable asset set downstream of them."""

from collections.abc import Collection, Iterator

import dagster as dg

from shop_platform.events.registry import TOPICS, Topic
from shop_platform.ingest.until_end import IngestReport, SubjectReport, ingest_until_end
from shop_platform.orchestration import names
from shop_platform.orchestration.freshness import BY_SUBJECT, LEDGER
from shop_platform.settings import Settings

# A broker or a database that restarts is back within this time; two tries more than cover it.
RETRY = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
Metadata = dict[str, dg.MetadataValue | float | str | dict[str, int]]


def _topic_spec(topic: Topic) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=names.topic_key(topic.subject),
        group_name=names.GROUP_TOPICS,
        description=f"{topic.description} Kafka topic `{topic.name}`, CloudEvents 1.0 in JSON.",
        kinds={"kafka"},
        owners=[names.TEAM_PLATFORM],
        freshness_policy=BY_SUBJECT[topic.subject].policy(),
        metadata={
            "topic": topic.name,
            "partitions": topic.partitions,
            "key": topic.event_types[0].subject_field,
            "event_types": [kind.name for kind in topic.event_types],
            "service_level": BY_SUBJECT[topic.subject].reason,
        },
    )


def _raw_spec(topic: Topic) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=names.raw_key(topic.subject),
        deps=[names.topic_key(topic.subject)],
        group_name=names.GROUP_RAW,
        description=f"{topic.description} Every valid event of `{topic.name}`, once. Grain: one event.",
        kinds={"python", "postgres"},
        owners=[names.TEAM_PLATFORM],
        freshness_policy=BY_SUBJECT[topic.subject].policy(),
        skippable=False,
        metadata={
            "dagster/table_name": f"raw.{topic.subject}",
            "service_level": BY_SUBJECT[topic.subject].reason,
        },
    )


topic_assets = [_topic_spec(topic) for topic in TOPICS]

# Every batch writes its line in the transaction that writes the rows, so the ledger lies downstream of them. It is
# reported when it is compared with what was produced: its checks read everything, and are not run with every batch.
ledger_asset = dg.AssetSpec(
    key=names.LEDGER_KEY,
    deps=[names.raw_key(topic.subject) for topic in TOPICS],
    group_name=names.GROUP_RAW,
    description="What each partition delivered, batch by batch: messages = landed + duplicates + dead.",
    kinds={"postgres"},
    owners=[names.TEAM_PLATFORM],
    freshness_policy=LEDGER.policy(),
    metadata={"dagster/table_name": "ops.ingest_batches", "service_level": LEDGER.reason},
)


@dg.multi_asset(
    name="ingest_topics",
    specs=[_raw_spec(topic) for topic in TOPICS],
    can_subset=True,
    pool=names.POOL_INGEST,
    retry_policy=RETRY,
)
def raw_tables(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult[None]]:
    """Bring the selected raw tables up to where their topics end now."""
    _, tables = read_topics(context, settings, {key.path[-1] for key in context.selected_asset_keys})
    for subject, metadata in tables.items():
        yield dg.MaterializeResult(asset_key=names.raw_key(subject), metadata=metadata)


def read_topics(
    context: dg.AssetExecutionContext, settings: Settings, subjects: Collection[str]
) -> tuple[IngestReport, dict[str, Metadata]]:
    """Read the topics of ``subjects`` to where they end now; return the report, and what to show of each raw table."""
    report = ingest_until_end(settings, subjects=subjects)
    how = "waited for the continuous service" if report.waited_for_service else "read until the end"
    context.log.info("%s: %s", how, report.as_dict())
    return report, {subject: _metadata(report.by_subject[subject], how) for subject in sorted(subjects)}


def _metadata(report: SubjectReport, how: str) -> Metadata:
    metadata: Metadata = {
        "how": how,
        "messages": report.messages,
        "rows": report.landed,
        "duplicates": report.duplicates,
        "dead_letters": report.dead,
        "lag": report.lag,
        "next_offsets": {str(partition): offset for partition, offset in sorted(report.next_offsets.items())},
    }
    if report.max_event_time is not None:
        metadata["newest_event"] = dg.MetadataValue.timestamp(report.max_event_time)
    return metadata
