"""Kafka topics as external assets, raw tables as one executable asset set downstream of them."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import dagster as dg

from shop_platform.events.registry import TOPIC_BY_NAME, TOPICS, Topic
from shop_platform.ingest.until_end import IngestReport, SubjectReport, read_until_end
from shop_platform.orchestration import names
from shop_platform.orchestration.freshness import BY_SUBJECT, LEDGER
from shop_platform.settings import Settings

# A broker or a database that restarts is back within this time; two tries more than cover it.
_TRIES_MORE, _FIRST_DELAY_SECONDS = 2, 5
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
)
def raw_tables(
    context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult[None]]:
    """Bring the selected raw tables up to where their topics end now."""
    _, tables = read_topics(context, settings, {key.path[-1] for key in context.selected_asset_keys})
    for subject, metadata in tables.items():
        yield dg.MaterializeResult(asset_key=names.raw_key(subject), metadata=metadata)


@contextmanager
def tried_again(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Have the step started again when the block fails, twice at most.

    A retry policy of Dagster's would also start a step again that a person has cancelled.
    """
    try:
        yield
    except Exception as error:
        attempt = context.retry_number
        if attempt >= _TRIES_MORE:
            raise
        raise dg.RetryRequested(max_retries=_TRIES_MORE, seconds_to_wait=_FIRST_DELAY_SECONDS * 2**attempt) from error


def read_topics(
    context: dg.AssetExecutionContext, settings: Settings, subjects: Collection[str]
) -> tuple[IngestReport, dict[str, Metadata]]:
    """Read the topics of ``subjects`` to where they end now; return the report, and what to show of each raw table."""
    with tried_again(context):
        report = read_until_end(settings, subjects=subjects)
    how = "waited for the continuous service" if report.waited_for_service else "read until the end"
    context.log.info("%s: %s", how, report.as_dict())
    tables = {subject: _metadata(report.by_subject[subject], how) for subject in sorted(subjects)}
    for halt in report.halts:
        context.log.warning("%s %s", halt.message, halt.resolution)
        tables[TOPIC_BY_NAME[halt.topic].subject]["halted"] = f"{halt.message}. {halt.resolution}"
    return report, tables


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
