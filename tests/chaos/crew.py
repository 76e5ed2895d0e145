"""Readers in this process that a test lets work, lose their connections, come and go."""

from __future__ import annotations

import psycopg
from confluent_kafka import KafkaException

from shop_platform.errors import ShopError
from shop_platform.ingest.reader import PartitionReader
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from tests.chaos.processes import TOPIC_NAMES, eventually, has_read_everything


class Crew:
    """Some readers of one shop: members of the group, or strangers that take every partition."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._readers: list[tuple[PartitionReader, bool]] = []
        self.landed = 0
        self.problems: list[Exception] = []
        """Why readers had to be replaced."""

    def __len__(self) -> int:
        return len(self._readers)

    def hire(self, *, stranger: bool = False) -> None:
        """Start one more reader."""
        reader = PartitionReader(self._settings, TOPIC_NAMES)
        if stranger:
            reader.assign_all()
        else:
            reader.subscribe()
        self._readers.append((reader, stranger))

    def dismiss(self, number: int) -> None:
        """Close one reader, whatever it is at."""
        reader, _ = self._readers.pop(number)
        reader.close()

    def dismiss_all(self) -> None:
        """Close every reader."""
        while self._readers:
            self.dismiss(0)

    def step(self, number: int, messages: int) -> None:
        """Let one reader take a step; one that lost a connection is replaced, as the service does it."""
        reader, stranger = self._readers[number]
        try:
            self.landed += sum(written.landed for written in reader.step(messages, 0.02))
            return
        except (psycopg.OperationalError, psycopg.InterfaceError, KafkaException) as problem:
            self.problems.append(problem)
        except ShopError as problem:
            if not isinstance(problem.__cause__, psycopg.OperationalError | KafkaException):
                raise
            self.problems.append(problem)
        self.dismiss(number)
        self.hire(stranger=stranger)

    def lose_connections(self) -> None:
        """End the sessions of every reader in the database, in the middle of whatever they do."""
        with connect(self._settings, Role.ADMIN, autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = 'shop_ingest' and datname = current_database()"
            )

    def finish(self) -> None:
        """Work until everything that was acknowledged is read."""

        def all_read() -> bool:
            for number in range(len(self._readers)):
                self.step(number, self._settings.ingest_batch_messages)
            return has_read_everything(self._settings)

        eventually(all_read, "everything is read")
        self.dismiss_all()
