"""The data folder of the broker: its lock, its catalog and the partition logs of every topic."""

import contextlib
import copy
import fcntl
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from kio.schema.errors import ErrorCode

from .catalog import Catalog, Topic
from .errors import BrokerError, StartError
from .files import sync_directory
from .partition import PartitionLog
from .topic_config import TopicConfig, validate

_log = logging.getLogger(__name__)
_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_PARTITION_FOLDER = re.compile(r"[a-zA-Z0-9._-]{1,249}-\d+")
_TRASH = ".deleted-"
_OURS = {
    ".lock", "meta.json", "meta.json.tmp", "offsets.db", "offsets.db-wal", "offsets.db-shm", "broker.log", "lost+found"
}  # fmt: skip
_PRODUCER_IDS_A_SAVE = 1000
MAX_PARTITIONS = 1000


class Store:
    """All topics under one folder; the only writer of it, held by a file lock for the life of the process.

    Raises:
        StartError: the folder is in use, is not the broker's, or is damaged.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._meta = directory / "meta.json"
        self._lock = threading.RLock()
        self._next_producer_id = self._producer_id_limit = 0
        self._take_lock()
        self.catalog = self._load_catalog()
        self._sweep()
        self._logs: dict[tuple[str, int], PartitionLog] = {}
        for name, topic in self.catalog.topics.items():
            self._open(name, topic, range(topic.partitions))

    def _take_lock(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock_fd = os.open(self.directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StartError(f"the data folder {self.directory} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._lock_fd, 20, 0).decode(errors="replace").strip()
            os.close(self._lock_fd)
            raise StartError(
                f"another broker (process {owner or 'unknown'}) uses {self.directory}; "
                "stop it first or choose another --data folder"
            ) from error
        os.ftruncate(self._lock_fd, 0)
        os.pwrite(self._lock_fd, f"{os.getpid()}\n".encode(), 0)

    def _load_catalog(self) -> Catalog:
        if self._meta.exists():
            return Catalog.load(self._meta)
        strangers = sorted(path.name for path in self.directory.iterdir() if path.name not in _OURS)
        if strangers:
            raise StartError(
                f"{self.directory} has no meta.json but holds {strangers[0]!r}: not a broker's folder, "
                "choose an empty one"
            )
        catalog = Catalog.new()
        catalog.save(self._meta)
        return catalog

    def _sweep(self) -> None:
        """Remove what a deletion or creation that was cut short left behind: folders the catalog does not name."""
        wanted = {f"{name}-{p}" for name, topic in self.catalog.topics.items() for p in range(topic.partitions)}
        for path in self.directory.iterdir():
            if path.is_dir() and path.name not in wanted and _is_partition_folder(path):
                _log.info("removing the left-over folder %s", path.name)
                shutil.rmtree(path, ignore_errors=True)

    def _open(self, name: str, topic: Topic, partitions: range) -> None:
        config = TopicConfig.of(topic.config)
        for p in partitions:
            start = topic.log_start.get(p, 0)
            self._logs[name, p] = PartitionLog(self.directory / f"{name}-{p}", config, start)

    def _change(self, change: Callable[[Catalog], None]) -> None:
        """Apply `change` to the catalog, in memory only once it is on disk."""
        changed = copy.deepcopy(self.catalog)
        change(changed)
        try:
            changed.save(self._meta)
        except OSError as error:
            raise BrokerError(ErrorCode.kafka_storage_error, f"meta.json: {error.strerror}") from error
        self.catalog = changed

    # ---------------------------------------------------------------- lookup

    def log(self, topic: str, partition: int) -> PartitionLog:
        """The log of a partition.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION.
        """
        log = self._logs.get((topic, partition))
        if log is None:
            raise BrokerError(ErrorCode.unknown_topic_or_partition)
        return log

    def name_of(self, topic_id: uuid.UUID | None) -> str:
        """The name behind a topic id.

        Raises:
            BrokerError: UNKNOWN_TOPIC_ID.
        """
        for name, topic in self.catalog.topics.items():
            if topic.id == topic_id:
                return name
        raise BrokerError(ErrorCode.unknown_topic_id, f"no topic has the id {topic_id}")

    def topic(self, name: str) -> Topic:
        """The catalog entry of a topic.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION.
        """
        topic = self.catalog.topics.get(name)
        if topic is None:
            raise BrokerError(ErrorCode.unknown_topic_or_partition)
        return topic

    # ---------------------------------------------------------------- topics

    def create_topic(
        self, name: str, partitions: int, config: Mapping[str, str | None], *, validate_only: bool = False
    ) -> Topic:
        """Create a topic and return its entry.

        Raises:
            BrokerError: INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_CONFIG or
                KAFKA_STORAGE_ERROR.
        """
        with self._lock:
            self._check_name(name)
            if not 1 <= partitions <= MAX_PARTITIONS:
                raise BrokerError(ErrorCode.invalid_partitions, f"from 1 to {MAX_PARTITIONS} partitions")
            topic = Topic(uuid.uuid4(), partitions, validate(config))
            if not validate_only:
                self._open_new(name, topic, range(partitions))
                self._change_or_discard(name, range(partitions), lambda c: c.topics.update({name: topic}))
                _log.info("topic %s created: %d partitions, id %s", name, partitions, topic.id)
            return topic

    def _open_new(self, name: str, topic: Topic, partitions: range) -> None:
        try:
            for p in partitions:  # an earlier attempt that failed half-way, or a deletion, may have left files
                self._trash(self.directory / f"{name}-{p}")
            self._open(name, topic, partitions)
            sync_directory(self.directory)
        except OSError as error:
            self._discard(name, partitions)
            raise BrokerError(ErrorCode.kafka_storage_error, f"no folder for {name}: {error.strerror}") from error

    def _change_or_discard(self, name: str, partitions: range, change: Callable[[Catalog], None]) -> None:
        try:
            self._change(change)
        except BrokerError:
            self._discard(name, partitions)
            raise

    def _discard(self, name: str, partitions: range) -> None:
        for p in partitions:
            log = self._logs.pop((name, p), None)
            if log is not None:
                log.remove()
            with contextlib.suppress(OSError):  # swept at the next start
                self._trash(self.directory / f"{name}-{p}")

    def _trash(self, folder: Path) -> None:
        if folder.exists():
            shutil.rmtree(folder.rename(self.directory / f"{_TRASH}{uuid.uuid4().hex}-0"), ignore_errors=True)

    def _check_name(self, name: str) -> None:
        if not _LEGAL_NAME.fullmatch(name) or name in {".", ".."}:
            raise BrokerError(ErrorCode.invalid_topic_exception, f"{name!r} is not a legal topic name")
        if name in self.catalog.topics:
            raise BrokerError(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
        twin = next((t for t in self.catalog.topics if t.replace(".", "_") == name.replace(".", "_")), None)
        if twin:
            raise BrokerError(ErrorCode.invalid_topic_exception, f"{name!r} collides with {twin!r}")

    def delete_topic(self, name: str) -> Topic:
        """Delete a topic with its records and return what it was.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION or KAFKA_STORAGE_ERROR.
        """
        with self._lock:
            topic = self.topic(name)
            self._change(lambda catalog: _forget(catalog, name))
            self._discard(name, range(topic.partitions))
            _log.info("topic %s deleted", name)
            return topic

    def create_partitions(self, name: str, count: int, *, validate_only: bool = False) -> None:
        """Raise the number of partitions to `count`.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS or KAFKA_STORAGE_ERROR.
        """
        with self._lock:
            topic = self.topic(name)
            if not topic.partitions < count <= MAX_PARTITIONS:
                raise BrokerError(
                    ErrorCode.invalid_partitions, f"{name} has {topic.partitions} partitions; {count} is not more"
                )
            if not validate_only:
                new = range(topic.partitions, count)
                self._open_new(name, topic, new)
                self._change_or_discard(name, new, lambda c: setattr(c.topics[name], "partitions", count))

    def alter_config(self, name: str, config: Mapping[str, str | None], *, validate_only: bool = False) -> None:
        """Replace the settings of a topic; they hold at once.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION, INVALID_CONFIG or KAFKA_STORAGE_ERROR.
        """
        with self._lock:
            checked = validate(config)
            topic = self.topic(name)
            if not validate_only:
                self._change(lambda catalog: setattr(catalog.topics[name], "config", checked))
                for p in range(topic.partitions):
                    self._logs[name, p].config = TopicConfig.of(checked)

    # ---------------------------------------------------------------- records and producers

    def delete_records(self, name: str, partition: int, before: int) -> int:
        """Make the records before offset `before` (-1: all) unreadable; returns the new log start offset.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE or KAFKA_STORAGE_ERROR.
        """
        with self._lock:
            log = self.log(name, partition)
            offset = log.high_watermark if before == -1 else before
            if not 0 <= offset <= log.high_watermark:
                raise BrokerError(ErrorCode.offset_out_of_range)
            if offset > log.log_start:
                self._change(lambda catalog: catalog.topics[name].log_start.update({partition: offset}))
                log.advance_start(offset)
            return log.log_start

    def apply_retention(self) -> None:
        """Delete what the topics' retention settings allow to go; a failure is logged and tried again later."""
        for (name, p), log in list(self._logs.items()):
            try:
                if log.apply_retention(int(time.time() * 1000)):
                    _log.info("%s-%d starts at offset %d (retention)", name, p, log.log_start)
            except OSError as error:
                _log.warning("retention of %s-%d: %s", name, p, error)

    def new_producer_id(self) -> int:
        """A producer id that was never given before, also not before a restart."""
        with self._lock:
            if self._next_producer_id == self._producer_id_limit:
                start = self.catalog.next_producer_id
                limit = start + _PRODUCER_IDS_A_SAVE
                self._change(lambda catalog: setattr(catalog, "next_producer_id", limit))
                self._next_producer_id, self._producer_id_limit = start, limit
            self._next_producer_id += 1
            return self._next_producer_id - 1

    def close(self) -> None:
        """Make everything durable and release the folder."""
        with self._lock:
            for log in self._logs.values():
                log.close()
            os.close(self._lock_fd)


def _forget(catalog: Catalog, name: str) -> None:
    del catalog.topics[name]


def _is_partition_folder(path: Path) -> bool:
    named = path.name.startswith(_TRASH) or _PARTITION_FOLDER.fullmatch(path.name)
    return bool(named) and all(file.suffix in {".log", ".index", ".tmp"} for file in path.iterdir())
