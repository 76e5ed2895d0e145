"""Readers, services and victims: start them, watch how far they come, kill, stop and wake them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import KafkaException

from shop_platform.children import die_with_parent
from shop_platform.errors import ShopError
from shop_platform.events.registry import TOPICS
from shop_platform.ingest.lag import end_offsets, stored_offsets
from shop_platform.ingest.reader import PartitionReader
from shop_platform.settings import PROJECT_ROOT, Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.dose import REPEAT

PATIENCE = 120.0
TOPIC_NAMES = [topic.name for topic in TOPICS]


def eventually(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Poll until ``condition`` is true and return it; an outage meanwhile is no answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := condition():
                return result
        except psycopg.OperationalError:
            pass
        except ShopError as error:
            if not isinstance(error.__cause__, psycopg.OperationalError | KafkaException):
                raise
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {REPEAT}"
        time.sleep(0.05)


def committed(settings: Settings) -> int:
    """Return how many messages the warehouse has passed, over all partitions."""
    with connect(settings, Role.INGEST) as connection:
        return sum(stored_offsets(connection).values())


def get_on(settings: Settings, messages: int, of: int) -> None:
    """Wait until the warehouse has passed so many ``messages`` more, or nearly all ``of`` them."""
    before = eventually(lambda: [committed(settings)], "the warehouse answers")[0]
    goal = min(before + messages, of - 1)
    eventually(lambda: committed(settings) >= goal, f"it gets on from {before} to {goal} messages")


def ledger_ends(settings: Settings) -> dict[tuple[str, int], int]:
    """Return the offset behind the last acknowledged message of each partition."""
    ends: dict[tuple[str, int], int] = {}
    for path in (settings.ledger_dir / "produced").glob("*.tsv"):
        for line in path.read_text().splitlines():
            _, topic, partition, offset, _ = line.split("\t")
            place = (topic, int(partition))
            ends[place] = max(ends.get(place, 0), int(offset) + 1)
    return ends


def has_read_everything(settings: Settings, witness: psycopg.Connection[Any] | None = None) -> bool:
    """Tell whether the warehouse has passed everything that was acknowledged, asking ``witness`` if given."""
    with contextlib.nullcontext(witness) if witness else connect(settings, Role.INGEST) as connection:
        stored = stored_offsets(connection)
    return all(stored.get(place, 0) >= end for place, end in ledger_ends(settings).items())


def read_everything(settings: Settings, topics: Sequence[str] = TOPIC_NAMES, *, seconds: float = PATIENCE) -> None:
    """Read every partition to its present end in this process, whoever else is at it."""
    with PartitionReader(settings, list(topics)) as reader:
        reader.assign_all()
        go_to_the_end(reader, settings, seconds=seconds)


def go_to_the_end(reader: PartitionReader, settings: Settings, *, seconds: float = PATIENCE) -> None:
    """Let ``reader`` step until it stands at the present end of each of its partitions."""
    ends = end_offsets(settings)
    deadline = time.monotonic() + seconds
    while any(position.next_offset < ends[place][1] for place, position in reader.positions.items()):
        assert time.monotonic() < deadline, f"the end was not reached within {seconds:g} s; {REPEAT}"
        reader.step(settings.ingest_batch_messages, 0.05)
    reader.drain()


class Process:
    """A child process whose output goes to a file that failures quote."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT_ROOT,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - only prctl and signal are called
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.popen.kill()
        self.popen.wait()

    def wait(self, seconds: float = PATIENCE) -> int:
        """Return the exit code; negative: the signal that ended it."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s; {self.tail()}; {REPEAT}") from None

    def is_stopped(self) -> bool:
        """Tell whether the process is held by SIGSTOP (or by itself)."""
        stat = Path(f"/proc/{self.popen.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def tail(self) -> str:
        """Return the end of the output."""
        return self.log.read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def running(
    command: list[str], settings: Settings, log: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run a child with these settings (and ``environment``) until the block ends."""
    process = Process(command, settings.process_environment() | dict(environment or {}), log)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send(signal.SIGCONT)
        process.kill()


def service(settings: Settings, log: Path) -> contextlib.AbstractContextManager[Process]:
    """Run `shop ingest` until the block ends."""
    return running(["-m", "shop_platform.cli", "ingest"], settings, log)


def victim(
    settings: Settings, log: Path, point: str, at: int = 1, number: signal.Signals = signal.SIGKILL
) -> contextlib.AbstractContextManager[Process]:
    """Run a reader that sends itself a signal when it comes to ``point`` for the ``at``-th time."""
    return running(["-m", "tests.chaos.victim", point, str(at), number.name], settings, log)
