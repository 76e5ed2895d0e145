"""Turns the event log of a Dagster run into the few words an on-call person needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DBT_MARKER = "Errors parsed from dbt logs:"
_MAX_LENGTH = 300
_MAX_NAMES = 3


@dataclass
class RunEvents:
    """What a run's events said so far: first failure, assets left undone, failed checks."""

    step: str | None = None
    error: str | None = None
    run_error: str | None = None
    planned: dict[str, list[str]] = field(default_factory=dict)
    materialized: set[str] = field(default_factory=set)
    failed_checks: list[str] = field(default_factory=list)

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in one page of events, in the order of the log."""
        for event in events:
            kind = event["__typename"]
            if kind == "ExecutionStepFailureEvent" and self.step is None:
                self.step, self.error = event["stepKey"], _error_of(event)
            elif kind == "RunFailureEvent":
                self.run_error = _error_of(event) or first_error_line(event["message"])
            elif kind == "AssetMaterializationPlannedEvent" and event["assetKey"]:
                self.planned.setdefault(event["stepKey"], []).append(_key(event))
            elif kind == "MaterializationEvent" and event["assetKey"]:
                self.materialized.add(_key(event))
            elif kind == "AssetCheckEvaluationEvent":
                self._add_check(event["evaluation"])

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
            if undone:
                parts.append(f"asset {shorten(undone)}" if len(undone) == 1 else f"assets {shorten(undone)}")
        if self.failed_checks:
            parts.append(f"failed checks {shorten(self.failed_checks)}")
        where = ", ".join(parts)
        error = self.error or self.run_error or "no error was recorded"
        return f"{where}: {error}" if where else error


def shorten(names: list[str]) -> str:
    """Return the first names and how many more there are."""
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def first_error_line(message: str) -> str:
    """Return the first line that says something, at most 300 characters.

    dagster-dbt opens with the command line and puts dbt's own words under a heading: these are
    what counts, and dbt needs two lines to name the model and the reason.
    """
    wanted = 1
    if _DBT_MARKER in message:
        message, wanted = message.split(_DBT_MARKER, 1)[1], 2
    lines = [line.strip() for line in message.splitlines() if line.strip()][:wanted]
    text = " | ".join(lines)
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def _error_of(event: Mapping[str, Any]) -> str | None:
    error = event["error"]
    if not error:
        return None
    # Dagster wraps what user code raised; the first cause is what the author wrote.
    return first_error_line((error["causes"] or [error])[0]["message"])


def _key(holder: Mapping[str, Any]) -> str:
    return "/".join(holder["assetKey"]["path"])
