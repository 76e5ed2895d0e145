"""Make the contract's topics and read what the cluster says of them."""

from __future__ import annotations

import time
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.kafka_connect import connected_admin, explain
from shop_platform.kafka_errors import forbids
from shop_platform.settings import Settings

_TIMEOUT_SECONDS = 15
_POLL_SECONDS = 0.1
# librdkafka tells of a request's time-out at about that time: a future must not give up first, and with another error.
_RESULT_SECONDS = _TIMEOUT_SECONDS + 5
# Long enough to restore yesterday's backup and read everything since (docs/architecture.md, recovery).
_RETENTION_MS = 7 * 24 * 3600 * 1000


def admin_client(settings: Settings) -> AdminClient:
    """Return an AdminClient that has reached the cluster; keep the reference, its futures die with it.

    Raises :class:`ShopError` with the cause when the cluster does not answer or refuses this client.
    """
    return connected_admin(settings, _TIMEOUT_SECONDS)


def ensure_topics(settings: Settings, *, retention_ms: int | None = None) -> list[str]:
    """Create missing topics and add missing partitions; return the names that were created.

    ``retention_ms`` defaults to 7 days; -1 keeps everything. It counts from a message's arrival, because our producers
    leave the Kafka timestamp to the client: with the event's time a history would expire before it is read. Raises
    :class:`ShopError` when the cluster does not answer.
    """
    admin = admin_client(settings)
    existing = _metadata(admin, settings)
    config = {"retention.ms": str(_RETENTION_MS if retention_ms is None else retention_ms)}
    missing = [topic for topic in TOPICS if topic.name not in existing]
    created = []
    if missing:
        new = [NewTopic(t.name, t.partitions, settings.kafka_replication_factor, config=config) for t in missing]
        for name, future in admin.create_topics(new, operation_timeout=_TIMEOUT_SECONDS).items():
            try:
                future.result(_RESULT_SECONDS)
                created.append(name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    hint = "It takes the rights in docs/kafka-security.md#rights." if forbids(error.args[0]) else ""
                    raise ShopError(f"Topic {name} could not be created: {error.args[0].str()}", hint) from error
    grow = [NewPartitions(t.name, t.partitions) for t in TOPICS if 0 < existing.get(t.name, 0) < t.partitions]
    for name, future in (admin.create_partitions(grow) if grow else {}).items():
        try:
            future.result(_RESULT_SECONDS)
        except KafkaException as error:
            raise ShopError(f"Partitions of {name} could not be added: {error.args[0].str()}") from error
    if missing or grow:
        _wait_until_known(admin, settings)
    return created


def _wait_until_known(admin: AdminClient, settings: Settings) -> None:
    """Wait until the brokers give out what the controller has made; a reader would find no topic before."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while any(t.partitions > (known := _metadata(admin, settings)).get(t.name, 0) for t in TOPICS):
        if time.monotonic() > deadline:
            absent = ", ".join(t.name for t in TOPICS if t.partitions > known.get(t.name, 0))
            raise ShopError(f"Kafka has made {absent}, but its brokers do not know of it", "Look at the brokers' logs.")
        time.sleep(_POLL_SECONDS)


def _metadata(admin: AdminClient, settings: Settings) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise unreachable(settings, error) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def unreachable(settings: Settings, error: KafkaException) -> ShopError:
    """Return the error a person sees when no broker answers or one refuses this client: with the cause, if any says."""
    return explain(settings, error)


class TopicState(NamedTuple):
    """What the cluster says of a topic: a recreated one has another id."""

    topic_id: str
    partitions: int


def topic_states(settings: Settings, names: list[str]) -> dict[str, TopicState]:
    """Return id and number of partitions of each topic.

    Raises :class:`ShopError` naming the topics that do not exist.
    """
    found = states_of_existing(settings, names)
    if missing := sorted(set(names) - found.keys()):
        raise ShopError(f"Kafka has no topic {', '.join(missing)}", "Create the topics with `shop topics`.")
    return found


def states_of_existing(settings: Settings, names: list[str]) -> dict[str, TopicState]:
    """Return id and number of partitions of those of ``names`` that exist."""
    admin = admin_client(settings)
    found = {}
    for name, future in admin.describe_topics(TopicCollection(names), request_timeout=_TIMEOUT_SECONDS).items():
        try:
            topic = future.result(_RESULT_SECONDS)
            found[name] = TopicState(str(topic.topic_id), len(topic.partitions))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise unreachable(settings, error) from error
    return found
