"""Who takes part, with the settings a user would give: each ordinary path, and the ways that come closest to ours."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bench.peers import environments as environment
from bench.peers import jdbc
from bench.peers.columns import ENVELOPE, data_columns
from bench.peers.contest import TABLE, Contestant
from bench.peers.figures import Entry
from bench.peers.running import Running, python_peer
from bench.peers.stack import TOPIC, Stage
from shop_platform.settings import Role, Settings

_FROM_GROUP = "at least once (offsets in the consumer group)"
_JSON_COLUMNS = "event id, type, source, subject, time, data as jsonb"


def prepare(key: str) -> Contestant:
    """Return the contestant ``key`` with its environment ready. Raises ``PeerUnavailableError``, ``KeyError``."""
    return _MAKERS[key]()


def _dlt(key: str, mode: str, title: str, guarantee: str, **extra: Any) -> Contestant:
    python = environment.python_environment("dlt")
    version = environment.pinned_version(environment.requirements_of("dlt").read_text(), "dlt")

    def launch(settings: Settings, stage: Stage, folder: Path) -> AbstractContextManager[Running]:
        order = {"bootstrap": settings.kafka_bootstrap, "topic": TOPIC, "dsn": settings.dsn(Role.ADMIN)}
        order |= {"folder": str(folder), "mode": mode}
        return python_peer(python, environment.program("dlt_rows"), order, folder)

    wrote = f"{_JSON_COLUMNS}, partition, offset"
    return Contestant(Entry(key, title, version, guarantee, wrote), launch, **extra)


def _quix(key: str, mode: str, title: str, guarantee: str, **extra: Any) -> Contestant:
    python = environment.python_environment("quix")
    version = environment.pinned_version(environment.requirements_of("quix").read_text(), "quixstreams")

    def launch(settings: Settings, stage: Stage, folder: Path) -> AbstractContextManager[Running]:
        order = {"bootstrap": settings.kafka_bootstrap, "topic": TOPIC, "dsn": settings.dsn(Role.ADMIN)}
        order |= {"group": f"quix-{uuid.uuid4().hex[:8]}", "mode": mode}
        return python_peer(python, environment.program("quix_sink"), order | {"count": stage.landable}, folder)

    wrote = f"{_JSON_COLUMNS} (id and time as text), key, Kafka's timestamp"
    return Contestant(Entry(key, title, version, guarantee, wrote), launch, **extra)


def _mq_bridge(
    key: str, title: str, guarantee: str, wrote: str, route: Callable[[], dict[str, Any]], **extra: Any
) -> Contestant:
    python = environment.python_environment("mq_bridge")
    version = environment.pinned_version(environment.requirements_of("mq_bridge").read_text(), "mq-bridge")

    def launch(settings: Settings, stage: Stage, folder: Path) -> AbstractContextManager[Running]:
        chosen = route()
        chosen["input"]["kafka"] |= {"url": settings.kafka_bootstrap, "group_id": f"mq-{uuid.uuid4().hex[:8]}"}
        chosen["output"]["sqlx"]["url"] = settings.dsn(Role.ADMIN)
        return python_peer(python, environment.program("mq_bridge_route"), {"route": chosen}, folder)

    return Contestant(Entry(key, title, version, guarantee, wrote), launch, **extra)


def _route(middlewares: list[dict[str, Any]], sqlx: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """Return a route from the topic's start that drops what is no JSON object or holds a NUL (no text can)."""
    unfit = {"filter": {"expression": 'len(id) > 0 and not contains(source, "\x00")', "on_error": "drop"}}
    kafka = {"topic": TOPIC, "source_metadata": True, "consumer_options": [["auto.offset.reset", "earliest"]]}
    # A message passes the last middleware of an input first.
    return {
        "input": {"middlewares": [*middlewares, unfit], "kafka": kafka},
        "output": {"sqlx": {"table": TABLE} | sqlx},
        **extra,
    }


def _bulk_copy() -> dict[str, Any]:
    """COPY takes scalar fields only, so ``data`` is spread over columns. It pays off from some 8,000 rows a batch."""
    paths = {name: f"$.{name}" for name in ENVELOPE} | {name: f"$.data.{name}" for name in data_columns()}
    tokens = [f"${{payload:{name}}}" for name in paths]
    tokens += ["${metadata:mqb.src.kafka_partition}", "${metadata:mqb.src.kafka_offset}"]
    names = ", ".join([*paths, "kafka_partition", "kafka_offset"])
    insert = f"insert into {TABLE} ({names}) values ({', '.join(tokens)})"  # noqa: S608 - names of the contract
    spread = {"transform": {"mapping": paths}}
    return _route([spread], {"insert_query": insert, "bulk_copy": True}, batch_size=8192, concurrency=2)


def _by_name() -> dict[str, Any]:
    return _route([], {"columns": "auto", "key": "id"}, batch_size=1024, concurrency=4)


def _columns(columns: dict[str, str], *more: str) -> str:
    return ", ".join([*(f"{name} {kind}" for name, kind in columns.items()), *more])


_MAKERS: dict[str, Callable[[], Contestant]] = {
    "dlt": lambda: _dlt(
        "dlt",
        "rows",
        "dlt, rows by insert_values",
        "at least once (offsets in dlt's state); repeated events stay; what is no JSON is skipped",
    ),
    "dlt_merge": lambda: _dlt(
        "dlt_merge",
        "merge",
        "dlt, merge on the event id",
        "at least once, merged on the event id; what is no JSON is skipped",
        through="distinct",
    ),
    "dlt_arrow": lambda: _dlt(
        "dlt_arrow",
        "arrow",
        "dlt, Arrow tables by CSV (COPY)",
        "at least once (offsets in dlt's state); repeated events stay; what is no JSON is skipped",
    ),
    "quix": lambda: _quix(
        "quix",
        "insert",
        "Quix Streams PostgreSQLSink",
        f"{_FROM_GROUP}; repeated events stay; what is no JSON is skipped",
    ),
    "quix_upsert": lambda: _quix(
        "quix_upsert",
        "upsert",
        "Quix Streams PostgreSQLSink, upsert on the event id",
        f"{_FROM_GROUP}, upsert by primary key; what is no JSON is skipped",
        through="distinct",
    ),
    "mq_bridge": lambda: _mq_bridge(
        "mq_bridge",
        "mq-bridge, bulk_copy (8,192 a batch, 2 workers)",
        f"{_FROM_GROUP}; repeated events stay; what is no JSON is dropped",
        "a column for each field, partition, offset; no index",
        _bulk_copy,
        columns=_columns(ENVELOPE | data_columns(), "kafka_partition int", "kafka_offset bigint"),
    ),
    "mq_bridge_upsert": lambda: _mq_bridge(
        "mq_bridge_upsert",
        "mq-bridge, columns: auto with a key (1,024 a batch, 4 workers)",
        "effectively once: upsert by primary key (multi-row INSERT); what is no JSON is dropped",
        f"{_JSON_COLUMNS}; primary key",
        _by_name,
        columns=_columns(ENVELOPE, "data jsonb", "specversion text", "datacontenttype text", "primary key (id)"),
        through="distinct",
    ),
    **jdbc.MAKERS,
}
KEYS = tuple(_MAKERS)
