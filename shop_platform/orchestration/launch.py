"""Start a Dagster job and follow it, over Dagster's GraphQL interface."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from shop_platform.errors import ShopError
from shop_platform.orchestration import names
from shop_platform.orchestration.text import first_line
from shop_platform.settings import Settings

_TIMEOUT_SECONDS = 30
# A run that is followed goes on while the web server restarts or has no processor.
_AWAY_SECONDS = 600
_POLL_SECONDS = 0.5
_EVENTS_PER_PAGE = 1000
STILL_LOADING = "the code location is still loading"
_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}

Progress = Callable[[int, int], None]

_LOCATION = """
query($name: String!) { workspaceLocationEntryOrError(name: $name) { __typename
  ... on WorkspaceLocationEntry { loadStatus locationOrLoadError { __typename ... on PythonError { message } } }
  ... on PythonError { message } } }
"""
_ASSETS = """
query { assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name } } } } }
"""
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }
"""
_EVENTS = """
query($run: ID!, $cursor: String, $limit: Int!) {
  runOrError(runId: $run) { __typename ... on Run { status } ... on Error { message } }
  logsForRun(runId: $run, afterCursor: $cursor, limit: $limit) { __typename
    ... on EventConnection { cursor hasMore events { __typename
      ... on MessageEvent { stepKey message }
      ... on AssetMaterializationPlannedEvent { assetKey { path } }
      ... on AssetCheckEvaluationPlannedEvent { checkedKey: assetKey { path } checkName }
      ... on MaterializationEvent { assetKey { path } }
      ... on AssetCheckEvaluationEvent { evaluation { assetKey { path } checkName } }
      ... on ExecutionStepFailureEvent { error { message cause { message } } failureMetadata { description } }
      ... on RunFailureEvent { error { message } } } }
    ... on Error { message } } }
"""


@dataclass
class RunOutcome:
    """How a run ended. Progress is seen in its planned materializations and checks: ``planned``, and those ``done``.

    A run reports more than it planned: screens that were renewed, tables that another location plans.
    """

    run_id: str
    status: str
    failed_steps: tuple[str, ...] = ()
    error: str | None = None
    planned: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)

    @property
    def succeeded(self) -> bool:
        """Whether the run ended well."""
        return self.status == "SUCCESS"


def location_errors(url: str, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> dict[str, str]:
    """Return why the web server at ``url`` has not loaded a code location, for each that it has not.

    Raises ``httpx.HTTPError`` when nothing answers.
    """
    found = {location: _location_error(url, location, timeout_seconds) for location in names.MODULES}
    return {location: error for location, error in found.items() if error is not None}


def _location_error(url: str, location: str, timeout_seconds: float) -> str | None:
    entry = _ask(url, _LOCATION, {"name": location}, timeout_seconds)["workspaceLocationEntryOrError"]
    if entry is None or entry["__typename"] != "WorkspaceLocationEntry":
        return str((entry or {}).get("message", "the code location is not in the workspace"))
    if entry["loadStatus"] != "LOADED":
        return STILL_LOADING
    loaded = entry["locationOrLoadError"]
    if loaded is not None and loaded["__typename"] == "RepositoryLocation":
        return None
    return str((loaded or {}).get("message", "the code location could not be loaded"))


def assets_defined(url: str, *, timeout_seconds: float = 15.0) -> dict[str, frozenset[str]]:
    """Return the names of the checks of every asset that the web server at ``url`` has loaded, by asset key.

    Raises ``httpx.HTTPError`` when nothing answers, and :class:`ShopError` while a code location is not loaded: what it
    defines cannot be known.
    """
    if away := location_errors(url, timeout_seconds=timeout_seconds):
        raise ShopError(f"code locations are not loaded: {', '.join(sorted(away))}")
    return {
        "/".join(node["assetKey"]["path"]): frozenset(
            check["name"] for check in node["assetChecksOrError"].get("checks", ())
        )
        for node in _ask(url, _ASSETS, {}, timeout_seconds)["assetNodes"]
    }


def launch_job(settings: Settings, job: str, *, tags: Mapping[str, str] | None = None) -> str:
    """Start ``job`` and return the run's id; ``tags`` may name the trigger (:data:`names.TAG_TRIGGER`).

    Every call starts a run: a caller that may repeat itself must look for its own tag first. Raises
    :class:`ShopError` when Dagster is away or refuses.
    """
    all_tags = {names.TAG_TRIGGER: "shop"} | dict(tags or {})
    parameters = {
        "selector": {
            "repositoryLocationName": names.location_of(job),
            "repositoryName": names.REPOSITORY,
            "jobName": job,
        },
        "mode": "default",
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in all_tags.items()]},
    }
    answer = _query(settings, _LAUNCH, {"params": parameters})["launchRun"]
    if answer["__typename"] != "LaunchRunSuccess":
        raise ShopError(
            f"Dagster did not start '{job}' ({answer['__typename']}): {answer.get('message', 'no reason given')}",
            f"Does {settings.dagster_url}/locations show '{names.location_of(job)}' without an error?",
        )
    return str(answer["run"]["runId"])


