"""Advisory locks: who may do what only one may do at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

# The numbers are arbitrary but must differ and never change.
MIGRATION_LOCK = 7_203_001
TRANSFORM_LOCK = 7_203_002
ERASURE_LOCK = 7_203_003
# 7_203_004 is taken in ops.ensure_partitions().

_POLL_SECONDS = 0.2


class LockBusyError(ShopError):
    """Another holds the lock."""


@contextmanager
def transform_lock(settings: Settings, *, wait_seconds: float = 600) -> Iterator[None]:
    """Hold the right to build models: dbt runs and ``shop verify`` exclude each other across processes.

    PostgreSQL frees the lock when the holder's connection ends, so a killed holder leaves nothing stale. Raises
    :class:`LockBusyError` after ``wait_seconds``.
    """
    with connect(settings, Role.TRANSFORM, autocommit=True) as connection:
        deadline = time.monotonic() + wait_seconds
        while connection.execute("select pg_try_advisory_lock(%s)", [TRANSFORM_LOCK]).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise LockBusyError(
                    f"Another transformation has been running for more than {wait_seconds:.0f} s",
                    "See the runs in Dagster; end the one that hangs and try again.",
                )
            time.sleep(_POLL_SECONDS)
        yield
