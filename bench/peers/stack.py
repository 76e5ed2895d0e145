"""A real Apache Kafka with the web topic and a PostgreSQL of the comparison's own, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg import sql

from shop_platform.errors import ShopError
from shop_platform.generator.history import run_history
from shop_platform.ingest.lag import end_offsets
from shop_platform.ingest.topics import ensure_topics
from shop_platform.local.ports import Claims, any_free
from shop_platform.local.postgres import ADMIN, EmbeddedPostgres
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import migrate
from tests.support.real_kafka import RealKafkaError, real_kafka_available, start_real_kafka

TOPIC = "shop.web"
PARTITIONS = 6
_PASSWORD = "dev-only-admin"  # noqa: S105 - of a server that lives as long as the measurement


@dataclass(frozen=True)
class Stage:
    """What every contestant gets: ``settings`` reach both servers, ``folder`` is for files.

    ``messages`` is the length of the topic, ``landable`` how many of them are JSON objects that PostgreSQL can store,
    ``distinct`` how many event ids those have.
    """

    settings: Settings
    folder: Path
    postgres_pid: int
    messages: int
    landable: int
    distinct: int


@contextlib.contextmanager
def comparison_stage(*, days: int, seed: int) -> Iterator[Stage]:
    """Give a topic full of ``days`` days of history and a durable PostgreSQL with an empty database.

    Raises :class:`ShopError` when Apache Kafka cannot run here (it needs Java and Maven).
    """
    available, reason = real_kafka_available()
    if not available:
        raise ShopError(
            f"The comparison with other tools needs Apache Kafka: {reason}",
            "Install Java 17 or newer and Maven (on Debian: apt-get install openjdk-17-jre-headless maven).",
        )
    folder = Path(tempfile.mkdtemp(prefix="shop-bench-peers-"))
    folder.chmod(0o755)
    (folder / "kafka").mkdir()
    claims = Claims()
    server = EmbeddedPostgres(folder / "pgdata", any_free(claims.take), _PASSWORD, folder / "postgres.log")
    try:
        server.start()
        _record_commit_times(server)
        with start_real_kafka(folder / "kafka") as kafka:
            settings = load(
                data_dir=folder / "data", pg_host="127.0.0.1", pg_port=server.port, kafka_bootstrap=kafka.bootstrap
            )
            ensure_topics(settings, retention_ms=-1)
            run_history(settings, days=days, seed=seed)
            _empty_other_topics(settings)
            _require_durable(settings)
            assert server.process is not None
            yield Stage(settings, folder, server.process.pid, *_content(settings))
    except RealKafkaError as error:
        raise ShopError(f"Apache Kafka did not start: {error}", "Its log went with its folder; try again.") from error
    finally:
        server.stop()
        claims.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fresh_database(stage: Stage, *, warehouse: bool) -> Iterator[Settings]:
    """Give settings of an empty database (or, with ``warehouse``, a migrated one), dropped afterwards.

    What an earlier contestant left in PostgreSQL's memory is on disk before the next one starts.
    """
    name = f"contest_{uuid.uuid4().hex[:8]}"
    settings = stage.settings.model_copy(update={"pg_database": name, "dagster_database": f"{name}_dagster"})
    if warehouse:
        migrate(settings)
    else:
        _admin(stage, sql.SQL("create database {}").format(sql.Identifier(name)))
    _admin(stage, sql.SQL("checkpoint"))
    try:
        yield settings
    finally:
        for database in (settings.pg_database, settings.dagster_database):
            _admin(stage, sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


def _admin(stage: Stage, statement: sql.SQL | sql.Composed) -> None:
    with connect(stage.settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        admin.execute(statement)


def _require_durable(settings: Settings) -> None:
    with connect(settings, Role.ADMIN, database="postgres") as admin:
        for name in ("fsync", "synchronous_commit"):
            value = admin.execute(f"show {name}".encode()).fetchone()
            if value != ("on",):
                raise ShopError(f"PostgreSQL runs with {name} = {value}", "Compare nothing on a server that forgets.")


def _record_commit_times(server: EmbeddedPostgres) -> None:
    """Have PostgreSQL note when each transaction commits: one clock for every contestant (needs a restart)."""
    where = {"host": "127.0.0.1", "port": server.port, "user": ADMIN, "password": _PASSWORD, "dbname": "postgres"}
    with psycopg.connect(**where, autocommit=True) as admin:  # type: ignore[arg-type]
        admin.execute("alter system set track_commit_timestamp = on")
    server.stop()
    server.start()


def landable_id(value: bytes | None) -> str | None:
    """Return the event id of a message that is a JSON object whose source PostgreSQL can store, else nothing."""
    try:
        event = json.loads(value or b"")
    except ValueError:
        return None
    if not isinstance(event, dict) or "\x00" in str(event.get("source", "")):
        return None
    return str(event["id"]) if event.get("id") else None


def _empty_other_topics(settings: Settings) -> None:
    """Leave only the topic that every contestant reads: services of ours read all of them."""
    ends = {place: high for place, (low, high) in end_offsets(settings).items() if place[0] != TOPIC and high > low}
    admin = AdminClient(settings.kafka_client())
    for future in admin.delete_records([TopicPartition(*place, end) for place, end in ends.items()]).values():
        future.result(60)


def _content(settings: Settings) -> tuple[int, int, int]:
    """Read the topic once; return messages, landable ones and their distinct ids."""
    consumer = Consumer(settings.kafka_client(group_id="bench-content", enable_auto_commit=False, log_level=0))
    messages, landable, ids = 0, 0, set()
    try:
        spans = {
            number: consumer.get_watermark_offsets(TopicPartition(TOPIC, number), timeout=10)
            for number in range(PARTITIONS)
        }
        consumer.assign([TopicPartition(TOPIC, number, low) for number, (low, _) in spans.items()])
        total = sum(high - low for low, high in spans.values())
        while messages < total:
            for message in consumer.consume(20_000, 1.0):
                messages += 1
                if event_id := landable_id(message.value()):
                    landable += 1
                    ids.add(event_id)
        return messages, landable, len(ids)
    finally:
        consumer.close()
