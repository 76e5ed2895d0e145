"""The GraphQL operations the bridge needs: each one is a query, its variables and a typed reading.

Dagster reports errors as types inside a 200 body, so every reading checks `__typename`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from airflow_bridge.errors import (
    DagsterBridgeError,
    DagsterJobNotFoundError,
    DagsterQueryFailedError,
    DagsterRequestInvalidError,
    DagsterRunNotFoundError,
    DagsterUnreachableError,
)

T = TypeVar("T")
FINISHED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
PARTITION_TAG = "dagster/partition"
# A name that is no date, and a date that is no partition.
_NO_SUCH_PARTITION = re.compile(r"(ValueError: time data|dagster\S*(Unknown|Invalid)Partition)")
_OPTIONAL_PROBLEMS = "... on Error { message }"
_RUN = "runId status endTime updateTime tags { key value }"


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One GraphQL request and how to read its `data` object."""

    query: str
    variables: Mapping[str, Any]
    read: Callable[[dict[str, Any]], T]

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the request."""
        return {"query": self.query, "variables": dict(self.variables)}


@dataclass(frozen=True)
class Run:
    """A Dagster run as the bridge sees it; `ended_at` is Unix seconds, None while it goes on."""

    run_id: str
    status: str
    tags: Mapping[str, str]
    ended_at: float | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the status can never change again."""
        return self.status in FINISHED


@dataclass(frozen=True)
class EventPage:
    """A page of a run's event log; `cursor` continues it when `has_more`."""

    events: Sequence[dict[str, Any]]
    cursor: str
    has_more: bool


@dataclass(frozen=True)
class Job:
    """What to run: a job in a code location, optionally only some of its assets (key paths)."""

    name: str
    location: str
    repository: str
    assets: Sequence[Sequence[str]] = ()

    @property
    def where(self) -> str:
        """The words by which a message names this job."""
        return f"job {self.name!r} in code location {self.location!r} (repository {self.repository!r})"

    def selector(self) -> dict[str, Any]:
        """Return the GraphQL `JobOrPipelineSelector`."""
        selector: dict[str, Any] = {
            "jobName": self.name,
            "repositoryLocationName": self.location,
            "repositoryName": self.repository,
        }
        if self.assets:
            selector["assetSelection"] = [{"path": list(path)} for path in self.assets]
        return selector

    def pipeline_selector(self) -> dict[str, Any]:
        """Return the GraphQL `PipelineSelector`, which names the job the older way."""
        return {
            "pipelineName": self.name,
            "repositoryLocationName": self.location,
            "repositoryName": self.repository,
        }


def read_response(status_code: int, text: str) -> dict[str, Any]:
    """Return the `data` of a GraphQL answer.

    Raises `DagsterUnreachableError` when this is no GraphQL answer (a proxy's page, 5xx), and
    `DagsterQueryFailedError` when it is one that carries errors.
    """
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        start = " ".join(text.split())[:120]
        raise DagsterUnreachableError(f"HTTP {status_code} without a GraphQL answer: {start!r}")
    if body.get("errors"):
        messages = "; ".join(str(item.get("message", item)) for item in body["errors"])
        raise DagsterQueryFailedError(f"Dagster refused the query (HTTP {status_code}): {messages}")
    # What Dagster's own code raised comes as a type of the answer, with status 500.
    if not isinstance(body["data"], dict) or (status_code >= 400 and not body["data"]):
        raise DagsterUnreachableError(f"HTTP {status_code} without data")
    return body["data"]


@dataclass(frozen=True)
class JobFacts:
    """What decides how a job may be launched."""

    is_asset_job: bool
    is_partitioned: bool