def wait_for_run(
    settings: Settings, run_id: str, *, on_event: Progress | None = None, timeout_seconds: float = 3600
) -> RunOutcome:
    """Follow a run to its end, calling ``on_event(done, total)`` whenever assets or checks were finished.

    ``timeout_seconds`` count from the last thing that happened in it. Raises :class:`ShopError` when nothing did for so
    long (the run goes on) or Dagster stays away.
    """
    deadline = time.monotonic() + timeout_seconds
    outcome = RunOutcome(run_id, "QUEUED")
    cursor: str | None = None
    while True:
        # The status is read before the events: whatever preceded the end is then surely among them.
        asked = {"run": run_id, "cursor": cursor, "limit": _EVENTS_PER_PAGE}
        answer = _query(settings, _EVENTS, asked, within_seconds=_AWAY_SECONDS)
        run, log = answer["runOrError"], answer["logsForRun"]
        if run["__typename"] != "Run" or log["__typename"] != "EventConnection":
            raise ShopError(f"Dagster does not know run {run_id}: {run.get('message') or log.get('message')}")
        outcome.status, cursor = run["status"], log["cursor"]
        _apply(outcome, log["events"])
        if log["events"]:
            deadline = time.monotonic() + timeout_seconds
        if on_event is not None and log["events"]:
            on_event(len(outcome.planned & outcome.done), len(outcome.planned))
        if log["hasMore"]:
            continue
        if outcome.status in _ENDED:
            return outcome
        if time.monotonic() > deadline:
            raise ShopError(
                f"Nothing happened in run {run_id} for {timeout_seconds:.0f} s (status {outcome.status})",
                f"It goes on; see {settings.dagster_url}/runs/{run_id}.",
                exit_code=1,
            )
        time.sleep(_POLL_SECONDS)


def _apply(outcome: RunOutcome, events: list[dict[str, Any]]) -> None:
    for event in events:
        kind = event["__typename"]
        if kind in {"AssetMaterializationPlannedEvent", "AssetCheckEvaluationPlannedEvent"}:
            outcome.planned.add(_name(event))
        elif kind in {"MaterializationEvent", "AssetCheckEvaluationEvent"}:
            outcome.done.add(_name(event.get("evaluation") or event))
        elif kind == "ExecutionStepFailureEvent":
            outcome.failed_steps += (event["stepKey"],)
            told = (event.get("failureMetadata") or {}).get("description")
            # Dagster wraps what the step raised in an error of its own.
            error = event.get("error") or {}
            raised = (error.get("cause") or error).get("message")
            outcome.error = outcome.error or first_line(told or raised)
        elif kind == "RunFailureEvent":
            outcome.error = outcome.error or first_line((event.get("error") or {}).get("message") or event["message"])


def _name(event: Mapping[str, Any]) -> str:
    key = event.get("assetKey") or event["checkedKey"]
    return ":".join(["/".join(key["path"]), *([event["checkName"]] if "checkName" in event else [])])


def _query(
    settings: Settings, query: str, variables: Mapping[str, Any], *, within_seconds: float = _TIMEOUT_SECONDS
) -> dict[str, Any]:
    """Ask, and wait out a web server that is restarting, for ``within_seconds``; one that is only slow is given longer.

    A question that was heard is not repeated: it may have started a run.
    """
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            return _ask(settings.dagster_url, query, variables, _AWAY_SECONDS)
        except httpx.HTTPError as error:
            if time.monotonic() > deadline or isinstance(error, httpx.ReadTimeout):
                raise ShopError(
                    f"Dagster at {settings.dagster_url} does not answer: {error}",
                    "Is the stack up (`shop up` or `make demo`), and does SHOP_DAGSTER_URL point at it?",
                ) from error
            time.sleep(_POLL_SECONDS)


def _ask(
    url: str, query: str, variables: Mapping[str, Any], timeout_seconds: float = _TIMEOUT_SECONDS
) -> dict[str, Any]:
    body = {"query": query, "variables": dict(variables)}
    timeout = httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, _TIMEOUT_SECONDS))
    response = _client().post(f"{url}/graphql", json=body, timeout=timeout)
    response.raise_for_status()
    answer = response.json()
    if answer.get("errors"):
        raise ShopError(f"Dagster did not understand a query: {answer['errors'][0]['message']}")
    data: dict[str, Any] = answer["data"]
    return data


@cache
def _client() -> httpx.Client:
    """Return the process's client: a new one reads every certificate authority first.

    It keeps no connection: one that the web server has closed meanwhile would fail the next question.
    """
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
