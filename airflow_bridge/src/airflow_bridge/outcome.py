"""Turns the event log of a Dagster run into the few words an on-call person needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_bridge.text import dbt_failures, first_error_line, shorten


@dataclass
class RunEvents:
    """What a run's events said so far: first failure, assets left undone, failed checks.

    `failed_nodes` are lines "model fct_orders: reason", as far as dbt, or the author's own failure, names them.
    """

    step: str | None = None
    error: str | None = None
    run_error: str | None = None
    failed_nodes: list[str] = field(default_factory=list)
    planned: dict[str, list[str]] = field(default_factory=dict)
    materialized: set[str] = field(default_factory=set)
    failed_checks: list[str] = field(default_factory=list)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in one page of events, in the order of the log."""
        for event in events:
            kind = event["__typename"]
            if kind == "ExecutionStepFailureEvent":
                self._add_failure(event)
            elif kind == "RunFailureEvent":
                self.run_error = _error_of(event) or first_error_line(event["message"])
            elif kind == "AssetMaterializationPlannedEvent" and event["assetKey"]:
                self.planned.setdefault(event["stepKey"], []).append(_key(event))
            elif kind == "MaterializationEvent" and event["assetKey"]:
                self.materialized.add(_key(event))
            elif kind == "AssetCheckEvaluationEvent":
                self._add_check(event["evaluation"])

    def _add_failure(self, event: Mapping[str, Any]) -> None:
        self.failed_nodes += _nodes_of(event)
        if self.step is None:
            self.step, self.error = event["stepKey"], _error_of(event)

    def _add_check(self, check: Mapping[str, Any]) -> None:
        if check["success"] or check["severity"] != "ERROR":
            return
        detail = f" ({first_error_line(check['description'])})" if check["description"] else ""
        self.failed_checks.append(f"{_key(check)}:{check['checkName']}{detail}")

    def describe_failure(self) -> str:
        """Return one line: the failing step, its assets that were not made, the first error line."""
        parts = []
        if self.step:
            parts.append(f"step {self.step!r}")
            undone = [key for key in self.planned.get(self.step, []) if key not in self.materialized]
            # What dbt names is the culprit; a step of ours around it only was not made.
            culprits = [key for key in undone if self.reason_of(key)] or ([] if self.failed_nodes else undone)
            if culprits:
                parts.append(f"asset {culprits[0]}" if len(culprits) == 1 else f"assets {shorten(culprits)}")
        if self.failed_checks:
            parts.append(f"failed checks {shorten(self.failed_checks)}")
        where = ", ".join(parts)
        error = self.error or self.run_error or "no error was recorded"
        return f"{where}: {error}" if where else error

    def reason_of(self, asset: str) -> str | None:
        """Return why dbt could not build the model behind the asset, if dbt named it."""
        name = asset.rpartition("/")[2]
        return next((line for line in self.failed_nodes if line.startswith(f"model {name}:")), None)


def _nodes_of(event: Mapping[str, Any]) -> list[str]:
    """Return the nodes that the failure names: in its metadata `failed`, else in what dbt logged."""
    for entry in (event.get("failureMetadata") or {}).get("metadataEntries") or []:
        if entry.get("label") == "failed" and entry.get("jsonString"):
            listed = json.loads(entry["jsonString"])
            return [str(line) for line in listed] if isinstance(listed, list) else []
    error = event["error"] or {}
    messages = [error.get("message") or "", *(cause["message"] for cause in error.get("causes") or [])]
    return next((nodes for message in messages if (nodes := dbt_failures(message))), [])


def _error_of(event: Mapping[str, Any]) -> str | None:
    told = (event.get("failureMetadata") or {}).get("description")
    if told:  # dagster.Failure: the author's own words
        return first_error_line(told)
    error = event["error"]
    if not error:
        return None
    # Dagster wraps what user code raised; the first cause is what the author wrote.
    return first_error_line((error["causes"] or [error])[0]["message"])


def _key(holder: Mapping[str, Any]) -> str:
    return "/".join(holder["assetKey"]["path"])