def launch_run(job: Job, run_config: Mapping[str, Any] | str, tags: Mapping[str, str]) -> Operation[Run]:
    """Launch one run; `run_config` may be YAML.

    Dagster does NOT deduplicate launches: look for an earlier one first.
    """
    query = f"""mutation Launch($params: ExecutionParams!) {{ launchRun(executionParams: $params) {{
      __typename {_OPTIONAL_PROBLEMS}
      ... on LaunchRunSuccess {{ run {{ {_RUN} }} }}
      ... on RunConfigValidationInvalid {{ errors {{ message }} }} }} }}"""
    params = {
        "selector": job.selector(),
        "runConfigData": run_config if isinstance(run_config, str) else dict(run_config),
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    partition = tags.get(PARTITION_TAG)
    return Operation(query, {"params": params}, lambda data: _read_launch(data["launchRun"], job.where, partition))


def rerun_failed(job: Job, parent_run_id: str, tags: Mapping[str, str], *, is_asset_job: bool) -> Operation[Run]:
    """Launch what failed in a failed run: its unmaterialized assets, or its steps from the failed one on.

    The new run keeps the parent's tags and run config; `tags` are added. Not deduplicated either.
    """
    query = f"""mutation Launch($params: ReexecutionParams!) {{ launchRunReexecution(reexecutionParams: $params) {{
      __typename {_OPTIONAL_PROBLEMS}
      ... on LaunchRunSuccess {{ run {{ {_RUN} }} }}
      ... on RunConfigValidationInvalid {{ errors {{ message }} }} }} }}"""
    params = {
        "parentRunId": parent_run_id,
        "strategy": "FROM_ASSET_FAILURE" if is_asset_job else "FROM_FAILURE",
        "extraTags": [{"key": key, "value": value} for key, value in tags.items()],
        "useParentRunTags": True,
    }
    return Operation(query, {"params": params}, lambda data: _read_launch(data["launchRunReexecution"], job.where))


def get_job_facts(job: Job) -> Operation[JobFacts]:
    """Tell whether the job consists of assets and whether it is partitioned."""
    query = f"""query Facts($params: PipelineSelector!) {{ pipelineOrError(params: $params) {{
      __typename {_OPTIONAL_PROBLEMS}
      ... on Pipeline {{ isAssetJob partitionKeysOrError(limit: 1) {{ partitionKeys }} }} }} }}"""

    def read(data: dict[str, Any]) -> JobFacts:
        answer = data["pipelineOrError"]
        if answer["__typename"] == "PipelineNotFoundError":
            raise DagsterJobNotFoundError(f"Dagster has no {job.where}: {_first_line(answer['message'])}")
        found = _expect(answer, "Pipeline")
        return JobFacts(bool(found["isAssetJob"]), bool(found["partitionKeysOrError"]["partitionKeys"]))

    return Operation(query, {"params": job.pipeline_selector()}, read)


def _read_launch(answer: dict[str, Any], where: str, partition: str | None = None) -> Run:
    """Return the run that was launched; `partition` is the one that was asked for."""
    kind = answer["__typename"]
    if kind == "LaunchRunSuccess":
        return _run(answer["run"])
    if kind == "RunConfigValidationInvalid":
        problems = "; ".join(error["message"] for error in answer["errors"])
        raise DagsterRequestInvalidError(f"Dagster refused the run config of {where}: {problems}")
    message = _first_line(answer.get("message") or kind)
    if kind == "PipelineNotFoundError":
        raise DagsterJobNotFoundError(f"Dagster has no {where}: {message}")
    if kind in ("InvalidSubsetError", "ConflictingExecutionParamsError"):
        raise DagsterRequestInvalidError(f"Dagster cannot run this selection of {where}: {message}")
    if kind == "PythonError" and partition is not None and _NO_SUCH_PARTITION.match(message):
        raise DagsterRequestInvalidError(f"Dagster has no partition {partition!r} of {where}: {message}")
    raise DagsterQueryFailedError(f"Dagster could not launch {where}: {kind}: {message}")


def find_runs(tags: Mapping[str, str]) -> Operation[list[Run]]:
    """Return the runs that carry all the tags, newest first (100 at most)."""
    query = f"""query Find($filter: RunsFilter!) {{ runsOrError(filter: $filter, limit: 100) {{
      __typename {_OPTIONAL_PROBLEMS} ... on Runs {{ results {{ {_RUN} }} }} }} }}"""
    variables = {"filter": {"tags": [{"key": key, "value": value} for key, value in tags.items()]}}
    return Operation(
        query,
        variables,
        lambda data: [_run(run) for run in _expect(data["runsOrError"], "Runs")["results"]],
    )


def get_run(run_id: str) -> Operation[Run]:
    """Return the run, or raise `DagsterRunNotFoundError`."""
    query = f"""query Status($runId: ID!) {{ runOrError(runId: $runId) {{
      __typename {_OPTIONAL_PROBLEMS} ... on Run {{ {_RUN} }} }} }}"""
    return Operation(query, {"runId": run_id}, lambda data: _run(_expect(data["runOrError"], "Run")))


def get_events(run_id: str, cursor: str | None = None) -> Operation[EventPage]:
    """Return the next page of the run's starts and failures of steps, asset events and asset checks."""
    error = "error { message causes { message } }"
    query = f"""query Events($runId: ID!, $cursor: String) {{ runOrError(runId: $runId) {{
      __typename {_OPTIONAL_PROBLEMS} ... on Run {{ eventConnection(afterCursor: $cursor, limit: 1000) {{
        cursor hasMore events {{ __typename
          ... on ExecutionStepStartEvent {{ stepKey timestamp }}
          ... on ExecutionStepFailureEvent {{ stepKey {error} failureMetadata {{
            description metadataEntries {{ label ... on JsonMetadataEntry {{ jsonString }} }} }} }}
          ... on RunFailureEvent {{ message {error} }}
          ... on AssetMaterializationPlannedEvent {{ stepKey assetKey {{ path }} }}
          ... on MaterializationEvent {{ stepKey assetKey {{ path }} timestamp
            metadataEntries {{ label ... on FloatMetadataEntry {{ floatValue }} }} }}
          ... on AssetCheckEvaluationPlannedEvent {{ checkName checkedKey: assetKey {{ path }} }}
          ... on AssetCheckEvaluationEvent {{ evaluation {{
            checkName success severity description assetKey {{ path }} }} }}
      }} }} }} }} }}"""

    def read(data: dict[str, Any]) -> EventPage:
        page = _expect(data["runOrError"], "Run")["eventConnection"]
        return EventPage(page["events"], page["cursor"], page["hasMore"])

    return Operation(query, {"runId": run_id, "cursor": cursor}, read)


@dataclass(frozen=True)
class Origin:
    """What a run was made of: its job, its run config (YAML) and its tags."""

    job: Job
    run_config: str
    tags: Mapping[str, str]


def get_origin(run_id: str) -> Operation[Origin]:
    """Return what the run was made of, or raise `DagsterRunNotFoundError`."""
    query = f"""query Origin($runId: ID!) {{ runOrError(runId: $runId) {{ __typename {_OPTIONAL_PROBLEMS}
      ... on Run {{ jobName runConfigYaml tags {{ key value }}
        repositoryOrigin {{ repositoryName repositoryLocationName }} }} }} }}"""

    def read(data: dict[str, Any]) -> Origin:
        run = _expect(data["runOrError"], "Run")
        where = run["repositoryOrigin"] or {"repositoryLocationName": "", "repositoryName": ""}
        job = Job(run["jobName"], where["repositoryLocationName"], where["repositoryName"])
        return Origin(job, run["runConfigYaml"], {tag["key"]: tag["value"] for tag in run["tags"]})

    return Operation(query, {"runId": run_id}, read)


def terminate_run(run_id: str, *, force: bool = False) -> Operation[str | None]:
    """Ask the run to stop; the reading is None, or the status in which Dagster refused.

    A run that has ended meanwhile is no refusal. With `force` Dagster marks the run as cancelled at once.
    """
    query = f"""mutation Terminate($runId: String!, $policy: TerminateRunPolicy!) {{
      terminateRun(runId: $runId, terminatePolicy: $policy) {{
        __typename {_OPTIONAL_PROBLEMS}
        ... on TerminateRunFailure {{ message run {{ status }} }} }} }}"""
    policy = "MARK_AS_CANCELED_IMMEDIATELY" if force else "SAFE_TERMINATE"

    def read(data: dict[str, Any]) -> str | None:
        answer = data["terminateRun"]
        if answer["__typename"] == "TerminateRunFailure":
            status = str(answer["run"]["status"])
            return None if status in FINISHED else status
        _expect(answer, "TerminateRunSuccess")
        return None

    return Operation(query, {"runId": run_id, "policy": policy}, read)


def get_version() -> Operation[str]:
    """Return the version of the Dagster web server."""
    return Operation("query Version { version }", {}, lambda data: str(data["version"]))


def _run(run: dict[str, Any]) -> Run:
    ended_at = (run["endTime"] or run["updateTime"]) if run["status"] in FINISHED else None
    return Run(run["runId"], run["status"], {tag["key"]: tag["value"] for tag in run["tags"]}, ended_at)


def _expect(answer: dict[str, Any], typename: str) -> dict[str, Any]:
    kind = answer["__typename"]
    if kind == typename:
        return answer
    message = _first_line(answer.get("message") or "no details")
    error: type[DagsterBridgeError] = DagsterRunNotFoundError if kind == "RunNotFoundError" else DagsterQueryFailedError
    raise error(f"Dagster answered {kind}: {message}")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
