"""Handlers of the topic APIs: Metadata, CreateTopics, DeleteTopics, CreatePartitions, configs, DescribeCluster."""

import uuid
from collections.abc import Mapping
from typing import Any

from kio.schema.errors import ErrorCode

from . import topic_config
from .catalog import Topic
from .context import NO_AUTHORIZED_OPERATIONS, NO_TIME, NODE_ID, BrokerContext
from .errors import BrokerError
from .segment import LEADER_EPOCH
from .wire import ReplyTypes, Request

_TOPIC_RESOURCE, _BROKER_RESOURCE = 2, 4
_FROM_TOPIC, _FROM_DEFAULT = 1, 5
_STRING_TYPE, _LONG_TYPE = 2, 5
_SET, _DELETE = 0, 1


def _brokers(request: Request, make: Any, **identity: int) -> tuple[Any, ...]:
    """This broker at the address that the client reached it by."""
    host, port = request.local_address
    return (make(host=host, port=port, rack=None, **identity),)


def metadata(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """The broker and the topics asked for, with their ids; all topics if none is named."""
    wanted = request.body.topics
    if wanted is None or (request.version == 0 and not wanted):
        topics = [_describe(t, name, topic) for name, topic in broker.store.catalog.topics.items()]
    else:
        create = getattr(request.body, "allow_auto_topic_creation", True)
        topics = [_lookup(broker, t, topic, create=create) for topic in wanted]
    return t.MetadataResponse(
        throttle_time=NO_TIME,
        brokers=_brokers(request, t.MetadataResponseBroker, node_id=NODE_ID),
        cluster_id=broker.store.catalog.cluster_id,
        controller_id=NODE_ID,
        topics=tuple(topics),
        cluster_authorized_operations=NO_AUTHORIZED_OPERATIONS,
        error_code=ErrorCode.none,
    )


def _lookup(broker: BrokerContext, t: ReplyTypes, wanted: Any, *, create: bool) -> Any:
    name, topic_id = wanted.name, getattr(wanted, "topic_id", None)
    try:
        if name is None:
            name = broker.store.name_of(topic_id)
        elif create and broker.auto_create_partitions and name not in broker.store.catalog.topics:
            broker.store.create_topic(name, broker.auto_create_partitions, {})
        return _describe(t, name, broker.store.topic(name))
    except BrokerError as refusal:
        return t.MetadataResponseTopic(
            error_code=refusal.code,
            name=name,
            topic_id=topic_id,
            partitions=(),
            topic_authorized_operations=NO_AUTHORIZED_OPERATIONS,
        )


def _describe(t: ReplyTypes, name: str, topic: Topic) -> Any:
    return t.MetadataResponseTopic(
        error_code=ErrorCode.none,
        name=name,
        topic_id=topic.id,
        is_internal=False,
        partitions=tuple(
            t.MetadataResponsePartition(
                error_code=ErrorCode.none,
                partition_index=p,
                leader_id=NODE_ID,
                leader_epoch=LEADER_EPOCH,
                replica_nodes=(NODE_ID,),
                isr_nodes=(NODE_ID,),
                offline_replicas=(),
            )
            for p in range(topic.partitions)
        ),
        topic_authorized_operations=NO_AUTHORIZED_OPERATIONS,
    )


def describe_cluster(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """The cluster id and its one broker."""
    return t.DescribeClusterResponse(
        throttle_time=NO_TIME,
        error_code=ErrorCode.none,
        cluster_id=broker.store.catalog.cluster_id,
        controller_id=NODE_ID,
        brokers=_brokers(request, t.DescribeClusterBroker, broker_id=NODE_ID),
        cluster_authorized_operations=NO_AUTHORIZED_OPERATIONS,
    )


# ---------------------------------------------------------------- create and delete


def create_topics(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Create each topic on its own; one that fails does not stop the others."""
    body = request.body
    return t.CreateTopicsResponse(
        throttle_time=NO_TIME,
        topics=tuple(_create(broker, t, topic, validate_only=body.validate_only) for topic in body.topics or ()),
    )


def _create(broker: BrokerContext, t: ReplyTypes, wanted: Any, *, validate_only: bool) -> Any:
    try:
        partitions = _wanted_partitions(wanted)
        overrides = {entry.name: entry.value for entry in wanted.configs or ()}
        topic = broker.store.create_topic(wanted.name, partitions, overrides, validate_only=validate_only)
    except BrokerError as refusal:
        return t.CreatableTopicResult(
            name=wanted.name,
            topic_id=None,
            error_code=refusal.code,
            error_message=refusal.message,
            configs=None,
        )
    return t.CreatableTopicResult(
        name=wanted.name,
        topic_id=None if validate_only else topic.id,
        error_code=ErrorCode.none,
        error_message=None,
        num_partitions=topic.partitions,
        replication_factor=1,
        configs=tuple(
            t.CreatableTopicConfigs(
                name=key, value=value, read_only=False, config_source=_source(topic.config, key), is_sensitive=False
            )
            for key, value in {**topic_config.defaults(), **topic.config}.items()
        ),
    )


def _wanted_partitions(wanted: Any) -> int:
    """The number of partitions a client asks for, directly or by a replica assignment."""
    if wanted.assignments:
        if any(tuple(a.broker_ids) != (NODE_ID,) for a in wanted.assignments):
            raise BrokerError(ErrorCode.invalid_replica_assignment, f"broker {NODE_ID} is the only one")
        return len(wanted.assignments)
    if wanted.replication_factor not in {-1, 1}:
        raise BrokerError(
            ErrorCode.invalid_replication_factor,
            f"Unable to replicate the partition {wanted.replication_factor} time(s): only 1 broker is registered.",
        )
    return 1 if wanted.num_partitions == -1 else int(wanted.num_partitions)


def delete_topics(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Delete topics by name or id, with the offsets that groups committed in them."""
    by_state = getattr(request.body, "topics", None)
    wanted = (
        [(state.name, state.topic_id) for state in by_state]
        if by_state is not None
        else [(name, None) for name in request.body.topic_names or ()]
    )
    return t.DeleteTopicsResponse(
        throttle_time=NO_TIME, responses=tuple(_delete(broker, t, name, topic_id) for name, topic_id in wanted)
    )


def _delete(broker: BrokerContext, t: ReplyTypes, name: str | None, topic_id: uuid.UUID | None) -> Any:
    error, message = ErrorCode.none, None
    try:
        name = name if name is not None else broker.store.name_of(topic_id)
        topic_id = broker.store.delete_topic(name).id
        broker.groups.forget_topic(topic_id)
    except BrokerError as refusal:
        error, message = refusal.code, refusal.message
    return t.DeletableTopicResult(name=name, topic_id=topic_id, error_code=error, error_message=message)


def create_partitions(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Add partitions to topics."""

    def answer(wanted: Any) -> Any:
        error, message = ErrorCode.none, None
        try:
            broker.store.create_partitions(wanted.name, wanted.count, validate_only=request.body.validate_only)
        except BrokerError as refusal:
            error, message = refusal.code, refusal.message
        return t.CreatePartitionsTopicResult(name=wanted.name, error_code=error, error_message=message)

    return t.CreatePartitionsResponse(
        throttle_time=NO_TIME, results=tuple(answer(wanted) for wanted in request.body.topics or ())
    )


# ---------------------------------------------------------------- configs


def describe_configs(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """The settings of topics, and of the broker as far as it has any."""
    return t.DescribeConfigsResponse(
        throttle_time=NO_TIME,
        results=tuple(_describe_resource(broker, t, wanted) for wanted in request.body.resources or ()),
    )


def _describe_resource(broker: BrokerContext, t: ReplyTypes, wanted: Any) -> Any:
    error, message = ErrorCode.none, None
    values: dict[str, str] = {}
    overrides: Mapping[str, str] = {}
    try:
        if wanted.resource_type == _TOPIC_RESOURCE:
            overrides = broker.store.topic(wanted.resource_name).config
            values = {**topic_config.defaults(), **overrides}
        elif wanted.resource_type == _BROKER_RESOURCE:
            values = {"auto.create.topics.enable": str(bool(broker.auto_create_partitions)).lower()}
        else:
            raise BrokerError(ErrorCode.invalid_request, "only topics and the broker have settings here")
    except BrokerError as refusal:
        error, message = refusal.code, refusal.message
    keys = wanted.configuration_keys
    return t.DescribeConfigsResult(
        error_code=error,
        error_message=message,
        resource_type=wanted.resource_type,
        resource_name=wanted.resource_name,
        configs=tuple(
            t.DescribeConfigsResourceResult(
                name=key,
                value=value,
                read_only=wanted.resource_type == _BROKER_RESOURCE,
                is_default=key not in overrides,
                config_source=_source(overrides, key),
                is_sensitive=False,
                synonyms=(),
                config_type=_LONG_TYPE if topic_config.is_number(key) else _STRING_TYPE,
                documentation=None,
            )
            for key, value in values.items()
            if keys is None or key in keys
        ),
    )


def _source(overrides: Mapping[str, str], key: str) -> int:
    return _FROM_TOPIC if key in overrides else _FROM_DEFAULT


def incremental_alter_configs(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Set or unset settings of topics."""

    def answer(wanted: Any) -> Any:
        error, message = ErrorCode.none, None
        try:
            _alter(broker, wanted, validate_only=request.body.validate_only)
        except BrokerError as refusal:
            error, message = refusal.code, refusal.message
        return t.AlterConfigsResourceResponse(
            error_code=error,
            error_message=message,
            resource_type=wanted.resource_type,
            resource_name=wanted.resource_name,
        )

    return t.IncrementalAlterConfigsResponse(
        throttle_time=NO_TIME, responses=tuple(answer(wanted) for wanted in request.body.resources or ())
    )


def _alter(broker: BrokerContext, wanted: Any, *, validate_only: bool) -> None:
    if wanted.resource_type != _TOPIC_RESOURCE:
        raise BrokerError(ErrorCode.invalid_request, "only the settings of topics can be changed")
    config: dict[str, str | None] = dict(broker.store.topic(wanted.resource_name).config)
    for entry in wanted.configs or ():
        if entry.config_operation == _SET:
            config[entry.name] = entry.value
        elif entry.config_operation == _DELETE:
            config.pop(entry.name, None)
        else:
            raise BrokerError(ErrorCode.invalid_config, f"{entry.name} is no list: only set and delete")
    broker.store.alter_config(wanted.resource_name, config, validate_only=validate_only)
