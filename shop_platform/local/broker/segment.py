"""One append-only segment file of record batches, with a sparse index in memory."""

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from .batch import (
    HEADER_BYTES,
    BatchHeader,
    crc_matches,
    is_sound,
    offset_for_timestamp,
    parse_header,
    stored_prefix,
)
from .files import datasync

INDEX_BLOCK_BYTES = 16 * 1024
_SCAN_BYTES = 1024 * 1024
LEADER_EPOCH = 0  # one broker, one leader, for ever


def segment_name(base_offset: int) -> str:
    """File name of the segment that starts at `base_offset`."""
    return f"{base_offset:020d}.log"


class Segment:
    """Batches from `base_offset` up to `next_offset`, in the first `size` bytes of one file.

    The index has one entry a block of about 16 KiB: first offset, position and greatest timestamp of the block.
    One writer at a time (the partition's lock); readers need no lock, because entries are only ever added and the
    arrays are read up to the length of the one that is written last. The file is closed when nobody refers to the
    segment any more, so that a fetch under way survives the deletion of the segment.
    """

    def __init__(self, path: Path, base_offset: int) -> None:
        self.path = path
        self.base_offset = base_offset
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.size = 0
        self.next_offset = base_offset
        self.max_timestamp = -1
        self.offsets = array("q")
        self.positions = array("q")
        self.max_timestamps = array("q")

    def __del__(self) -> None:
        fd, self.fd = getattr(self, "fd", -1), -1
        if fd >= 0:
            os.close(fd)

    def append(self, header: BatchHeader, records: bytes) -> None:
        """Write one batch at the offset that `header` states.

        Raises:
            OSError: nothing of the batch is visible then (a half-written one is cut off or will be overwritten).
        """
        prefix = stored_prefix(header, header.base_offset, LEADER_EPOCH)
        try:
            with memoryview(records) as view:
                self._write_fully([memoryview(prefix), view[len(prefix) :]], self.size)
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.note(header)

    def _write_fully(self, parts: list[memoryview], position: int) -> None:
        while parts:
            written = os.pwritev(self.fd, parts, position)
            position += written
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if parts:
                parts[0] = parts[0][written:]

    def note(self, header: BatchHeader) -> None:
        """Account for a batch that lies at the end of the file."""
        if not self.positions or self.size - self.positions[-1] >= INDEX_BLOCK_BYTES:
            self.offsets.append(header.base_offset)
            self.positions.append(self.size)
            self.max_timestamps.append(header.max_timestamp)
        elif header.max_timestamp > self.max_timestamps[-1]:
            self.max_timestamps[-1] = header.max_timestamp
        self.max_timestamp = max(self.max_timestamp, header.max_timestamp)
        self.next_offset = header.next_offset
        self.size += header.size

    def sync(self) -> None:
        """Make every appended byte durable."""
        datasync(self.fd)

    def truncate(self, size: int | None = None) -> None:
        """Cut the file off behind `size` bytes (default: behind the last batch) and make that durable."""
        os.ftruncate(self.fd, self.size if size is None else size)
        self.sync()

    def locate(self, offset: int) -> tuple[int, int]:
        """`(position, size)` of the batch that holds `offset`, which lies within the segment."""
        block = bisect_right(self.offsets, offset, hi=len(self.max_timestamps)) - 1
        for position, header in self._headers(*self._block(block)):
            if header.next_offset > offset:
                return position, header.size
        raise LookupError(f"{self.path}: no batch holds offset {offset}")

    def first_at_or_after(self, timestamp_ms: int) -> tuple[int, int] | None:
        """`(offset, timestamp)` of the first record not older than `timestamp_ms`, or None."""
        for block in range(len(self.max_timestamps)):
            if self.max_timestamps[block] < timestamp_ms:
                continue
            for position, header in self._headers(*self._block(block)):
                if header.max_timestamp >= timestamp_ms:
                    return offset_for_timestamp(os.pread(self.fd, header.size, position), header, timestamp_ms)
        return None

    def _block(self, block: int) -> tuple[int, int]:
        last = block + 1 >= len(self.max_timestamps)
        return self.positions[block], self.size if last else self.positions[block + 1]

    def _headers(self, start: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
        chunk, chunk_at, position = b"", start, start
        while position < end:
            if position - chunk_at + HEADER_BYTES > len(chunk):
                chunk, chunk_at = os.pread(self.fd, INDEX_BLOCK_BYTES, position), position
            header = parse_header(chunk, position - chunk_at)
            yield position, header
            position += header.size

    def recover(self, start: int, end: int) -> Iterator[BatchHeader]:
        """Read whole, valid, consecutive batches in `start..end`, noting each; stops at the first that is not."""
        chunk, chunk_at, position = b"", start, start
        while position + HEADER_BYTES <= end:
            at = position - chunk_at
            if at + HEADER_BYTES > len(chunk):
                chunk, chunk_at, at = os.pread(self.fd, _SCAN_BYTES, position), position, 0
            header = parse_header(chunk, at)
            if not is_sound(header) or header.base_offset != self.next_offset or position + header.size > end:
                return
            if at + header.size > len(chunk):
                chunk, chunk_at, at = os.pread(self.fd, max(_SCAN_BYTES, header.size), position), position, 0
            with memoryview(chunk) as view:
                if not crc_matches(header, view[at : at + header.size]):
                    return
            self.note(header)
            position += header.size
            yield header
