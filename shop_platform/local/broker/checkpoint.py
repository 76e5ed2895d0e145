"""The recovery point of a segment: its sparse index and the producers, so that a start reads only what came after.

A checkpoint is an optimisation. It states a size up to which the segment was durable when it was written; a missing,
damaged or too-long one is ignored and the segment is read from its beginning.
"""

import json
import logging
import struct
import sys
from array import array

from crc32c import crc32c

from .files import replace_file
from .producers import ProducerTable
from .segment import Segment

_log = logging.getLogger(__name__)
_HEAD = struct.Struct("<4sII")  # magic, CRC32C of what follows, length of the JSON part
_MAGIC = b"SBX1"


def write_checkpoint(segment: Segment, producers: ProducerTable) -> None:
    """Save the state of `segment`, all of which must be durable; a failure is logged and costs only start time."""
    state = {
        "size": segment.size,
        "next_offset": segment.next_offset,
        "max_timestamp": segment.max_timestamp,
        "byteorder": sys.byteorder,
        "blocks": len(segment.positions),
        "producers": producers.snapshot(),
    }
    head = json.dumps(state).encode()
    arrays = (segment.offsets, segment.positions, segment.max_timestamps)
    body = head + b"".join(a.tobytes() for a in arrays)
    try:
        content = _HEAD.pack(_MAGIC, crc32c(body), len(head)) + body
        replace_file(segment.path.with_suffix(".index"), content, durable=False)
    except OSError as error:
        _log.warning("checkpoint of %s not written: %s", segment.path, error)


def load_checkpoint(segment: Segment, file_size: int) -> ProducerTable | None:
    """Bring `segment` to its checkpoint and return the producers as of then; None when there is no usable one."""
    try:
        content = segment.path.with_suffix(".index").read_bytes()
        magic, crc, head_length = _HEAD.unpack_from(content)
        body = content[_HEAD.size :]
        if magic != _MAGIC or crc != crc32c(body):
            return None
        state = json.loads(body[:head_length])
        if state["byteorder"] != sys.byteorder or state["size"] > file_size:
            return None
    except (OSError, struct.error, ValueError):
        return None
    blocks = state["blocks"] * 8
    parts = [array("q", body[start : start + blocks]) for start in _starts(head_length, blocks)]
    segment.offsets, segment.positions, segment.max_timestamps = parts
    segment.size, segment.next_offset = state["size"], state["next_offset"]
    segment.max_timestamp = state["max_timestamp"]
    return ProducerTable.restore(state["producers"])


def _starts(first: int, step: int) -> list[int]:
    return [first, first + step, first + 2 * step]
