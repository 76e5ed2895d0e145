"""What has become of each asset of a Dagster run and of the runs that repeat what failed in it; does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_bridge.graphql import Run
from airflow_bridge.launch import RETRIES_LEFT_TAG
from airflow_bridge.outcome import RunEvents, first_error_line

_ROOT_TAG = "dagster/root_run_id"
_NOT_SUBMITTED = "NOT_STARTED"

SUCCESS = "SUCCESS"
FAILED = "FAILED"


@dataclass(frozen=True)
class Verdict:
    """How an asset ended (SUCCESS or FAILED), in which run, and what there is to say about it."""

    status: str
    run_id: str
    message: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the asset is there and sound."""
        return self.status == SUCCESS


@dataclass
class AssetProgress:
    """One asset in one run; `checks` maps the planned checks to None, "" when passed, or why not."""

    planned: bool = False
    materialized: bool = False
    checks: dict[str, str | None] = field(default_factory=dict)

    @property
    def failed_checks(self) -> list[str]:
        """The checks of severity ERROR that did not pass."""
        return [f"{name} ({why})" if why != name else name for name, why in self.checks.items() if why]

    @property
    def is_done(self) -> bool:
        """Whether the asset is there and every check of it has spoken."""
        return self.materialized and None not in self.checks.values()


@dataclass
class RunProgress:
    """One run; `is_loaded` when its plan is known, `is_complete` when it has ended and its whole log is taken in."""

    run: Run
    assets: dict[str, AssetProgress] = field(default_factory=dict)
    events: RunEvents = field(default_factory=RunEvents)
    cursor: str | None = None
    is_loaded: bool = False
    is_complete: bool = False

    @property
    def retries_left(self) -> int:
        """How often Airflow will run again what failed here."""
        return int(self.run.tags.get(RETRIES_LEFT_TAG, "0")) if self.run.status == "FAILURE" else 0

    def add(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in one page of events, in the order of the log."""
        events = list(events)
        self.events.add(events)
        for event in events:
            kind = event["__typename"]
            if kind == "AssetMaterializationPlannedEvent" and event["assetKey"]:
                self._asset(event["assetKey"]).planned = True
            elif kind == "MaterializationEvent" and event["assetKey"]:
                self._asset(event["assetKey"]).materialized = True
            elif kind == "AssetCheckEvaluationPlannedEvent":
                # An alias, because elsewhere in the query the key may be null.
                self._asset(event["checkedKey"]).checks.setdefault(event["checkName"], None)
            elif kind == "AssetCheckEvaluationEvent":
                check = event["evaluation"]
                failed = not check["success"] and check["severity"] == "ERROR"
                why = first_error_line(check["description"] or "") or check["checkName"]
                self._asset(check["assetKey"]).checks[check["checkName"]] = why if failed else ""

    def end_of_log(self) -> None:
        """Note that the log has been read to its end, with the status that the run had before."""
        # Dagster writes the planned assets after the run itself, and then only submits it: until then, an asset that
        # is missing from the plan may yet come.
        self.is_loaded = self.run.status != _NOT_SUBMITTED
        self.is_complete = self.run.is_finished

    def _asset(self, key: Mapping[str, Any]) -> AssetProgress:
        return self.assets.setdefault("/".join(key["path"]), AssetProgress())


class Board:
    """The runs of one launch, and how far each of their assets has come."""

    def __init__(self) -> None:
        self._known: dict[str, RunProgress] = {}
        self._chain: list[RunProgress] = []

    def set_runs(self, runs: Sequence[Run]) -> list[RunProgress]:
        """Take in the tagged runs, newest first; return those whose events are wanted.

        Only the newest launch counts, with the runs that repeat what failed in it: a clear leaves older ones behind.
        """
        root = next((run.run_id for run in runs if _ROOT_TAG not in run.tags), None)
        chain = [run for run in runs if root in (run.run_id, run.tags.get(_ROOT_TAG))]
        self._chain = []
        for run in chain:
            progress = self._known.setdefault(run.run_id, RunProgress(run))
            progress.run = run
            self._chain.append(progress)
        return [progress for progress in self._chain if not progress.is_complete]

    def verdict(self, asset: str) -> Verdict | None:
        """Return how the asset has ended, or None while that is open."""
        for age, progress in enumerate(self._chain):
            if not progress.is_loaded:
                return None
            found = progress.assets.get(asset)
            if found is None or not found.planned:
                continue
            return self._judge(asset, found, progress, is_newest=age == 0)
        if not self._chain or not all(progress.is_complete for progress in self._chain):
            return None
        return Verdict(
            FAILED,
            self._chain[0].run.run_id,
            f"Asset {asset} was no part of the run: the committed asset graph is out of date, or the job has changed.",
        )

    def _judge(self, asset: str, found: AssetProgress, progress: RunProgress, *, is_newest: bool) -> Verdict | None:
        run = progress.run
        failed = found.failed_checks
        if found.materialized and not failed and (found.is_done or progress.is_complete):
            return Verdict(SUCCESS, run.run_id)
        if not progress.is_complete:
            return None
        if is_newest and progress.retries_left:
            return None  # Airflow will run it again
        if failed:
            return Verdict(FAILED, run.run_id, f"Asset {asset} has failed checks: {', '.join(failed)}")
        if run.status == "CANCELED":
            return Verdict(FAILED, run.run_id, f"Asset {asset} was not made: the run was cancelled.")
        return Verdict(
            FAILED, run.run_id, f"Asset {asset} was not made; the run failed at {progress.events.describe_failure()}"
        )
