"""Handlers of the consumer group APIs (classic protocol) and of committed offsets."""

from typing import Any

from kio.schema.errors import ErrorCode

from .api_records import NO_TRANSACTIONS
from .context import NO_AUTHORIZED_OPERATIONS, NO_TIME, NODE_ID, BrokerContext
from .errors import BrokerError
from .groups import JoinRequest
from .offsets import Committed
from .wire import ReplyTypes, Request

_GROUP_KEY = 0
_ID_REQUIRED_SINCE = 4  # JoinGroup version


def find_coordinator(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """This broker for groups; transactions have no coordinator here."""
    body = request.body
    host, port = request.local_address
    known = getattr(body, "key_type", _GROUP_KEY) == _GROUP_KEY
    answer = {
        "error_code": ErrorCode.none if known else ErrorCode.transactional_id_authorization_failed,
        "error_message": None if known else NO_TRANSACTIONS,
        "node_id": NODE_ID if known else -1,
        "host": host if known else "",
        "port": port if known else -1,
    }
    keys = getattr(body, "coordinator_keys", ())
    return t.FindCoordinatorResponse(
        throttle_time=NO_TIME,
        coordinators=tuple(t.Coordinator(key=key, **answer) for key in keys) if keys else (),
        **answer,
    )


# ---------------------------------------------------------------- membership


def join_group(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Join and wait until the generation starts."""
    body = request.body
    session = body.session_timeout.total_seconds()
    wanted = JoinRequest(
        member_id=body.member_id,
        instance_id=getattr(body, "group_instance_id", None),
        client_id=request.client_id,
        client_host=f"/{request.client_host}",
        session_timeout=session,
        rebalance_timeout=body.rebalance_timeout.total_seconds() if request.version > 0 else session,
        protocol_type=body.protocol_type,
        protocols=tuple((p.name, bytes(p.metadata)) for p in body.protocols or ()),
        id_required=request.version >= _ID_REQUIRED_SINCE,
    )
    try:
        joined = broker.groups.join(body.group_id, wanted)
    except BrokerError as refusal:
        promised = refusal.message if refusal.code is ErrorCode.member_id_required else body.member_id
        return t.JoinGroupResponse(
            throttle_time=NO_TIME,
            error_code=refusal.code,
            generation_id=-1,
            protocol_type=None,
            protocol_name="",
            leader="",
            member_id=promised,
            members=(),
        )
    return t.JoinGroupResponse(
        throttle_time=NO_TIME,
        error_code=ErrorCode.none,
        generation_id=joined.generation,
        protocol_type=joined.protocol_type,
        protocol_name=joined.protocol,
        leader=joined.leader,
        member_id=joined.member_id,
        members=tuple(
            t.JoinGroupResponseMember(member_id=m, group_instance_id=instance, metadata=metadata)
            for m, instance, metadata in joined.members
        ),
    )


def sync_group(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Hand in or wait for the assignment."""
    body = request.body
    error, assignment = ErrorCode.none, b""
    protocol_type = protocol = None
    try:
        assignments = {a.member_id: bytes(a.assignment) for a in body.assignments or ()}
        assignment = broker.groups.sync(body.group_id, body.member_id, body.generation_id, assignments)
        protocol_type, protocol = broker.groups.protocol_of(body.group_id)
    except BrokerError as refusal:
        error = refusal.code
    return t.SyncGroupResponse(
        throttle_time=NO_TIME,
        error_code=error,
        protocol_type=protocol_type,
        protocol_name=protocol,
        assignment=assignment,
    )


def heartbeat(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Keep a session alive and learn of a rebalance."""
    body = request.body
    error = ErrorCode.none
    try:
        broker.groups.heartbeat(body.group_id, body.member_id, body.generation_id)
    except BrokerError as refusal:
        error = refusal.code
    return t.HeartbeatResponse(throttle_time=NO_TIME, error_code=error)


def leave_group(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Take members out; newer versions name several."""
    body = request.body
    leaving = getattr(body, "members", None)
    single = leaving is None
    results = []
    for member_id, instance_id in (
        [(body.member_id, None)] if leaving is None else [(m.member_id, m.group_instance_id) for m in leaving]
    ):
        error = ErrorCode.none
        try:
            broker.groups.leave(body.group_id, member_id, instance_id)
        except BrokerError as refusal:
            error = refusal.code
        results.append((member_id, instance_id, error))
    return t.LeaveGroupResponse(
        throttle_time=NO_TIME,
        error_code=results[0][2] if single else ErrorCode.none,
        members=()
        if single
        else tuple(
            t.MemberResponse(member_id=member_id, group_instance_id=instance_id, error_code=error)
            for member_id, instance_id, error in results
        ),
    )


# ---------------------------------------------------------------- offsets


def offset_commit(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Store offsets durably; unknown partitions are refused one by one."""
    body = request.body
    refused: ErrorCode | None = None
    errors: dict[tuple[str, int], ErrorCode] = {}
    positions = []
    for topic in body.topics or ():
        for p in topic.partitions or ():
            try:
                broker.store.log(topic.name, p.partition_index)
                position = Committed(
                    p.committed_offset, getattr(p, "committed_leader_epoch", -1), p.committed_metadata or ""
                )
                positions.append((broker.store.topic(topic.name).id, p.partition_index, position))
            except BrokerError as refusal:
                errors[topic.name, p.partition_index] = refusal.code
    try:
        broker.groups.check_commit(body.group_id, body.member_id, getattr(body, "generation_id_or_member_epoch", -1))
        broker.groups.commit(body.group_id, positions)
    except BrokerError as refusal:
        refused = refusal.code
    return t.OffsetCommitResponse(
        throttle_time=NO_TIME,
        topics=tuple(
            t.OffsetCommitResponseTopic(
                name=topic.name,
                partitions=tuple(
                    t.OffsetCommitResponsePartition(
                        partition_index=p.partition_index,
                        error_code=refused or errors.get((topic.name, p.partition_index), ErrorCode.none),
                    )
                    for p in topic.partitions or ()
                ),
            )
            for topic in body.topics or ()
        ),
    )


def offset_fetch(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """The committed offsets of one group, or (newer versions) of several."""
    groups = getattr(request.body, "groups", None)
    if groups is None:
        topics = _committed(broker, request.body, t.OffsetFetchResponseTopic, t.OffsetFetchResponsePartition)
        return t.OffsetFetchResponse(throttle_time=NO_TIME, topics=topics, error_code=ErrorCode.none)
    return t.OffsetFetchResponse(
        throttle_time=NO_TIME,
        groups=tuple(
            t.OffsetFetchResponseGroup(
                group_id=group.group_id,
                topics=_committed(broker, group, t.OffsetFetchResponseTopics, t.OffsetFetchResponsePartitions),
                error_code=ErrorCode.none,
            )
            for group in groups
        ),
    )


def _committed(broker: BrokerContext, group: Any, make_topic: Any, make_partition: Any) -> tuple[Any, ...]:
    committed = broker.groups.committed(group.group_id)
    names = {topic.id: name for name, topic in broker.store.catalog.topics.items()}
    known = {(names[i], p): position for (i, p), position in committed.items() if i in names}
    if group.topics is None:
        wanted = {name: [p for n, p in known if n == name] for name, _ in known}
    else:
        wanted = {topic.name: list(topic.partition_indexes or ()) for topic in group.topics}
    nothing = Committed(-1, -1, "")
    return tuple(
        make_topic(
            name=name,
            partitions=tuple(
                make_partition(
                    partition_index=p,
                    committed_offset=(found := known.get((name, p), nothing)).offset,
                    committed_leader_epoch=found.leader_epoch,
                    metadata=found.metadata,
                    error_code=ErrorCode.none,
                )
                for p in partitions
            ),
        )
        for name, partitions in wanted.items()
    )


# ---------------------------------------------------------------- inspection


def list_groups(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Every group, filtered by state if the client asks."""
    states = set(getattr(request.body, "states_filter", None) or ())
    return t.ListGroupsResponse(
        throttle_time=NO_TIME,
        error_code=ErrorCode.none,
        groups=tuple(
            t.ListedGroup(group_id=group_id, protocol_type=protocol_type, group_state=state)
            for group_id, protocol_type, state in broker.groups.list_groups()
            if not states or state in states
        ),
    )


def describe_groups(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """State, members and assignments of groups; an unknown one is Dead."""

    def answer(group_id: str) -> Any:
        state, protocol_type, protocol, members = broker.groups.describe(group_id)
        return t.DescribedGroup(
            error_code=ErrorCode.none,
            group_id=group_id,
            group_state=state,
            protocol_type=protocol_type,
            protocol_data=protocol,
            members=tuple(
                t.DescribedGroupMember(
                    member_id=member_id,
                    group_instance_id=instance_id,
                    client_id=client_id,
                    client_host=host,
                    member_metadata=metadata,
                    member_assignment=assignment,
                )
                for member_id, instance_id, client_id, host, metadata, assignment in members
            ),
            authorized_operations=NO_AUTHORIZED_OPERATIONS,
        )

    return t.DescribeGroupsResponse(
        throttle_time=NO_TIME, groups=tuple(answer(group_id) for group_id in request.body.groups or ())
    )


def delete_groups(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Forget groups that have no members."""

    def answer(group_id: str) -> Any:
        error = ErrorCode.none
        try:
            broker.groups.delete_group(group_id)
        except BrokerError as refusal:
            error = refusal.code
        return t.DeletableGroupResult(group_id=group_id, error_code=error)

    return t.DeleteGroupsResponse(
        throttle_time=NO_TIME, results=tuple(answer(group_id) for group_id in request.body.groups_names or ())
    )
