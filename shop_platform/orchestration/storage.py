"""Dagster's storage in PostgreSQL with connections that are used again.

dagster-postgres opens a connection for each statement, because a process makes many instances of Dagster, of which each
would keep its own. A run that reports 66 models and 253 checks opened hundreds; they took more than half of what its
process and PostgreSQL did for it (17 and 27 s of processor time; 7 and 11 with the pool that all instances of a process
share here).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import dagster as dg
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from shop_platform.orchestration.reported import whole

# How many stay open when nobody needs them; more are made when threads need more, and closed again.
_KEPT = 2
# Seconds after which a connection is not used again: what a server gathers for one is given back some day.
_OLD = 3600
# In Dagster's database only; the warehouse's locks are in shop_platform/warehouse/locks.py.
_TABLES_LOCK = 7_203_101

_with_tables: set[str] = set()
"""Databases in which this process has seen Dagster's tables, or made them: each instance would look again."""


class _EventLog(PostgresEventLogStorage):
    """dagster-postgres's event log; what was reported over REST is made whole first."""

    def store_event(self, event: dg.EventLogEntry) -> None:
        super().store_event(whole(event))


class PooledPostgresStorage(DagsterPostgresStorage):
    """dagster-postgres's storage; its three parts share the engine of the process."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        if postgres_url in _with_tables:
            super().__init__(postgres_url, False, inst_data)
        else:
            with _alone(postgres_url):
                super().__init__(postgres_url, True, inst_data)
            _with_tables.add(postgres_url)
        self._event_log_storage = _EventLog(postgres_url, False)
        engine = _engine(postgres_url, os.getpid())
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = engine  # there is no other way in, and the version is pinned

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> PooledPostgresStorage:
        """Make the storage that ``dagster.yaml`` describes."""
        return cls(pg_url_from_config(config_value), inst_data)


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Keep other processes from making the tables meanwhile: of two that start on an empty database one would fail."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("select pg_advisory_lock(:key)"), {"key": _TABLES_LOCK})
        yield


@cache
def _engine(url: str, _process: int) -> Engine:
    """Return this process's engine for a database; a connection that has died is noticed before it is used."""
    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_KEPT,
        max_overflow=-1,
        pool_pre_ping=True,
        pool_recycle=_OLD,
    )
