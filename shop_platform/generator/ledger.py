"""The producer's ledgers: every acknowledged message, every injected fault, as append-only lines of text."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from shop_platform.generator.message import Message
from shop_platform.settings import Settings

_FLUSH_SECONDS = 0.2
Partition = tuple[str, int]

SOURCES = frozenset(
    f"/shop/{system}"
    for system in ("accounts", "catalogue", "checkout", "fulfilment", "marketing", "returns", "warehouse", "web")
)
"""Whose events the simulated shop sends: every one of them is in its ledgers."""


class Acknowledged(NamedTuple):
    """One line of the produced ledger."""

    event_id: str
    topic: str
    partition: int
    offset: int
    event_time: str


@dataclass
class Known:
    """What ledgers say: how often each id was acknowledged, the next offset of each partition, the faults."""

    times: Counter[str] = field(default_factory=Counter)
    next_offset: dict[Partition, int] = field(default_factory=dict)
    faults: set[tuple[str, str]] = field(default_factory=set)

    def add(self, line: Acknowledged) -> None:
        """Count one more acknowledged message."""
        self.times[line.event_id] += 1
        place = (line.topic, line.partition)
        self.next_offset[place] = max(self.next_offset.get(place, 0), line.offset + 1)


class Ledger:
    """The two files of one run of a producer, ``produced/<run>.tsv`` and ``faults/<run>.tsv``.

    Lines are buffered and handed to the operating system every 0.2 s (so they survive the process), faults before
    acknowledgements, and forced to the disk by :meth:`close`.
    """

    def __init__(self, folder: Path, run: str, known_faults: Iterable[tuple[str, str]] = ()) -> None:
        self.run = run
        self.next_offset: dict[Partition, int] = {}
        """Behind the last acknowledged message of each partition, of this run."""
        self._known_faults = set(known_faults)
        self._paths = {part: folder / part / f"{run}.tsv" for part in ("faults", "produced")}
        for path in self._paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        self._files = {part: path.open("ab", buffering=0) for part, path in self._paths.items()}
        self._lines: dict[str, list[str]] = {"faults": [], "produced": []}
        self._flushed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def acknowledge(self, message: Message, partition: int, offset: int) -> None:
        """Note that Kafka has the message, and its fault if it carries one."""
        place = (message.topic, partition)
        self.next_offset[place] = max(self.next_offset.get(place, 0), offset + 1)
        self._lines["produced"].append(
            f"{message.event_id}\t{message.topic}\t{partition}\t{offset}\t{message.event_time}\n"
        )
        if message.fault:
            self.note_fault(message)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def note_fault(self, message: Message) -> None:
        """Write down a fault that Kafka is known to hold, unless that was done."""
        if message.fault and (message.event_id, message.fault) not in self._known_faults:
            self._lines["faults"].append(f"{message.event_id}\t{message.topic}\t{message.fault}\t{message.detail}\n")

    def remember_fault(self, message: Message) -> None:
        """Let :meth:`note_fault` pass over this fault from now on (while an earlier run is repeated)."""
        if message.fault:
            self._known_faults.add((message.event_id, message.fault))

    def flush(self) -> None:
        """Hand what is buffered to the operating system."""
        for part, lines in self._lines.items():
            if lines:
                data = "".join(lines).encode()
                lines.clear()
                while data:
                    data = data[self._files[part].write(data) or 0 :]
        self._flushed = time.monotonic()

    def size(self) -> int:
        """Return the bytes of the produced file so far (after a flush)."""
        self.flush()
        return self._paths["produced"].stat().st_size

    def close(self) -> None:
        """Write everything, force it to the disk and close; safe to call twice."""
        if self._files["produced"].closed:
            return
        self.flush()
        for file in self._files.values():
            os.fsync(file.fileno())
            file.close()


def mend(folder: Path) -> None:
    """Cut off the half lines that killed processes left at the ends of ledgers."""
    for path in (*(folder / "produced").glob("*.tsv"), *(folder / "faults").glob("*.tsv")):
        with path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            tail = min(end, 65_536)
            file.seek(end - tail)
            last = file.read(tail)
            if last and not last.endswith(b"\n"):
                file.truncate(end - tail + last.rfind(b"\n") + 1)


def produced_lines(path: Path, position: int = 0) -> Iterator[Acknowledged]:
    """Yield the lines of one produced ledger from a byte position on."""
    with path.open("rb") as file:
        file.seek(position)
        for line in file:
            event_id, topic, partition, offset, event_time = line.decode().rstrip("\n").split("\t")
            yield Acknowledged(event_id, topic, int(partition), int(offset), event_time)


def read_known(folder: Path, runs: str, since: tuple[str, int] = ("", 0)) -> Known:
    """Return what the ledgers of the runs named ``<runs>-*`` say, from byte ``since[1]`` of run ``since[0]`` on."""
    known = Known()
    for path in sorted((folder / "produced").glob(f"{runs}-*.tsv")):
        if path.stem >= since[0]:
            for line in produced_lines(path, since[1] if path.stem == since[0] else 0):
                known.add(line)
    for path in sorted((folder / "faults").glob(f"{runs}-*.tsv")):
        if path.stem >= since[0]:
            for text in path.read_text().splitlines():
                event_id, _, fault, _ = text.split("\t")
                known.faults.add((event_id, fault))
    return known


def next_run(settings: Settings, kind: str) -> str:
    """Return a run's name that sorts behind the earlier ones of its kind: ``history-000001``, ``live-000007``."""
    names = (path.stem for path in (settings.ledger_dir / "produced").glob(f"{kind}-*.tsv"))
    taken = [int(name.removeprefix(f"{kind}-")) for name in names]
    return f"{kind}-{max(taken, default=0) + 1:06d}"
