"""Handlers of the record APIs: Produce, Fetch, ListOffsets, DeleteRecords, OffsetForLeaderEpoch, InitProducerId."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

from kio.schema.errors import ErrorCode

from .context import NO_TIME, BrokerContext
from .errors import BrokerError
from .partition import FileSlice, PartitionLog, Ticket
from .segment import LEADER_EPOCH
from .wire import ProtocolError, ReplyTypes, Request

_log = logging.getLogger(__name__)
_LATEST, _EARLIEST, _MAX_TIMESTAMP = -1, -2, -3
NO_TRANSACTIONS = "transactions are not supported by the development broker"


def _topic_name(broker: BrokerContext, topic: Any) -> str:
    """The name a request means, by name or (newer versions) by id."""
    for field in ("name", "topic"):
        name = getattr(topic, field, None)
        if name is not None:
            return str(name)
    return broker.store.name_of(topic.topic_id)


def _reply_key(topic: Any) -> dict[str, Any]:
    """The fields that name a topic in a reply, whichever of them the version has."""
    name = getattr(topic, "name", None) or getattr(topic, "topic", "")
    return {"name": name, "topic": name, "topic_id": getattr(topic, "topic_id", None)}


# ---------------------------------------------------------------- produce


def produce(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Append every batch, then wait until all of them are durable; no reply for acks=0."""
    acks = request.body.acks
    pending: list[tuple[Any, list[_Produced]]] = []
    for topic in request.body.topic_data or ():
        pending.append((topic, [_append(broker, topic, p, acks) for p in topic.partition_data or ()]))
    for _, results in pending:
        for result in results:
            result.wait()
    if acks == 0:
        failed = [r.error.message for _, results in pending for r in results if r.error]
        if failed:
            raise ProtocolError(f"produce with acks=0 failed, nothing but closing tells the client: {failed[0]}")
        return None
    return t.ProduceResponse(
        responses=tuple(
            t.TopicProduceResponse(partition_responses=tuple(r.reply(t) for r in results), **_reply_key(topic))
            for topic, results in pending
        ),
        throttle_time=NO_TIME,
    )


class _Produced:
    """What became of one batch of a produce request."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.error: BrokerError | None = None
        self.log: PartitionLog | None = None
        self.ticket: Ticket | None = None

    def wait(self) -> None:
        if self.log is not None and self.ticket is not None:
            try:
                self.log.wait_durable(self.ticket)
            except BrokerError as error:
                self.error = error

    def reply(self, t: ReplyTypes) -> Any:
        stored = self.error is None and self.ticket is not None and self.log is not None
        return t.PartitionProduceResponse(
            index=self.index,
            error_code=self.error.code if self.error else ErrorCode.none,
            base_offset=self.ticket.base_offset if stored and self.ticket else -1,
            log_append_time=None,
            log_start_offset=self.log.log_start if stored and self.log else -1,
            record_errors=(),
            error_message=self.error.message if self.error else None,
        )


def _append(broker: BrokerContext, topic: Any, partition: Any, acks: int) -> _Produced:
    result = _Produced(partition.index)
    try:
        if acks not in {-1, 0, 1}:
            raise BrokerError(ErrorCode.invalid_required_acks)
        result.log = broker.store.log(_topic_name(broker, topic), partition.index)
        result.ticket = result.log.append(partition.records)
    except BrokerError as error:
        result.error = error
    return result


def init_producer_id(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """A fresh producer id; a transactional one is refused."""
    error, producer_id = ErrorCode.none, -1
    try:
        if request.body.transactional_id is not None:
            _log.warning("client %r: %s", request.client_id, NO_TRANSACTIONS)
            raise BrokerError(ErrorCode.transactional_id_authorization_failed, NO_TRANSACTIONS)
        producer_id = broker.store.new_producer_id()
    except BrokerError as refusal:
        error = refusal.code
    return t.InitProducerIdResponse(
        throttle_time=NO_TIME,
        error_code=error,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
    )


# ---------------------------------------------------------------- fetch


def fetch(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Slices of the logs; waits up to max_wait for min_bytes, unless something is wrong with a partition."""
    body = request.body
    if getattr(body, "session_id", 0):
        return t.FetchResponse(
            throttle_time=NO_TIME, error_code=ErrorCode.fetch_session_id_not_found, session_id=0, responses=()
        )
    deadline = time.monotonic() + body.max_wait.total_seconds()
    responses, size, failed = _collect(broker, body, t)
    if size < body.min_bytes and not failed and body.topics:
        with _readable(broker, body) as readable:
            while True:
                readable.clear()
                responses, size, failed = _collect(broker, body, t)
                left = deadline - time.monotonic()
                if size >= body.min_bytes or failed or left <= 0:
                    break
                readable.wait(left)
    return t.FetchResponse(throttle_time=NO_TIME, error_code=ErrorCode.none, session_id=0, responses=responses)


