"""One record to a broker without a Kafka client, for what no good client sends: any header bytes, any time."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

import crc32c

_PRODUCE, _VERSION = 0, 3
_SECONDS = 20.0

Headers = Sequence[tuple[bytes, bytes | None]]


def send_record(
    bootstrap: str,
    topic: str,
    partition: int,
    value: bytes,
    *,
    key: bytes = b"k",
    headers: Headers = (),
    time_ms: int = 0,
) -> int:
    """Produce one record and return its offset; raise :class:`AssertionError` when the broker refuses it."""
    batch = _batch(key, value, headers, time_ms)
    body = struct.pack(">hhi", -1, -1, 10_000)  # no transaction, acks=all, milliseconds
    body += struct.pack(">i", 1) + _string(topic.encode())
    body += struct.pack(">iii", 1, partition, len(batch)) + batch
    head = struct.pack(">hhi", _PRODUCE, _VERSION, 1) + _string(b"chaos")
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_SECONDS) as connection, connection.makefile("rb") as file:
        connection.sendall(struct.pack(">i", len(head + body)) + head + body)
        (length,) = struct.unpack(">i", file.read(4))
        answer = file.read(length)
    at = 4 + 4 + 2 + len(topic.encode()) + 4  # correlation id, topics, name, partitions
    _, error, offset = struct.unpack_from(">ihq", answer, at)
    assert error == 0, f"the broker answered with error {error}"
    return int(offset)


def _string(text: bytes) -> bytes:
    return struct.pack(">h", len(text)) + text


def _varint(value: int) -> bytes:
    raw, out = (value << 1) ^ (value >> 63), bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def _sized(data: bytes | None) -> bytes:
    if data is None:
        return _varint(-1)
    return _varint(len(data)) + data


def _batch(key: bytes, value: bytes, headers: Headers, time_ms: int) -> bytes:
    record = b"\x00" + _varint(0) + _varint(0) + _sized(key) + _sized(value)
    record += _varint(len(headers)) + b"".join(_sized(name) + _sized(content) for name, content in headers)
    checked = struct.pack(">hiqqqhii", 0, 0, time_ms, time_ms, -1, -1, -1, 1) + _sized(record)
    return struct.pack(">qiibI", 0, len(checked) + 9, -1, 2, crc32c.crc32c(checked)) + checked
