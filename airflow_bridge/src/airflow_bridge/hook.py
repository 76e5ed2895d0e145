"""Talks to Dagster's GraphQL API: `DagsterHook` for workers, `AsyncDagster` for the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import httpx
from airflow.sdk import BaseHook

from airflow_bridge import graphql
from airflow_bridge.endpoint import Endpoint, endpoint_of
from airflow_bridge.errors import DagsterBridgeError, DagsterUnreachableError
from airflow_bridge.graphql import Operation
from airflow_bridge.outcome import RunEvents
from airflow_bridge.progress import Board

T = TypeVar("T")


class DagsterHook(BaseHook):
    """Synchronous access to one Dagster deployment, configured by an Airflow connection.

    Every call raises `DagsterUnreachableError` when there is no usable answer and nothing is retried
    here: a launch must never be repeated blindly, and waiting is the caller's decision.
    """

    conn_name_attr = "dagster_conn_id"
    default_conn_name = "dagster_default"
    conn_type = "dagster"
    hook_name = "Dagster"

    def __init__(self, dagster_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.dagster_conn_id = dagster_conn_id
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The checked connection, read from Airflow once."""
        if self._endpoint is None:
            self._endpoint = endpoint_of(self.get_connection(self.dagster_conn_id))
        return self._endpoint

    def get_conn(self) -> httpx.Client:
        """Return a new HTTP client for the endpoint; the caller closes it."""
        return httpx.Client(**self.endpoint.client_arguments())

    def run(self, operation: Operation[T]) -> T:
        """Send one operation and return its reading.

        Opens its own client, so that a signal handler may call it while another call is under way.
        """
        try:
            with self.get_conn() as client:
                response = client.post("/graphql", json=operation.body())
        except httpx.TransportError as error:
            raise _unreachable(self.endpoint, error) from error
        return _read(self.endpoint, operation, response)

    def pages(self, run_id: str) -> Iterator[Sequence[dict[str, Any]]]:
        """Give the event log of the run, page by page."""
        cursor: str | None = None
        while True:
            page = self.run(graphql.get_events(run_id, cursor))
            yield page.events
            if not page.has_more:
                return
            cursor = page.cursor

    def collect_events(self, run_id: str) -> RunEvents:
        """Read the whole event log of the run."""
        collected = RunEvents()
        for events in self.pages(run_id):
            collected.add(events)
        return collected

    def board(self, tags: Mapping[str, str]) -> Board:
        """Read how far the assets have come in the runs of a launch, which carry `tags`."""
        board = Board()
        for progress in board.set_runs(self.run(graphql.find_runs(tags))):
            for events in self.pages(progress.run.run_id):
                progress.add(events)
            progress.end_of_log()
        return board

    def test_connection(self) -> tuple[bool, str]:
        """Tell whether Dagster answers, for the button in Airflow's connection form."""
        try:
            return True, f"Dagster {self.run(graphql.get_version())} answers at {self.endpoint.url}"
        except DagsterBridgeError as error:
            return False, str(error)


class AsyncDagster:
    """Asynchronous access through ONE HTTP client; use it as `async with`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._client = httpx.AsyncClient(**endpoint.client_arguments())

    @classmethod
    async def connect(cls, dagster_conn_id: str) -> AsyncDagster:
        """Read the Airflow connection without blocking the event loop and open a client for it."""
        # Shielded: a trigger that is cut off between a question to Airflow and the answer would leave the answer to
        # whoever asks next (before Airflow 3.2), and that is the one who has to stop the run.
        return cls(endpoint_of(await asyncio.shield(BaseHook.aget_connection(dagster_conn_id))))

    async def __aenter__(self) -> AsyncDagster:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def run(self, operation: Operation[T]) -> T:
        """Send one operation and return its reading; raises as `DagsterHook.run`."""
        try:
            response = await self._client.post("/graphql", json=operation.body())
        except httpx.TransportError as error:
            raise _unreachable(self.endpoint, error) from error
        return _read(self.endpoint, operation, response)


def _read(endpoint: Endpoint, operation: Operation[T], response: httpx.Response) -> T:
    try:
        data: dict[str, Any] = graphql.read_response(response.status_code, response.text)
    except DagsterUnreachableError as error:
        raise DagsterUnreachableError(f"Dagster at {endpoint.url}: {error}") from error
    return operation.read(data)


def _unreachable(endpoint: Endpoint, error: httpx.TransportError) -> DagsterUnreachableError:
    reason = str(error).rstrip(".") or type(error).__name__
    return DagsterUnreachableError(
        f"Dagster at {endpoint.url} gave no answer: {reason}. "
        "Is its web server up, and are host and port of the connection right?"
    )
