"""The read-only connection pool, and the two ways in which the warehouse may have nothing to say."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, LiteralString

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from shop_platform.settings import Role, Settings

_NOT_READY = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InsufficientPrivilege,
)


class WarehouseNotReadyError(Exception):
    """The warehouse answers, but the database, the role or the marts are not there yet."""


class WarehouseUnavailableError(Exception):
    """The warehouse does not answer (in time)."""


class Warehouse:
    """A small pool as role DASHBOARD that cannot write; opened by the first query, so that a fork inherits nothing."""

    def __init__(self, settings: Settings, *, wait_seconds: float = 2.0, pause_seconds: float = 1.0) -> None:
        self._dsn = settings.dsn(Role.DASHBOARD)
        self._arguments: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": 2,
            "application_name": "shop-dashboard",
            "row_factory": dict_row,
            # The role says so already; said again so that a role made by hand cannot weaken it.
            "options": "-c default_transaction_read_only=on -c statement_timeout=8000 -c timezone=UTC",
        }
        self._pool: ConnectionPool[psycopg.Connection[DictRow]] = ConnectionPool(
            self._dsn,
            kwargs=self._arguments,
            min_size=1,
            max_size=4,
            num_workers=1,
            open=False,
            timeout=wait_seconds,
            # Short, so that after an outage the next query asks for a connection at once and not after a long back-off.
            reconnect_timeout=1.0,
            check=ConnectionPool.check_connection,
            name="dashboard",
        )
        self._opening = threading.Lock()
        self._opened = False
        self._pause_seconds = pause_seconds
        self._failure: Exception | None = None
        self._silent_until = 0.0

    def query(self, statement: LiteralString, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one SELECT and return its rows as dictionaries.

        Raises :class:`WarehouseNotReadyError` or :class:`WarehouseUnavailableError`. After a failed connection the
        same answer is given at once for a moment: otherwise every waiting card would hold a thread until its time-out.
        """
        if self._failure is not None and time.monotonic() < self._silent_until:
            raise self._failure
        self._open()
        try:
            with self._pool.connection() as connection:
                rows = connection.execute(statement, parameters).fetchall()
        except _NOT_READY as error:
            raise WarehouseNotReadyError(_first_line(error)) from error
        except PoolTimeout:
            self._failure = self._diagnose()
        except (psycopg.OperationalError, PoolClosed) as error:
            self._failure = WarehouseUnavailableError(_first_line(error))
        else:
            self._failure = None
            return rows
        self._silent_until = time.monotonic() + self._pause_seconds
        raise self._failure

    def close(self) -> None:
        """Give the connections back; the warehouse cannot be asked again afterwards."""
        if self._opened:
            self._pool.close(timeout=1.0)

    def _open(self) -> None:
        with self._opening:
            if not self._opened:
                self._pool.open()
                self._opened = True

    def _diagnose(self) -> Exception:
        """Ask once without the pool, which keeps the reason to itself."""
        try:
            psycopg.connect(self._dsn, **self._arguments).close()
        except psycopg.OperationalError as error:
            reason = _first_line(error)
            if "does not exist" in str(error) or "authentication failed" in str(error):
                return WarehouseNotReadyError(reason)
            return WarehouseUnavailableError(reason)
        return WarehouseUnavailableError("every connection is busy")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
