"""Advisory locks: who may do what only one may do at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from shop_platform.errors import ShopError
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.time_zone import require_shop_tz

# The numbers are arbitrary but must differ and never change.
MIGRATION_LOCK = 7_203_001
TRANSFORM_LOCK = 7_203_002
ERASURE_LOCK = 7_203_003
# 7_203_004 is taken in ops.ensure_partitions().
MONITOR_LOCK = 7_203_005

_REFRESHER = "shop-refresher "
# A refresher sends a heartbeat every five seconds, whatever it does.
FROZEN_AFTER_SECONDS = 60

_POLL_SECONDS = 0.2
_LOOK_SECONDS = 5.0
_WATCH_SECONDS = 1.0


class LockBusyError(ShopError):
    """Another holds the lock."""


class LockLostError(ShopError):
    """The lock went with its server or its session while something was built under it."""

    exit_code = 1


class TransformLock:
    """The right to build models, as long as the session lives that holds it."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        self._connection = connection
        self._lost = threading.Event()

    @property
    def lost(self) -> bool:
        """Whether the session was found to have ended."""
        if not self._lost.is_set():
            try:
                self._connection.execute("select 1")
            except psycopg.Error:
                self._lost.set()
        return self._lost.is_set()

    @contextmanager
    def guarding(self, end: Callable[[], None]) -> Iterator[None]:
        """Call ``end`` as soon as the lock is lost: dbt opens new sessions and would build on beside the next holder.

        Raises :class:`LockLostError` when the block ends, in place of whatever it raised, if the lock was lost.
        """
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_WATCH_SECONDS):
                if self.lost:
                    end()
                    return

        watcher = threading.Thread(target=watch, name="transform-lock", daemon=True)
        watcher.start()
        try:
            yield
        except Exception as error:
            done.set()
            watcher.join()
            if self.lost:
                raise lock_lost() from error
            raise
        finally:
            done.set()
            watcher.join()
        if self.lost:
            raise lock_lost()


def application_of(refresher: str) -> str:
    """Return the name of the sessions of a refresher, which fits into PostgreSQL's 63 bytes whatever its host is."""
    return f"{_REFRESHER}{refresher.rpartition('/')[2]}"


def end_frozen_refreshers(connection: psycopg.Connection[tuple[object, ...]]) -> list[int]:
    """End the sessions of refreshers that have sent no heartbeat for a minute; return their pids.

    A process that is stopped in the middle of a build keeps its locks for as long as it stays stopped.
    """
    rows = connection.execute(
        "select a.pid from pg_stat_activity as a join ops.refreshers as r"
        " on a.application_name = %s || split_part(r.refresher, '/', 3)"
        " where r.heartbeat_at < clock_timestamp() - make_interval(secs => %s) and a.usename = current_user"
        " group by a.pid having pg_terminate_backend(a.pid, 5000)",
        [_REFRESHER, FROZEN_AFTER_SECONDS],
    ).fetchall()
    return [int(str(pid)) for (pid,) in rows]


def lock_lost() -> LockLostError:
    """Return the error of a build whose lock is gone."""
    return LockLostError(
        "PostgreSQL ended the session that held the right to build (a restart?): what was built meanwhile may be of two"
        " moments",
        "Start it again. Whatever was committed is kept.",
    )


@contextmanager
def transform_lock(
    settings: Settings, *, wait_seconds: float = 600, application: str = "", changes_zone: bool = False
) -> Iterator[TransformLock]:
    """Hold the right to build models: dbt runs and ``shop verify`` exclude each other across processes.

    Raises :class:`ShopError` when the warehouse was built in another time zone than the settings', unless
    ``changes_zone``.

    PostgreSQL frees the lock when the holder's connection ends, so a killed holder leaves nothing stale; a holder that
    outlives its connection must end what it does (:meth:`TransformLock.guarding`). A refresher that holds it and sends
    no heartbeat is frozen: its sessions are ended. ``application`` names the session. Raises :class:`LockBusyError`
    after ``wait_seconds``.
    """
    with connect(settings, Role.TRANSFORM, autocommit=True, application=application) as connection:
        deadline = time.monotonic() + wait_seconds
        next_look = 0.0
        while connection.execute("select pg_try_advisory_lock(%s)", [TRANSFORM_LOCK]).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise LockBusyError(
                    f"Another transformation has been running for more than {wait_seconds:.0f} s",
                    "See the runs in Dagster; end the one that hangs and try again.",
                )
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _LOOK_SECONDS
                end_frozen_refreshers(connection)
                continue
            time.sleep(_POLL_SECONDS)
        if not changes_zone:
            require_shop_tz(connection, settings.shop_tz)
        yield TransformLock(connection)
