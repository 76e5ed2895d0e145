"""Kafka Connect with a JDBC sink: Aiven's connector (a fork of Confluent's) and Debezium's, as a user sets them up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.peers import environments as environment
from bench.peers.columns import ENVELOPE, data_columns
from bench.peers.connect import connect_peer
from bench.peers.contest import TABLE, Contestant
from bench.peers.figures import Entry
from bench.peers.running import Running
from bench.peers.stack import TOPIC, Stage
from shop_platform.settings import Role, Settings

_AT_LEAST_ONCE = "at least once (offsets in the consumer group); repeated events stay"
_TYPED = "a column for each field but source; no index"
# A NUL in it ends the sink's task, and no transform of Kafka's own can look into a value.
_LEFT_OUT = "source"


def _jdbc(
    key: str, plugin: str, title: str, guarantee: str, wrote: str, connector: Mapping[str, str], **extra: Any
) -> Contestant:
    jars, plugins = environment.connect_worker(), environment.connector(plugin)
    version = environment.connector_version(plugin)

    @contextlib.contextmanager
    def launch(settings: Settings, stage: Stage, folder: Path) -> Iterator[Running]:
        # With an unspecified type PostgreSQL itself reads the texts as uuid and timestamptz.
        url = f"jdbc:postgresql://{settings.pg_host}:{settings.pg_port}/{settings.pg_database}?stringtype=unspecified"
        user = "connection.username" if plugin == "debezium" else "connection.user"
        access = {
            "connection.url": url,
            user: settings.pg_admin_user,
            "connection.password": settings.password(Role.ADMIN),
        }
        order = {**connector, **access, "topics": TOPIC, "tasks.max": "1"}
        with connect_peer(jars, plugins, order, settings, folder) as running:
            yield running

    return Contestant(Entry(key, title, version, guarantee, wrote), launch, **extra)


def schema_content() -> str:
    """Return the schema by which the JSON converter makes records of messages that carry none (new in Kafka 4.2)."""

    def fields(columns: Mapping[str, str], *, optional: bool) -> list[dict[str, Any]]:
        kinds = {"integer": "int32"}
        return [{"field": n, "type": kinds.get(k, "string"), "optional": optional} for n, k in columns.items()]

    data = {"field": "data", "type": "struct", "optional": False, "fields": fields(data_columns(), optional=True)}
    envelope = fields(_envelope(), optional=False)
    return json.dumps({"type": "struct", "optional": False, "fields": [*envelope, data]})


def _envelope() -> dict[str, str]:
    return {name: kind for name, kind in ENVELOPE.items() if name != _LEFT_OUT}


def _table(*more: str) -> str:
    columns = _envelope() | {f"data_{name}": kind for name, kind in data_columns().items()}
    return ", ".join([*(f"{name} {kind}" for name, kind in columns.items()), *more])


def _typed() -> dict[str, str]:
    return {
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": schema_content(),
        "errors.tolerance": "all",
        "transforms": "flat",
        "transforms.flat.type": "org.apache.kafka.connect.transforms.Flatten$Value",
        "transforms.flat.delimiter": "_",
    }


_HOIST = {
    "transforms": "hoist",
    "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
    "transforms.hoist.field": "payload",
}
_INSERT = {"insert.mode": "insert", "batch.size": "3000"}
_AIVEN = _INSERT | {
    "connector.class": "io.aiven.connect.jdbc.JdbcSinkConnector",
    "table.name.format": TABLE,
    "pk.mode": "none",
}
_DEBEZIUM = _INSERT | {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "collection.name.format": TABLE,
    "primary.key.mode": "none",
}
_UPSERT = {"insert.mode": "upsert", "pk.mode": "record_value", "pk.fields": "id"}

MAKERS: dict[str, Callable[[], Contestant]] = {
    "jdbc_sink": lambda: _jdbc(
        "jdbc_sink",
        "aiven",
        "Kafka Connect, Aiven JDBC sink, insert",
        f"{_AT_LEAST_ONCE}; what is no JSON is skipped",
        _TYPED,
        _AIVEN | _typed(),
        columns=_table(),
    ),
    "jdbc_sink_upsert": lambda: _jdbc(
        "jdbc_sink_upsert",
        "aiven",
        "Kafka Connect, Aiven JDBC sink, upsert on the event id",
        "effectively once: upsert by primary key; what is no JSON is skipped",
        "a column for each field but source; primary key",
        _AIVEN | _typed() | _UPSERT,
        columns=_table("primary key (id)"),
        through="distinct",
    ),
    "jdbc_sink_raw": lambda: _jdbc(
        "jdbc_sink_raw",
        "aiven",
        "Kafka Connect, Aiven JDBC sink, unparsed text",
        _AT_LEAST_ONCE,
        "the message as one text column (HoistField), nothing parsed or checked; no index",
        _AIVEN | _HOIST,
        columns="payload text",
    ),
    "jdbc_sink_debezium": lambda: _jdbc(
        "jdbc_sink_debezium",
        "debezium",
        "Kafka Connect, Debezium JDBC sink, insert",
        f"{_AT_LEAST_ONCE}; what is no JSON is skipped",
        _TYPED,
        _DEBEZIUM | _typed(),
        columns=_table(),
    ),
}