def _collect(broker: BrokerContext, body: Any, t: ReplyTypes) -> tuple[tuple[Any, ...], int, bool]:
    """`(responses, bytes of records, whether a partition has an error)`."""
    size, failed, responses = 0, False, []
    for topic in body.topics or ():
        partitions = []
        for wanted in topic.partitions or ():
            limit = min(wanted.partition_max_bytes, body.max_bytes - size)
            error, log, records = ErrorCode.none, None, None
            try:
                log = broker.store.log(_topic_name(broker, topic), wanted.partition)
                records = log.read(wanted.fetch_offset, limit, at_least_one=size == 0)
            except BrokerError as refusal:
                error, failed = refusal.code, True
            size += len(records) if records else 0
            partitions.append(_partition_data(t, wanted.partition, error, log, records))
        responses.append(t.FetchableTopicResponse(partitions=tuple(partitions), **_reply_key(topic)))
    return tuple(responses), size, failed


def _partition_data(
    t: ReplyTypes, index: int, error: ErrorCode, log: PartitionLog | None, records: FileSlice | None
) -> Any:
    end = log.high_watermark if log else -1
    return t.PartitionData(
        partition_index=index,
        error_code=error,
        high_watermark=end,
        last_stable_offset=end,
        log_start_offset=log.log_start if log else -1,
        aborted_transactions=None,
        records=records if records is not None else b"",
    )


@contextlib.contextmanager
def _readable(broker: BrokerContext, body: Any) -> Iterator[threading.Event]:
    """An event that is set when any of the wanted partitions gets records or goes."""
    event, logs = threading.Event(), []
    try:
        for topic in body.topics or ():
            for wanted in topic.partitions or ():
                with contextlib.suppress(BrokerError):
                    logs.append(broker.store.log(_topic_name(broker, topic), wanted.partition))
                    logs[-1].subscribe(event)
        yield event
    finally:
        for log in logs:
            log.unsubscribe(event)


# ---------------------------------------------------------------- offsets


def list_offsets(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Earliest, latest, by greatest timestamp, or the first offset at or after a timestamp."""

    def answer(topic: Any, wanted: Any) -> Any:
        error, found = ErrorCode.none, (-1, -1)
        try:
            found = _offset(broker.store.log(topic.name, wanted.partition_index), wanted.timestamp)
        except BrokerError as refusal:
            error = refusal.code
        return t.ListOffsetsPartitionResponse(
            partition_index=wanted.partition_index,
            error_code=error,
            offset=found[0],
            timestamp=found[1],
            leader_epoch=LEADER_EPOCH if found[0] >= 0 else -1,
        )

    return t.ListOffsetsResponse(
        throttle_time=NO_TIME,
        topics=tuple(
            t.ListOffsetsTopicResponse(
                name=topic.name, partitions=tuple(answer(topic, p) for p in topic.partitions or ())
            )
            for topic in request.body.topics or ()
        ),
    )


def _offset(log: PartitionLog, timestamp: int) -> tuple[int, int]:
    """`(offset, timestamp)`; the timestamp is -1 for the two ends, both are -1 when nothing is found."""
    if timestamp == _LATEST:
        return log.high_watermark, -1
    if timestamp == _EARLIEST:
        return log.log_start, -1
    if timestamp == _MAX_TIMESTAMP:
        latest = log.latest_timestamp()
        return (log.offset_for_timestamp(latest) if latest >= 0 else None) or (-1, -1)
    if timestamp < 0:
        raise BrokerError(ErrorCode.unsupported_version)
    return log.offset_for_timestamp(timestamp) or (-1, -1)


def offset_for_leader_epoch(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """The end of the only leader epoch there is, so that clients can see a truncated log."""

    def answer(topic: Any, wanted: Any) -> Any:
        error, end = ErrorCode.none, -1
        try:
            end = broker.store.log(topic.topic, wanted.partition).high_watermark
        except BrokerError as refusal:
            error = refusal.code
        return t.EpochEndOffset(error_code=error, partition=wanted.partition, leader_epoch=LEADER_EPOCH, end_offset=end)

    return t.OffsetForLeaderEpochResponse(
        throttle_time=NO_TIME,
        topics=tuple(
            t.OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=tuple(answer(topic, p) for p in topic.partitions or ())
            )
            for topic in request.body.topics or ()
        ),
    )


def delete_records(broker: BrokerContext, request: Request, t: ReplyTypes) -> Any:
    """Move the log start of partitions forward."""

    def answer(topic: Any, wanted: Any) -> Any:
        error, low = ErrorCode.none, -1
        try:
            low = broker.store.delete_records(topic.name, wanted.partition_index, wanted.offset)
        except BrokerError as refusal:
            error = refusal.code
        return t.DeleteRecordsPartitionResult(
            partition_index=wanted.partition_index, low_watermark=low, error_code=error
        )

    return t.DeleteRecordsResponse(
        throttle_time=NO_TIME,
        topics=tuple(
            t.DeleteRecordsTopicResult(
                name=topic.name, partitions=tuple(answer(topic, p) for p in topic.partitions or ())
            )
            for topic in request.body.topics or ()
        ),
    )
