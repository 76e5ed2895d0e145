"""A warehouse of Grafana's own: migrated, with the marts it reads, and a connection as the role shop_grafana."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from shop_platform.events.registry import TOPICS
from shop_platform.generator.stream import history_chunks
from shop_platform.local.postgres import EmbeddedPostgres
from shop_platform.settings import Role, Settings, load
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.migrate import migrate
from tests.grafana.operations import clear, healthy
from tests.grafana.stand_in_marts import DDL, sell_up_to_today
from tests.support.planned import run_by_plan

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="session")
def grafana_settings(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a warehouse with the marts that Grafana reads."""
    for settings in _warehouse(postgres_server, tmp_path_factory.mktemp("grafana")):
        with connect(settings, Role.TRANSFORM, autocommit=True) as transform:
            transform.execute(DDL.encode())
        yield settings


@pytest.fixture(scope="session")
def real_marts(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The settings of a warehouse in which dbt has made the marts of a week of a small simulated shop."""
    for settings in _warehouse(postgres_server, tmp_path_factory.mktemp("grafana-dbt")):
        with connect(settings, Role.INGEST) as connection:
            _land_history(connection)
        run_by_plan(settings, ["run"])
        yield settings


@pytest.fixture
def admin(grafana_settings: Settings) -> Iterator[Connection]:
    """A connection that may write, to a warehouse that has a month of sales and in which nothing has happened yet."""
    with connect(grafana_settings, Role.ADMIN, autocommit=True) as connection:
        # Each time: the suite may run over midnight.
        sell_up_to_today(connection, grafana_settings.shop_tz)
        clear(connection)
        yield connection
        clear(connection)


@pytest.fixture
def grafana(grafana_settings: Settings, admin: Connection) -> Iterator[Connection]:
    """A connection as Grafana has it, beside ``admin``."""
    with connect(grafana_settings, Role.GRAFANA, autocommit=True) as connection:
        yield connection


@pytest.fixture
def healthy_platform(admin: Connection) -> None:
    """An hour of a platform in which everything goes well."""
    healthy(admin)


def _warehouse(server: EmbeddedPostgres, data_dir: Path) -> Iterator[Settings]:
    name = f"shop_{uuid.uuid4().hex[:12]}"
    settings = load(pg_port=server.port, pg_database=name, dagster_database=f"dagster_{name}", data_dir=data_dir)
    migrate(settings)
    yield settings
    with connect(settings, Role.ADMIN, database="postgres", autocommit=True) as admin:
        for database in (settings.pg_database, settings.dagster_database):
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))


def _land_history(connection: Connection) -> None:
    """Write the valid events of a small history as the ingestion does, without Kafka."""
    subjects = {topic.name: topic.subject for topic in TOPICS}
    offsets = dict.fromkeys(subjects, 0)
    newest: dict[str, str] = {}
    for chunk in history_chunks(days=8, orders_per_day=20, until=dt.datetime.now(dt.UTC)):
        for message in chunk:
            if message.fault in {"malformed", "unknown_version"}:
                continue
            connection.execute(
                sql.SQL(
                    "insert into raw.{} (event_id, event_type, source, subject, event_time, data, kafka_partition,"
                    " kafka_offset) select (e ->> 'id')::uuid, e ->> 'type', e ->> 'source', e ->> 'subject',"
                    " (e ->> 'time')::timestamptz, e -> 'data', 0, %s from (select %s::jsonb as e) as envelope"
                    " on conflict do nothing"
                ).format(sql.Identifier(subjects[message.topic])),
                [offsets[message.topic], message.value.decode()],
            )
            offsets[message.topic] += 1
            newest[message.topic] = max(newest.get(message.topic, ""), message.event_time)
    for topic, count in offsets.items():
        if count:
            connection.execute(
                "insert into ops.ingest_batches (topic_id, topic, partition, first_offset, next_offset, messages,"
                " landed, duplicates, dead, min_event_time, max_event_time, writer, started_at)"
                " values (%s, %s, 0, 0, %s, %s, %s, 0, 0, %s, %s, 'test', now())",
                [topic, topic, count, count, count, newest[topic], newest[topic]],
            )
