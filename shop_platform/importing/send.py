"""Events to Kafka with the producer's acknowledged ledger, as one run named ``import-000001``."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from shop_platform.errors import ShopError
from shop_platform.generator.ledger import Ledger, next_run
from shop_platform.generator.message import Message
from shop_platform.generator.producer import LedgeredProducer
from shop_platform.importing.build import Outgoing
from shop_platform.importing.recovery import begin, finish, recover
from shop_platform.settings import Settings

KIND = "import"


class Sender:
    """Sends the events of one run; ``acknowledged`` grows as Kafka has them."""

    def __init__(self, run: str, producer: LedgeredProducer) -> None:
        self.run = run
        self._producer = producer

    @property
    def acknowledged(self) -> int:
        """How many events Kafka has acknowledged (and the ledger holds)."""
        return self._producer.acknowledged

    def send(self, event: Outgoing) -> None:
        """Queue one event; waits while the queue is full."""
        self._producer.send(
            Message(event.topic, event.key, event.value, event.event_id, event.event_time, event.time_ms)
        )


@contextlib.contextmanager
def sender(settings: Settings, source: str) -> Iterator[Sender]:
    """Open a run: one at a time for a data folder. Raises :class:`ShopError` when Kafka fails or another is at work.

    A run before that was killed has its ledger completed first.
    """
    with _only_one(settings), _explained():
        recover(settings)
        run = next_run(settings, KIND)
        ledger = Ledger(settings.ledger_dir, run)
        try:
            with LedgeredProducer(settings, ledger) as producer:
                begin(settings, run, source)
                yield Sender(run, producer)
                producer.flush()
            ledger.close()
            finish(settings)
        finally:
            ledger.close()
            _remove_empty(settings, run)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ShopError as error:
        if error.exit_code != 1:
            raise
        raise ShopError(
            error.message, "Run the same import again: what Kafka has already is recognised by its id.", exit_code=1
        ) from error


def _remove_empty(settings: Settings, run: str) -> None:
    """Remove the ledgers of a run that sent nothing: an empty one would claim that a producer keeps one."""
    if (settings.ledger_dir / "produced" / f"{run}.tsv").stat().st_size == 0:
        for part in ("produced", "faults"):
            (settings.ledger_dir / part / f"{run}.tsv").unlink()


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold the imports' lock; the system releases it even when the process is killed."""
    folder = settings.data_dir / KIND
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ShopError(
                f"Another import (process {file.read().strip() or '?'}) is working on {settings.data_dir}.",
                "Let it end or stop it; two at once would write into one ledger.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
