"""Which APIs and versions the broker speaks, and the handler of each; answers ApiVersions itself."""

from collections.abc import Callable
from typing import Any, NamedTuple

from kio.schema.errors import ErrorCode

from . import api_groups, api_records, api_topics
from .context import NO_TIME, BrokerContext
from .wire import ProtocolError, ReplyTypes, Request, decode, peek, reply_types

Handler = Callable[[BrokerContext, Request, ReplyTypes], Any]


class Api(NamedTuple):
    """One API: the versions that are decoded, and who answers."""

    least: int
    greatest: int
    handler: Handler


_API_VERSIONS = 18
_PRODUCE = 0


def _api_versions(_broker: BrokerContext, _request: Request, t: ReplyTypes) -> Any:
    return _versions_reply(t, ErrorCode.none)


APIS: dict[int, Api] = {
    _PRODUCE: Api(3, 13, api_records.produce),
    1: Api(4, 17, api_records.fetch),
    2: Api(1, 8, api_records.list_offsets),
    3: Api(0, 13, api_topics.metadata),
    8: Api(2, 8, api_groups.offset_commit),
    9: Api(1, 8, api_groups.offset_fetch),
    10: Api(0, 4, api_groups.find_coordinator),
    11: Api(0, 9, api_groups.join_group),
    12: Api(0, 4, api_groups.heartbeat),
    13: Api(0, 5, api_groups.leave_group),
    14: Api(0, 5, api_groups.sync_group),
    15: Api(0, 5, api_groups.describe_groups),
    16: Api(0, 4, api_groups.list_groups),
    _API_VERSIONS: Api(0, 4, _api_versions),
    19: Api(2, 7, api_topics.create_topics),
    20: Api(1, 6, api_topics.delete_topics),
    21: Api(0, 2, api_records.delete_records),
    22: Api(0, 4, api_records.init_producer_id),
    23: Api(2, 4, api_records.offset_for_leader_epoch),
    32: Api(1, 4, api_topics.describe_configs),
    37: Api(0, 3, api_topics.create_partitions),
    42: Api(0, 2, api_groups.delete_groups),
    44: Api(0, 1, api_topics.incremental_alter_configs),
    60: Api(0, 1, api_topics.describe_cluster),
}


def _versions_reply(t: ReplyTypes, error: ErrorCode) -> Any:
    # librdkafka compresses only if Produce 0 is on offer, so Kafka 4 states it although it refuses it; so do we.
    ranges = {key: (0 if key == _PRODUCE else api.least, api.greatest) for key, api in APIS.items()}
    return t.ApiVersionsResponse(
        error_code=error,
        api_keys=tuple(
            t.ApiVersion(api_key=key, min_version=least, max_version=greatest)
            for key, (least, greatest) in sorted(ranges.items())
        ),
        throttle_time=NO_TIME,
        supported_features=(),
        finalized_features=(),
    )


def answer(broker: BrokerContext, frame: bytes, client_host: str, local_address: tuple[str, int]) -> tuple[int, Any]:
    """`(correlation id, response)` for one request frame; the response is None when none is to be sent.

    Raises:
        ProtocolError: malformed, or an API or version that is not on offer: the connection is to be closed. Only
            ApiVersions has an answer to a version that is too new, in its oldest form.
    """
    api_key, version, correlation_id = peek(frame)
    api = APIS.get(api_key)
    if api is None or not api.least <= version <= api.greatest:
        if api_key == _API_VERSIONS:
            return correlation_id, _versions_reply(reply_types(api_key, 0), ErrorCode.unsupported_version)
        raise ProtocolError(f"api {api_key} version {version} is not supported")
    request = decode(frame, client_host, local_address)
    return correlation_id, api.handler(broker, request, reply_types(api_key, version))
