"""Follows the runs of one launch once for all the tasks that watch them, on the triggerer's event loop.

What was cleared after its run had ended is made again here, in one run for all who ask at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from airflow_bridge import graphql
from airflow_bridge.airflow_state import FINISHED, dag_run_has_failed, task_state
from airflow_bridge.errors import DagsterBridgeError, DagsterUnreachableError
from airflow_bridge.hook import AsyncDagster
from airflow_bridge.polling import Tolerance
from airflow_bridge.progress import Board, Verdict
from airflow_bridge.rebuild import failed_again, some_again
from airflow_bridge.triggers import stop

# The next tasks of the graph come a moment after the last ones have gone; the log is then not read again.
_LINGER_SECONDS = 30.0

_log = logging.getLogger(__name__)


class Launch(NamedTuple):
    """What is followed: the runs that task `task_id` of an Airflow run has launched, at a connection.

    `outcome_task_id` is the task that answers for them and runs again what failed, if there is one.
    """

    dagster_conn_id: str
    dag_id: str
    run_id: str
    task_id: str
    outcome_task_id: str | None = None

    def tags(self) -> dict[str, str]:
        """Return the tags by which the runs are found."""
        return {"airflow/dag_id": self.dag_id, "airflow/run_id": self.run_id, "airflow/task_id": self.task_id}


class Follower:
    """Polls Dagster and wakes the watchers when there is news; `lost` says why it gave up, if it did.

    `refused` says why an asset could not be made again.
    """

    def __init__(self, launch: Launch, poll_interval: float, tolerance: float) -> None:
        self.board = Board()
        self.lost: str | None = None
        self.refused: dict[str, str] = {}
        self.run_url = ""
        self.users = 0
        self._launch = launch
        self._poll_interval = poll_interval
        self._tolerance = Tolerance(tolerance)
        self._wanted: dict[str, Verdict] = {}
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._poll())

    async def news(self) -> None:
        """Wait for the next look at Dagster."""
        await self._news.wait()

    def make_again(self, asset: str, before: Verdict) -> None:
        """Ask for a run that makes `asset`, of which only the verdict of an earlier run is there."""
        self._wanted[asset] = before

    def close(self) -> None:
        """Stop polling."""
        self._task.cancel()

    @property
    def is_over(self) -> bool:
        """Whether nobody polls any more."""
        return self._task.done()

    async def _poll(self) -> None:
        try:
            async with await AsyncDagster.connect(self._launch.dagster_conn_id) as dagster:
                self.run_url = dagster.endpoint.run_url("")
                while self.lost is None:
                    try:
                        await self._look(dagster)
                        if self._wanted and await self._make_again(dagster):
                            await self._look(dagster)
                        self._tolerance.success()
                    except DagsterBridgeError as error:
                        if self._tolerance.is_exceeded():
                            self.lost = f"Lost sight of Dagster: {error}"
                    self._wake()
                    await asyncio.sleep(self._poll_interval)
        except Exception as error:
            # Nobody awaits this task: what it died of has to reach the watchers.
            self.lost = f"{type(error).__name__}: {error}"
            self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _make_again(self, dagster: AsyncDagster) -> bool:
        """Launch what was asked for, as far as it is nobody else's; tell whether anything was launched."""
        wanted, self._wanted = self._wanted, {}
        # Something may have begun since: then it is followed.
        wanted = {asset: old for asset, old in wanted.items() if self.board.verdict(asset) == old}
        root = self.board.root
        if any(not old.is_success for old in wanted.values()) and not await self._outcome_is_over():
            # The task that answers for the run was cleared too, and runs again what failed.
            wanted = {asset: old for asset, old in wanted.items() if old.is_success}
        if not wanted or root is None:
            return False
        launches: dict[str, list[str]] = {}
        for asset, old in wanted.items():
            launches.setdefault(old.run_id if old.unmade else "", []).append(asset)
        origin = await dagster.run(graphql.get_origin(root))
        launched: list[str] = []
        for failed_run, assets in launches.items():
            launch = failed_again(origin, failed_run) if failed_run else some_again(origin, root, assets)
            try:
                launched.append((await dagster.run(launch)).run_id)
            except DagsterUnreachableError:
                raise  # it may have been launched: look first
            except DagsterBridgeError as error:
                self.refused |= dict.fromkeys(assets, str(error))
        # Whoever marks the DAG run stops what is there then (`airflow_bridge.marks`); these may have come after.
        if launched and await dag_run_has_failed(self._launch.dag_id, self._launch.run_id):
            for run_id in launched:
                _log.info("Dagster run %s %s", run_id, await stop(dagster, run_id))
        return True

    async def _outcome_is_over(self) -> bool:
        if self._launch.outcome_task_id is None:
            return True
        return await task_state(self._launch.dag_id, self._launch.run_id, self._launch.outcome_task_id) in FINISHED

    async def _look(self, dagster: AsyncDagster) -> None:
        for progress in self.board.set_runs(await dagster.run(graphql.find_runs(self._launch.tags()))):
            while True:
                page = await dagster.run(graphql.get_events(progress.run.run_id, progress.cursor))
                progress.add(page.events)
                progress.cursor = page.cursor
                if not page.has_more:
                    break
            # The status was read before the events, so the log of a run that had ended is whole.
            progress.end_of_log()


_FOLLOWERS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Launch, Follower]] = weakref.WeakKeyDictionary()


@asynccontextmanager
async def following(launch: Launch, poll_interval: float, tolerance: float) -> AsyncIterator[Follower]:
    """Give the follower of a launch, shared with everybody on this event loop who follows it; intervals in seconds."""
    loop = asyncio.get_running_loop()
    followers = _FOLLOWERS.setdefault(loop, {})
    follower = followers.get(launch)
    if follower is None or follower.is_over:
        follower = followers[launch] = Follower(launch, poll_interval, tolerance)
    follower.users += 1
    try:
        yield follower
    finally:
        follower.users -= 1
        if follower.users == 0:
            loop.call_later(_LINGER_SECONDS, _close_unused, followers, launch, follower)


def _close_unused(followers: dict[Launch, Follower], launch: Launch, follower: Follower) -> None:
    if follower.users == 0:
        follower.close()
        if followers.get(launch) is follower:
            del followers[launch]
