"""A FAKE of Dagster's web server: real HTTP, runs in memory, and outages on demand.

It answers the bridge's own queries with the shapes the real server was seen to give; the root test
suite runs the same operator against the real one.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FakeRun:
    job: str
    tags: dict[str, str]
    params: dict[str, Any] = field(default_factory=dict)
    status: str = "STARTED"
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    events: list[dict[str, Any]] = field(default_factory=list)
    polls_until: tuple[int, str] | None = None
    starting_for: int = 0
    canceling_for: int = 0
    ended_at: float | None = None

    def as_graphql(self) -> dict[str, Any]:
        tags = [{"key": key, "value": value} for key, value in self.tags.items()]
        if self.status in ("SUCCESS", "FAILURE", "CANCELED") and self.ended_at is None:
            self.ended_at = time.time()
        times = {"endTime": self.ended_at, "updateTime": self.ended_at or time.time()}
        return {"__typename": "Run", "runId": self.run_id, "status": self.status, "tags": tags} | times


class FakeDagster:
    """Runs by order of launch, and switches for the ways a real server fails."""

    def __init__(self) -> None:
        self.runs: list[FakeRun] = []
        self.jobs = {"ingest", "full_pipeline"}
        self.partitions: list[str] = []
        self.asset_nodes: list[dict[str, Any]] = []
        self.next_status = "STARTED"
        self.next_events: list[dict[str, Any]] = []
        self.before_launch: Callable[[], None] = lambda: None
        self.launch_problem: dict[str, Any] | None = None
        self.lose_launch_answers = False
        self.refuses_to_stop = False
        self.forced = 0
        self.outage = 0
        self.connections = 0
        self.requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def __enter__(self) -> FakeDagster:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away for good; safe twice."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_run(self, **values: Any) -> FakeRun:
        run = FakeRun(**{"job": "ingest", "tags": {}, **values})
        self.runs.append(run)
        return run

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        query, variables = body["query"], body["variables"]
        name = query.split("(")[0].split("{")[0].split()[1]
        return {"data": getattr(self, f"_{name.lower()}")(variables)}

    def _version(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"version": "0.fake"}

    def _launch(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.before_launch()
        if self.launch_problem:
            return {"launchRun": self.launch_problem}
        params = variables["params"]
        if "parentRunId" in params:
            return {"launchRunReexecution": self._repeat(params)}
        run = self.add_run(
            job=params["selector"]["jobName"],
            tags={tag["key"]: tag["value"] for tag in params["executionMetadata"]["tags"]},
            params=params,
            status=self.next_status,
            events=list(self.next_events),
        )
        return {"launchRun": {"__typename": "LaunchRunSuccess", "run": run.as_graphql()}}

    def _repeat(self, params: dict[str, Any]) -> dict[str, Any]:
        parent = next(run for run in self.runs if run.run_id == params["parentRunId"])
        extra = {tag["key"]: tag["value"] for tag in params["extraTags"]}
        lineage = {
            "dagster/parent_run_id": parent.run_id,
            "dagster/root_run_id": parent.tags.get("dagster/root_run_id", parent.run_id),
        }
        run = self.add_run(
            job=parent.job,
            tags=parent.tags | lineage | extra,
            params=params,
            status=self.next_status,
            events=list(self.next_events),
        )
        return {"__typename": "LaunchRunSuccess", "run": run.as_graphql()}

    def _facts(self, variables: dict[str, Any]) -> dict[str, Any]:
        if variables["params"]["pipelineName"] not in self.jobs:
            return {"pipelineOrError": {"__typename": "PipelineNotFoundError", "message": "no such job"}}
        keys = {"partitionKeys": self.partitions}
        return {"pipelineOrError": {"__typename": "Pipeline", "isAssetJob": True, "partitionKeysOrError": keys}}

    def _assets(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"assetNodes": self.asset_nodes}

    def _origin(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self._run(variables)
        if run is None:
            return {"runOrError": _not_found(variables)}
        where = {"repositoryName": "__repository__", "repositoryLocationName": "shop_platform"}
        made_of = {"jobName": run.job, "runConfigYaml": "ops: {}\n", "repositoryOrigin": where}
        return {"runOrError": run.as_graphql() | made_of}

    def _find(self, variables: dict[str, Any]) -> dict[str, Any]:
        wanted = {tag["key"]: tag["value"] for tag in variables["filter"]["tags"]}
        found = [run.as_graphql() for run in reversed(self.runs) if wanted.items() <= run.tags.items()]
        return {"runsOrError": {"__typename": "Runs", "results": found}}

    def _status(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self._run(variables)
        if run is None:
            return {"runOrError": _not_found(variables)}
        if run.status == "CANCELING":
            run.canceling_for -= 1
            run.status = "CANCELING" if run.canceling_for > 0 else "CANCELED"
        if run.polls_until:
            left, status = run.polls_until
            run.polls_until = (left - 1, status) if left > 1 else None
            run.status = run.status if left > 1 else status
        return {"runOrError": run.as_graphql()}

    def _events(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self._run(variables)
        if run is None:
            return {"runOrError": _not_found(variables)}
        at = int(variables["cursor"] or 0)  # one event a page, so that paging is always walked
        page = {"events": run.events[at : at + 1], "cursor": str(at + 1), "hasMore": at + 1 < len(run.events)}
        return {"runOrError": {"__typename": "Run", "eventConnection": page}}

    def _terminate(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self._run(variables)
        if run is None:
            return {"terminateRun": _not_found(variables)}
        force = variables["policy"] == "MARK_AS_CANCELED_IMMEDIATELY"
        self.forced += force
        status = run.status
        if status == "STARTING" and run.starting_for:
            run.starting_for -= 1
            run.status = "STARTING" if run.starting_for else "STARTED"
        stoppable = status in ("QUEUED", "STARTED") or (force and status == "STARTING")
        if self.refuses_to_stop or not stoppable:
            failure = {"__typename": "TerminateRunFailure", "message": "no", "run": {"status": status}}
            return {"terminateRun": failure}
        run.status = "CANCELING" if run.canceling_for else "CANCELED"
        return {"terminateRun": {"__typename": "TerminateRunSuccess"}}

    def _run(self, variables: dict[str, Any]) -> FakeRun | None:
        return next((run for run in self.runs if run.run_id == variables["runId"]), None)


def _not_found(variables: dict[str, Any]) -> dict[str, Any]:
    message = f"Pipeline run {variables['runId']} could not be found."
    return {"__typename": "RunNotFoundError", "message": message}


def _handler(fake: FakeDagster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            fake.connections += 1

        def do_POST(self) -> None:
            fake.requests += 1
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if fake.outage:
                fake.outage -= 1
                self._send(503, b"<html>upstream is away</html>")
                return
            answer = json.dumps(fake.answer(body)).encode()
            if fake.lose_launch_answers and "mutation Launch" in body["query"]:
                self.close_connection = True
                return
            self._send(200, answer)

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
