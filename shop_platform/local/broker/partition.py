"""The log of one partition: append with group commit, read, trim, recover.

A record is acknowledged, and visible to readers, only after fdatasync. Appends to a partition are serialised by a short
lock; the sync runs outside of it, so that everything appended while one sync runs becomes durable with the next.
"""

import contextlib
import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kio.schema.errors import ErrorCode

from .batch import BatchHeader, validate_produced
from .checkpoint import load_checkpoint, write_checkpoint
from .errors import BrokerError, StartError
from .files import sync_directory
from .producers import ProducerTable
from .segment import Segment, segment_name
from .topic_config import TopicConfig

_log = logging.getLogger(__name__)
_CHECKPOINT_BYTES = 32 * 1024 * 1024
_CHECKPOINT_BLOCKS = 2_000


@dataclass(frozen=True, slots=True)
class Ticket:
    """An appended batch that is not yet known to be durable."""

    base_offset: int
    end_offset: int
    rollbacks: int


@dataclass(frozen=True, slots=True)
class FileSlice:
    """Bytes of a segment file that a response sends without reading them; keeps the file open."""

    segment: Segment
    position: int
    length: int

    def __len__(self) -> int:
        return self.length


class PartitionLog:
    """Segments of one partition in `directory`; offsets `log_start <= readable < high_watermark <= next_offset`."""

    def __init__(self, directory: Path, config: TopicConfig, log_start: int = 0) -> None:
        self.directory = directory
        self.config = config
        self.removed = False
        self._failed = False
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._waiters: set[threading.Event] = set()
        self._rollbacks = 0
        self._producers = ProducerTable()
        self._segments: list[Segment] = []
        self._open_segments()
        self.log_start = max(log_start, self._segments[0].base_offset)
        self.high_watermark = self._active.next_offset
        self._durable_size = self._checkpointed_size = self._active.size
        self._checkpointed_blocks = len(self._active.positions)

    @property
    def _active(self) -> Segment:
        return self._segments[-1]

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in list(self._segments))

    # ---------------------------------------------------------------- recovery

    def _open_segments(self) -> None:
        self.directory.mkdir(exist_ok=True)
        paths = sorted(self.directory.glob("*.log")) or [self.directory / segment_name(0)]
        for path in paths:
            segment = Segment(path, int(path.stem))
            if self._segments and segment.base_offset != self._active.next_offset:
                raise StartError(
                    f"{self._active.path} ends at offset {self._active.next_offset}, but {path.name} follows: "
                    "the file is damaged or missing. Restore it from a backup, or delete the topic's folder."
                )
            self._recover(segment)
            self._segments.append(segment)
        sync_directory(self.directory)

    def _recover(self, segment: Segment) -> None:
        file_size = segment.path.stat().st_size
        self._producers = load_checkpoint(segment, file_size) or self._producers
        for header in segment.recover(segment.size, file_size):
            self._producers.stored(header)
        if segment.size < file_size:
            _log.warning("%s: %d bytes of a torn write cut off", segment.path, file_size - segment.size)
            segment.truncate()

    # ---------------------------------------------------------------- append

    def append(self, records: bytes | None) -> Ticket:
        """Validate one produced batch and put it behind the last one; not durable before `wait_durable`.

        Raises:
            BrokerError: why the batch is refused; nothing of it is in the log then.
        """
        header = validate_produced(records)
        assert records is not None
        self._check_limits(header)
        with self._lock:
            if self.removed:
                raise BrokerError(ErrorCode.unknown_topic_or_partition)
            if self._failed:
                raise BrokerError(ErrorCode.kafka_storage_error, "the disk failed; restart the broker")
            duplicate = self._producers.duplicate_of(header)
            if duplicate is not None:
                return Ticket(*duplicate, self._rollbacks)
            try:
                if self._active.size and self._active.size + header.size > self.config.segment_bytes:
                    self._roll()
                header = header._replace(base_offset=self._active.next_offset)
                self._active.append(header, records)
            except OSError as error:
                raise self._storage_error(error) from error
            self._producers.stored(header)
            return Ticket(header.base_offset, header.next_offset, self._rollbacks)

    def _check_limits(self, header: BatchHeader) -> None:
        config = self.config
        if header.size > config.max_message_bytes:
            raise BrokerError(
                ErrorCode.message_too_large,
                f"a batch of {header.size} bytes; max.message.bytes is {config.max_message_bytes}",
            )
        if header.size > config.segment_bytes:
            raise BrokerError(ErrorCode.record_list_too_large, f"segment.bytes is {config.segment_bytes}")
        if header.max_timestamp > time.time() * 1000 + config.timestamp_after_max_ms:
            raise BrokerError(
                ErrorCode.invalid_timestamp,
                f"timestamp {header.max_timestamp} is further ahead than message.timestamp.after.max.ms",
            )

    def _storage_error(self, error: OSError) -> BrokerError:
        _log.error("%s: %s", self.directory, error)
        return BrokerError(ErrorCode.kafka_storage_error, f"the log cannot be written: {error.strerror}")

    def _roll(self) -> None:
        """Start a new segment; the old one is durable first, so only the last can ever be torn."""
        old = self._active
        try:
            old.sync()
        except OSError:
            self._roll_back()
            raise
        self._advance(old.next_offset, old.size)
        write_checkpoint(old, self._producers)
        self._segments.append(Segment(self.directory / segment_name(old.next_offset), old.next_offset))
        sync_directory(self.directory)
        self._durable_size = self._checkpointed_size = self._checkpointed_blocks = 0

    def wait_durable(self, ticket: Ticket) -> None:
        """Return when the batch is on disk; whoever comes first syncs for all that are waiting.

        Raises:
            BrokerError: KAFKA_STORAGE_ERROR; the batch is not in the log.
        """
        with self._sync_lock:
            if ticket.rollbacks != self._rollbacks:
                raise BrokerError(ErrorCode.kafka_storage_error, "the log could not be made durable")
            if self.high_watermark < ticket.end_offset:
                with self._lock:
                    segment, end, size = self._active, self._active.next_offset, self._active.size
                try:
                    segment.sync()
                except OSError as error:
                    with self._lock:
                        self._roll_back()
                    raise self._storage_error(error) from error
                with self._lock:
                    if segment is self._active:
                        self._advance(end, size)
                    self._checkpoint_if_due()
        self._wake_readers()

    def _advance(self, end: int, size: int) -> None:
        self.high_watermark = max(self.high_watermark, end)
        self._durable_size = max(self._durable_size, size)

    def _checkpoint_if_due(self) -> None:
        segment = self._active
        grown = segment.size - self._checkpointed_size > _CHECKPOINT_BYTES
        many = len(segment.positions) - self._checkpointed_blocks > _CHECKPOINT_BLOCKS
        if segment.size == self._durable_size and (grown or many):
            write_checkpoint(segment, self._producers)
            self._checkpointed_size, self._checkpointed_blocks = segment.size, len(segment.positions)

    def _roll_back(self) -> None:
        """After a failed sync: cut the log back to what is durable and read its state again (lock held)."""
        self._rollbacks += 1
        damaged = self._active
        try:
            damaged.truncate(self._durable_size)
        except OSError as error:
            _log.error("%s: no more writes until a restart: %s", damaged.path, error)
            self._failed = True
            return
        self._producers = ProducerTable()
        if len(self._segments) > 1:
            before = self._segments[-2]
            self._recover(Segment(before.path, before.base_offset))
        segment = Segment(damaged.path, damaged.base_offset)
        self._recover(segment)
        self._segments[-1] = segment

    # ---------------------------------------------------------------- read

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> FileSlice | None:
        """Batches from the one that holds `offset`, up to `max_bytes`; None at the end of the log.

        A first batch that is larger than `max_bytes` is given whole if `at_least_one`, else None.

        Raises:
            BrokerError: OFFSET_OUT_OF_RANGE.
        """
        with self._lock:
            end, active, durable = self.high_watermark, self._active, self._durable_size
            if not self.log_start <= offset <= self._active.next_offset:
                raise BrokerError(ErrorCode.offset_out_of_range)
            if offset >= end:
                return None
            segment = next(s for s in reversed(self._segments) if s.base_offset <= offset)
        limit = durable if segment is active else segment.size
        position, size = segment.locate(offset)
        if size > max_bytes and not at_least_one:
            return None
        return FileSlice(segment, position, min(max(max_bytes, size), limit - position))

    def offset_for_timestamp(self, timestamp_ms: int) -> tuple[int, int] | None:
        """`(offset, timestamp)` of the first readable record not older than `timestamp_ms`, or None."""
        with self._lock:
            segments, start, end = list(self._segments), self.log_start, self.high_watermark
        for segment in segments:
            if segment.max_timestamp < timestamp_ms or segment.next_offset <= start:
                continue
            found = segment.first_at_or_after(timestamp_ms)
            if found is not None and found[0] < end:
                return max(found[0], start), found[1]
        return None

    def latest_timestamp(self) -> int:
        """The greatest record timestamp in the log, -1 when it is empty."""
        return max(segment.max_timestamp for segment in list(self._segments))

    def subscribe(self, event: threading.Event) -> None:
        """Have `event` set whenever records become readable or the partition goes."""
        with self._lock:
            self._waiters.add(event)

    def unsubscribe(self, event: threading.Event) -> None:
        """Undo `subscribe`."""
        with self._lock:
            self._waiters.discard(event)

    def _wake_readers(self) -> None:
        if self._waiters:
            with self._lock:
                waiters = list(self._waiters)
            for event in waiters:
                event.set()

    # ---------------------------------------------------------------- trim and end

    def advance_start(self, offset: int) -> None:
        """Forget the records before `offset`; whole segments of them are deleted."""
        with self._lock:
            self.log_start = max(self.log_start, min(offset, self.high_watermark))
            self._drop_before_start()

    def _drop_before_start(self) -> None:
        while len(self._segments) > 1 and self._segments[0].next_offset <= self.log_start:
            gone = self._segments.pop(0)
            gone.path.unlink(missing_ok=True)
            gone.path.with_suffix(".index").unlink(missing_ok=True)

    def apply_retention(self, now_ms: int) -> bool:
        """Delete the oldest segments that are past `retention.ms` or beyond `retention.bytes`; True if any went."""
        config = self.config
        if config.retention_ms < 0 and config.retention_bytes < 0:
            return False
        with self._lock:
            before, excess = self.log_start, sum(s.size for s in self._segments) - config.retention_bytes
            for segment in list(self._segments):
                too_old = 0 <= config.retention_ms < now_ms - segment.max_timestamp
                too_much = config.retention_bytes >= 0 and segment.size <= excess
                if not segment.size or not (too_old or too_much):
                    break
                if segment is self._active:
                    if segment.next_offset != self.high_watermark:
                        break
                    self._roll()
                excess -= segment.size
                self.log_start = max(self.log_start, segment.next_offset)
            self._drop_before_start()
            return self.log_start > before

    def remove(self) -> None:
        """The topic is deleted: refuse what comes and wake who waits; files are the caller's."""
        with self._lock:
            self.removed = True
        self._wake_readers()

    def close(self) -> None:
        """Make everything durable and leave a checkpoint; no append may follow."""
        with self._sync_lock, self._lock, contextlib.suppress(OSError):
            self.removed = True
            self._active.sync()
            write_checkpoint(self._active, self._producers)
