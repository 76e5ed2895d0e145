"""Decides whether a task adopts, replaces, repeats or launches a Dagster run, over crashes, retries and clears.

Dagster does not deduplicate launches. So a key is stored in Airflow BEFORE the launch, the run is tagged with it, and
whoever comes next looks for that tag first. The key is stored with its epoch: Airflow raises `max_tries` with every
clear and leaves it alone between retries, so an equal epoch means "the same execution, a further try".
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Protocol

from airflow_bridge.graphql import Run

STORE_KEY = "dagster_launch_key"
KEY_TAG = "airflow/launch_key"
TRY_TAG = "airflow/try_number"
RETRIES_LEFT_TAG = "airflow/retries_left"
EPOCH_TAG = "airflow/epoch"
BY_TAG = "airflow/launched_by"
REBUILDS_TAG = "airflow/rebuilds"
"""On a run that repeats some assets of another one after a clear: the id of that run."""


class Store(Protocol):
    """The part of Airflow's `task_state_store` that is used; it outlives tries and clears."""

    def get(self, key: str) -> Any:
        """Return the value, or None."""

    def set(self, key: str, value: Any, *, retention: timedelta | None) -> None:
        """Write the value."""

    def delete(self, key: str) -> None:
        """Forget the key."""


@dataclass(frozen=True)
class Entry:
    """A launch: its key, the epoch it belongs to, and the failed run that it repeats in part, if any."""

    key: str
    epoch: int
    parent: str | None = None


class Ledger(Protocol):
    """The last launch of one task instance."""

    def read(self) -> Entry | None:
        """Return the last launch, if its outcome still decides what a next try does."""

    def write(self, entry: Entry) -> None:
        """Store a launch; to be called before it."""

    def forget(self) -> None:
        """Drop the launch: its outcome was seen, the next try wants a whole run of its own."""


class TagLedger:
    """The last launch as the tags of its run tell it: Airflow before 3.3 has no store that outlives a try.

    `newest` looks for the newest run that this task instance launched. A launch that Dagster never got is not
    remembered, which comes to the same: it is made again, under another key.
    """

    def __init__(self, newest: Callable[[], Run | None]) -> None:
        self._newest = newest
        self._forgotten = False

    def read(self) -> Entry | None:
        """Return the newest launch that Dagster knows."""
        run = None if self._forgotten else self._newest()
        if run is None or KEY_TAG not in run.tags:
            return None
        return Entry(run.tags[KEY_TAG], int(run.tags.get(EPOCH_TAG, "-1")), run.tags.get("dagster/parent_run_id"))

    def write(self, entry: Entry) -> None:
        """The launch itself writes it down."""

    def forget(self) -> None:
        """For this try only: what the next one does follows from how the run ended."""
        self._forgotten = True


class LaunchLedger:
    """The last launch of one task instance in `store`; `retention` is Airflow's NEVER_EXPIRE."""

    def __init__(self, store: Store, retention: timedelta | None) -> None:
        self._store = store
        self._retention = retention

    def read(self) -> Entry | None:
        """Return the last launch, if its outcome still decides what a next try does."""
        stored = self._store.get(STORE_KEY)
        return Entry(**json.loads(stored)) if stored else None

    def write(self, entry: Entry) -> None:
        """Store a launch; to be called before it."""
        self._store.set(STORE_KEY, json.dumps(asdict(entry)), retention=self._retention)

    def forget(self) -> None:
        """Drop the launch: its outcome was seen, the next try wants a whole run of its own."""
        self._store.delete(STORE_KEY)


@dataclass(frozen=True)
class Adopt:
    """Go on with `run`."""

    run: Run


@dataclass(frozen=True)
class Replace:
    """`run` is from before the clear and still alive: stop it, wait for its end, then launch."""

    run: Run


@dataclass(frozen=True)
class Launch:
    """Launch, having stored `entry`; with `entry.parent` only what failed there."""

    entry: Entry


def decide(
    entry: Entry | None, epoch: int, runs: Sequence[Run], *, from_failure: bool = True
) -> Adopt | Replace | Launch:
    """Return what to do, given the last launch and the runs that carry its key (newest first).

    A launch without any run may still be under way: it is repeated under the same key. A success nobody has seen is
    adopted; of a failure only what failed is run again, if `from_failure`.
    """
    if entry is None:
        return Launch(fresh(epoch))
    same = entry.epoch == epoch
    alive = next((run for run in runs if not run.is_finished), None)
    if alive:
        return Adopt(alive) if same else Replace(alive)
    if not runs:
        return Launch(Entry(entry.key, epoch, entry.parent if same else None))
    succeeded = next((run for run in runs if run.status == "SUCCESS"), None)
    if same and succeeded:
        return Adopt(succeeded)
    if same and from_failure and runs[0].status == "FAILURE":
        return Launch(fresh(epoch, runs[0].run_id))
    return Launch(fresh(epoch))


def fresh(epoch: int, parent: str | None = None) -> Entry:
    """Return an entry with a key that nobody has used."""
    return Entry(uuid.uuid4().hex, epoch, parent)


def epoch_of(ti: Any) -> int:
    """Return the number that a clear changes and a retry does not."""
    return int(ti.max_tries)


def marks_of(ti: Any) -> dict[str, str]:
    """Return the tags by which a task instance finds the runs that it launched itself, also as a repetition."""
    return {"airflow/dag_id": ti.dag_id, "airflow/run_id": ti.run_id, BY_TAG: f"{ti.task_id}[{ti.map_index}]"}


def retries_left(ti: Any) -> int:
    """Return how often Airflow would still retry if this try failed."""
    return max(int(ti.max_tries) - int(ti.try_number) + 1, 0)
