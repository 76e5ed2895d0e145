"""Keeps a task from launching a second Dagster run for one outcome, over crashes, retries and clears.

Dagster does not deduplicate launches. So a key is stored in Airflow BEFORE the launch, the run is
tagged with it, and whoever comes next looks for that tag first.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from airflow_bridge import graphql
from airflow_bridge.graphql import Operation, Run

STORE_KEY = "dagster_launch_key"
KEY_TAG = "airflow/launch_key"
TRY_TAG = "airflow/try_number"


class Store(Protocol):
    """The part of Airflow's `task_state_store` that is used; it outlives tries and clears."""

    def get(self, key: str) -> Any:
        """Return the value, or None."""

    def set(self, key: str, value: Any, *, retention: timedelta | None) -> None:
        """Write the value."""

    def delete(self, key: str) -> None:
        """Forget the key."""


class Dagster(Protocol):
    """Whatever can send an operation."""

    def run(self, operation: Operation[Any]) -> Any:
        """Send it and return its reading."""


class LaunchLedger:
    """The launch key of one task instance in `store`; `retention` is Airflow's NEVER_EXPIRE."""

    def __init__(self, store: Store, retention: timedelta | None) -> None:
        self._store = store
        self._retention = retention

    def key(self) -> str | None:
        """Return the key of a launch whose outcome nobody has seen yet."""
        return self._store.get(STORE_KEY) or None

    def ensure_key(self) -> str:
        """Return the key, storing a fresh one if there is none; to be called before a launch."""
        key = self.key()
        if key is None:
            key = uuid.uuid4().hex
            self._store.set(STORE_KEY, key, retention=self._retention)
        return key

    def forget(self) -> None:
        """Drop the key: the outcome was seen, the next execution wants a run of its own."""
        self._store.delete(STORE_KEY)


def find_unseen_run(dagster: Dagster, ledger: LaunchLedger) -> Run | None:
    """Return the run of an earlier try that is alive or succeeded unseen.

    Drops the key when all its runs have failed or were cancelled, and keeps it when there is no
    run at all: that launch may still be under way, and a second one must carry the same tag.
    """
    key = ledger.key()
    if key is None:
        return None
    runs = dagster.run(graphql.find_runs(KEY_TAG, key))
    run = pick(runs)
    if runs and run is None:
        ledger.forget()
    return run


def pick(runs: Sequence[Run]) -> Run | None:
    """Return the run to adopt: a live one, else a successful one, newest first."""
    alive = [run for run in runs if not run.is_finished]
    succeeded = [run for run in runs if run.status == "SUCCESS"]
    return next(iter(alive + succeeded), None)
