"""The header of a Kafka record batch (magic 2): parse, verify, and the few fields a broker may change.

The records themselves stay opaque bytes, compressed or not. A broker assigns only `base_offset` and
`partition_leader_epoch`, which lie before the checksummed region, so the producer's CRC32C stays valid on disk.
"""

import gzip
import struct
from typing import NamedTuple

from crc32c import crc32c
from kio.schema.errors import ErrorCode

from .errors import BrokerError

Buffer = bytes | bytearray | memoryview

# baseOffset, batchLength, partitionLeaderEpoch, magic, crc, attributes, lastOffsetDelta, baseTimestamp,
# maxTimestamp, producerId, producerEpoch, baseSequence, recordsCount
_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = _HEADER.size
LENGTH_PREFIX_BYTES = 12
CRC_STARTS_AT = 21
_PREFIX = struct.Struct(">qii")
_LENGTH_AT = struct.Struct(">qi")

_COMPRESSION_MASK = 0x07
_GZIP = 1
_TIMESTAMP_TYPE = 0x08
_TRANSACTIONAL = 0x10
_CONTROL = 0x20
_KNOWN_COMPRESSION = range(5)
_NO_BATCH = "the produce request carries no complete record batch"


class BatchHeader(NamedTuple):
    """The fields of one batch; `size` is the whole batch in bytes, timestamps are milliseconds since 1970."""

    base_offset: int
    size: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def next_offset(self) -> int:
        """The offset behind the last record of the batch."""
        return self.base_offset + self.last_offset_delta + 1


def batch_size(buffer: Buffer, at: int = 0) -> tuple[int, int]:
    """`(base_offset, size in bytes)` of the batch that starts at `at`; needs `LENGTH_PREFIX_BYTES` bytes there."""
    base_offset, length = _LENGTH_AT.unpack_from(buffer, at)
    return base_offset, length + LENGTH_PREFIX_BYTES


def parse_header(buffer: Buffer, at: int = 0) -> BatchHeader:
    """Read the header at `at`; the caller guarantees `HEADER_BYTES` bytes."""
    base, length, _epoch, magic, crc, attributes, delta, first_ts, max_ts, pid, epoch, sequence, count = (
        _HEADER.unpack_from(buffer, at)
    )
    size = length + LENGTH_PREFIX_BYTES
    return BatchHeader(base, size, magic, crc, attributes, delta, first_ts, max_ts, pid, epoch, sequence, count)


def crc_matches(header: BatchHeader, batch: Buffer) -> bool:
    """Whether the CRC32C of the checksummed region of one whole batch is the one its header states."""
    with memoryview(batch) as view:
        return crc32c(view[CRC_STARTS_AT : header.size]) == header.crc


def is_sound(header: BatchHeader) -> bool:
    """Whether the header describes a batch that a broker could have stored."""
    return (
        header.magic == 2
        and header.size > HEADER_BYTES
        and header.record_count > 0
        and header.last_offset_delta == header.record_count - 1
        and header.base_offset >= 0
    )


def validate_produced(records: bytes | None) -> BatchHeader:
    """Check what a producer sent for one partition and return its header.

    Raises:
        BrokerError: CORRUPT_MESSAGE, INVALID_RECORD or UNSUPPORTED_COMPRESSION_TYPE.
    """
    if records is None or len(records) < HEADER_BYTES:
        raise BrokerError(ErrorCode.invalid_record, _NO_BATCH)
    header = parse_header(records)
    if header.magic != 2:
        raise BrokerError(ErrorCode.invalid_record, f"message format {header.magic} is not supported, use 2")
    if header.size < len(records) and header.size > HEADER_BYTES:
        raise BrokerError(ErrorCode.invalid_record, "a produce request may carry one record batch a partition")
    if header.size > len(records):
        raise BrokerError(ErrorCode.invalid_record, _NO_BATCH)
    if header.size <= HEADER_BYTES or not crc_matches(header, records):
        raise BrokerError(ErrorCode.corrupt_message, "the record batch fails its checksum or length")
    if not is_sound(header._replace(base_offset=0)):
        raise BrokerError(ErrorCode.invalid_record, "the record batch is empty or its offsets have gaps")
    if header.attributes & (_TRANSACTIONAL | _CONTROL):
        raise BrokerError(ErrorCode.invalid_record, "transactions are not supported by the development broker")
    if header.attributes & _COMPRESSION_MASK not in _KNOWN_COMPRESSION:
        raise BrokerError(ErrorCode.unsupported_compression_type, "unknown compression type")
    if header.producer_id >= 0 and (header.producer_epoch < 0 or header.base_sequence < 0):
        raise BrokerError(ErrorCode.invalid_record, "an idempotent batch without epoch or sequence")
    return header


def stored_prefix(header: BatchHeader, base_offset: int, leader_epoch: int) -> bytes:
    """The first 16 bytes of the batch as stored: the assigned offset, the length, the leader epoch."""
    return _PREFIX.pack(base_offset, header.size - LENGTH_PREFIX_BYTES, leader_epoch)


def offset_for_timestamp(batch: bytes, header: BatchHeader, timestamp_ms: int) -> tuple[int, int]:
    """`(offset, timestamp)` of the first record in this batch at or after `timestamp_ms`.

    Exact for plain and gzip batches. For snappy, lz4 and zstd, which the standard library cannot open, the first
    record of the batch is given: at or before the exact one, so that a reader who starts there misses nothing.
    """
    compression = header.attributes & _COMPRESSION_MASK
    first = (header.base_offset, header.base_timestamp)
    if header.base_timestamp >= timestamp_ms or header.attributes & _TIMESTAMP_TYPE or compression > _GZIP:
        return first
    body = batch[HEADER_BYTES : header.size]
    payload = gzip.decompress(body) if compression == _GZIP else body
    at = 0
    for _ in range(header.record_count):
        length, start = _varint(payload, at)
        delta_ts, next_at = _varint(payload, start + 1)
        delta_offset, _ = _varint(payload, next_at)
        if header.base_timestamp + delta_ts >= timestamp_ms:
            return header.base_offset + delta_offset, header.base_timestamp + delta_ts
        at = start + length
    return first


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """`(value, next position)` of the zig-zag varint at `at`."""
    raw = shift = 0
    while True:
        byte = data[at]
        at += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (raw >> 1) ^ -(raw & 1), at
        shift += 7
