"""Frames on a socket: read and decode requests, encode and send responses, through kio's message classes.

Record bytes of a Fetch response go from the segment file to the socket by sendfile and are never read: kio's encoder
asks a records field only for its length and hands it to the buffer, so a `FileSlice` may stand in for the bytes.
"""

import dataclasses
import functools
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

from kio.index import load_payload_module, load_request_schema
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from .partition import FileSlice

MAX_REQUEST_BYTES = 100 * 1024 * 1024  # Kafka's socket.request.max.bytes
_MSG_MORE = getattr(socket, "MSG_MORE", 0)  # Linux: send the head together with the records that follow
_LENGTH = struct.Struct(">i")
_PEEK = struct.Struct(">hhi")


class ProtocolError(Exception):
    """The bytes on the connection are not a request; the connection has to be closed."""


@dataclass(frozen=True, slots=True)
class Request:
    """One decoded request; `body` is kio's request class of this API and version, None if the version is unknown."""

    api_key: int
    version: int
    correlation_id: int
    client_id: str
    client_host: str
    local_address: tuple[str, int]
    body: Any


def receive_frame(connection: socket.socket) -> bytes | None:
    """The next request frame without its length, or None when the client has closed the connection.

    Raises:
        ProtocolError: an impossible length, or the connection ended inside a frame.
    """
    head = _receive(connection, _LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    if not _PEEK.size <= length <= MAX_REQUEST_BYTES:
        raise ProtocolError(f"a request of {length} bytes")
    frame = _receive(connection, length)
    if not frame:
        raise ProtocolError("the connection ended inside a request")
    return frame


def _receive(connection: socket.socket, length: int) -> bytes:
    """`length` bytes, or none at all at the end of the stream."""
    data = connection.recv(length, socket.MSG_WAITALL)
    if data and len(data) < length:  # interrupted by a signal, or the end
        rest = [data]
        missing = length - len(data)
        while missing:
            more = connection.recv(missing)
            if not more:
                raise ProtocolError("the connection ended inside a request")
            rest.append(more)
            missing -= len(more)
        return b"".join(rest)
    return data


def peek(frame: bytes) -> tuple[int, int, int]:
    """`(api key, version, correlation id)`, which every request starts with."""
    api_key, version, correlation_id = _PEEK.unpack_from(frame)
    return api_key, version, correlation_id


def decode(frame: bytes, client_host: str, local_address: tuple[str, int]) -> Request:
    """Decode header and body of a request of a known API and version.

    Raises:
        ProtocolError: the frame is malformed.
    """
    api_key, version, correlation_id = peek(frame)
    schema = load_request_schema(api_key, version)
    try:
        header, at = entity_reader(schema.__header_schema__)(frame, 0)
        # What stands behind the body is ignored, as Kafka does: librdkafka 2.16 sends three bytes more in Metadata 13.
        body, _ = entity_reader(schema)(frame, at)
    except Exception as error:  # kio raises its own errors, ValueError, TypeError and UnicodeDecodeError
        raise ProtocolError(f"malformed request (api {api_key} version {version}): {error}") from error
    client_id = cast(Any, header).client_id or ""
    return Request(api_key, version, correlation_id, client_id, client_host, local_address, body)


class ReplyTypes:
    """kio's response classes of one API version as attributes.

    Each takes any fields and keeps those that exist in this version, so that a handler states the newest shape once.
    """

    def __init__(self, api_key: int, version: int) -> None:
        module = load_payload_module(api_key, version, EntityType.response)
        for name, member in vars(module).items():
            if dataclasses.is_dataclass(member) and getattr(member, "__module__", "") == module.__name__:
                setattr(self, name, _keeping_known_fields(cast(type, member)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A class that this version lacks builds None, which goes nowhere: the field that held it is missing too."""
        return lambda **_: None


def _keeping_known_fields(message: type) -> Callable[..., Any]:
    known = frozenset(field.name for field in dataclasses.fields(message))

    def build(**values: object) -> Any:
        return message(**{name: value for name, value in values.items() if name in known})

    return build


@functools.cache
def reply_types(api_key: int, version: int) -> ReplyTypes:
    """The response classes of one API version."""
    return ReplyTypes(api_key, version)


class _Parts:
    """A write buffer that keeps file slices apart from the bytes around them."""

    def __init__(self) -> None:
        self.parts: list[BytesIO | FileSlice] = [BytesIO()]
        self.size = 0

    def write(self, data: bytes | FileSlice) -> int:
        self.size += len(data)
        if isinstance(data, FileSlice):
            self.parts += [data, BytesIO()]
        else:
            cast(BytesIO, self.parts[-1]).write(data)
        return len(data)


def send_response(connection: socket.socket, correlation_id: int, response: Any) -> None:
    """Encode `response` (a kio response class) and send it as one frame.

    Raises:
        OSError: the connection is gone, or a file slice could not be read: the connection must be closed.
    """
    parts = _Parts()
    header = response.__header_schema__
    entity_writer(header)(cast(Any, parts), header(correlation_id=correlation_id))
    entity_writer(type(response))(cast(Any, parts), response)
    first = cast(BytesIO, parts.parts[0]).getvalue()
    more = len(parts.parts) > 1
    connection.sendall(_LENGTH.pack(parts.size) + first, _MSG_MORE if more else 0)
    for part in parts.parts[1:]:
        if isinstance(part, FileSlice):
            _send_file(connection, part)
        else:
            connection.sendall(part.getbuffer())


def _send_file(connection: socket.socket, part: FileSlice) -> None:
    position, end = part.position, part.position + part.length
    while position < end:
        sent = os.sendfile(connection.fileno(), part.segment.fd, position, end - position)
        if sent == 0:
            raise OSError(f"{part.segment.path} is shorter than its index says")
        position += sent
