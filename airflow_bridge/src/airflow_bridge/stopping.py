"""Stops the Dagster runs that marked tasks answer for, from a process that has Airflow's database."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any

from airflow.models.log import Log
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session

from airflow_bridge import graphql
from airflow_bridge.claims import CLAIM_KEY, Claim
from airflow_bridge.endpoint import Endpoint
from airflow_bridge.errors import DagsterBridgeError
from airflow_bridge.graphql import Run
from airflow_bridge.hook import AsyncDagster, DagsterHook
from airflow_bridge.marks import Mark
from airflow_bridge.triggers import stop

SECONDS = 60.0
_AGAIN_SECONDS = 0.5
_EVENT = "stop Dagster run"

_log = logging.getLogger(__name__)


def stop_runs_of(marks: Iterable[Mark]) -> None:
    """Stop what still runs, wait for its end, and write what has become of it into Airflow's audit log.

    Takes little more than `SECONDS` for each connection; where no task of the bridge is concerned, one look at
    Airflow's database.
    """
    held: dict[str, dict[Mark, Claim]] = {}
    for mark in marks:
        for holder, claim in claims_of(mark):
            held.setdefault(claim.dagster_conn_id, {})[holder] = claim
    for dagster_conn_id, claims in held.items():
        try:
            asyncio.run(_stop(DagsterHook(dagster_conn_id).endpoint, claims))
        except Exception as error:
            for holder in claims:
                _report(holder, f"Its Dagster runs may go on: {type(error).__name__}: {error}")


def claims_of(mark: Mark) -> list[tuple[Mark, Claim]]:
    """Return what the marked task instances answer for."""
    query: dict[str, Any] = {"run_id": mark.run_id, "dag_ids": mark.dag_id, "key": CLAIM_KEY}
    if mark.task_id is not None:
        query |= {"task_ids": mark.task_id, "map_indexes": mark.map_index}
    with create_session(scoped=False) as session:
        found = [
            (Mark(row.dag_id, row.run_id, row.task_id, row.map_index), Claim(**XComModel.deserialize_value(row)))
            for row in session.scalars(XComModel.get_many(**query))
        ]
    return [(holder, claim) for holder, claim in found if mark.task_id is None or not claim.dag_run_only]


async def _stop(endpoint: Endpoint, claims: Mapping[Mark, Claim]) -> None:
    until = time.monotonic() + SECONDS
    async with AsyncDagster(endpoint) as dagster:
        doomed: dict[str, Mark] = {}
        # Whoever waits for a run comes first: it is told of by that task's name, not by that of its launch.
        for holder, claim in sorted(claims.items(), key=lambda each: each[1].dag_run_only):
            for run in await _look_for(dagster, claim, until):
                if not run.is_finished:
                    doomed.setdefault(run.run_id, holder)
        seconds = max(until - time.monotonic(), 0.0)
        ends = await asyncio.gather(*(stop(dagster, run_id, seconds) for run_id in doomed))
    for (run_id, holder), end in zip(doomed.items(), ends, strict=True):
        _report(holder, f"Dagster run {run_id} {end}")


async def _look_for(dagster: AsyncDagster, claim: Claim, until: float) -> list[Run]:
    while True:
        try:
            return await dagster.run(graphql.find_runs(claim.tags))
        except DagsterBridgeError:
            if time.monotonic() >= until:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)


def _report(holder: Mark, text: str) -> None:
    _log.info("%s.%s of %s: %s", holder.dag_id, holder.task_id, holder.run_id, text)
    with create_session(scoped=False) as session:
        session.add(Log(event=_EVENT, owner="airflow_bridge", extra=text, **holder._asdict()))
