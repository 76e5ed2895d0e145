"""What has become of each asset of a Dagster run and of the runs that repeat what failed in it; does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_bridge.graphql import Run
from airflow_bridge.launch import REBUILDS_TAG, RETRIES_LEFT_TAG
from airflow_bridge.outcome import RunEvents
from airflow_bridge.text import first_error_line

_ROOT_TAG = "dagster/root_run_id"
_NOT_SUBMITTED = "NOT_STARTED"
# What dagster-dbt calls the time that dbt took for a model.
_OWN_SECONDS = "Execution Duration"

SUCCESS = "SUCCESS"
FAILED = "FAILED"


@dataclass(frozen=True)
class Verdict:
    """How an asset ended (SUCCESS or FAILED), in which run, and what there is to say about it.

    `run_ended_at` is Unix seconds, None while that run goes on. `seconds` is how long the asset itself took. An asset
    that is `unmade` is one of those that Dagster would make in a repetition of what failed.
    """

    status: str
    run_id: str
    message: str = ""
    run_ended_at: float | None = None
    seconds: float | None = None
    unmade: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the asset is there and sound."""
        return self.status == SUCCESS

    def is_from_before(self, moment: float) -> bool:
        """Whether the run had ended before `moment`, in Unix seconds."""
        return self.run_ended_at is not None and self.run_ended_at < moment


@dataclass
class AssetProgress:
    """One asset in one run; `checks` maps the planned checks to None, "" when passed, or why not."""

    planned: bool = False
    materialized: bool = False
    seconds: float | None = None
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
    begun: dict[str, float] = field(default_factory=dict)
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
            elif kind == "ExecutionStepStartEvent":
                self.begun[event["stepKey"]] = float(event["timestamp"])
            elif kind == "MaterializationEvent" and event["assetKey"]:
                asset = self._asset(event["assetKey"])
                asset.materialized, asset.seconds = True, self._seconds(event)
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

    def _seconds(self, event: Mapping[str, Any]) -> float | None:
        """Return dbt's own measure, else the time since the step began (milliseconds in Dagster's log)."""
        for entry in event.get("metadataEntries") or ():
            if entry["label"] == _OWN_SECONDS and entry.get("floatValue") is not None:
                return float(entry["floatValue"])
        begun, ended = self.begun.get(event["stepKey"]), event.get("timestamp")
        return (float(ended) - begun) / 1000 if begun is not None and ended else None

    def _asset(self, key: Mapping[str, Any]) -> AssetProgress:
        return self.assets.setdefault("/".join(key["path"]), AssetProgress())


class Board:
    """The runs of one launch, and how far each of their assets has come."""

    def __init__(self) -> None:
        self._known: dict[str, RunProgress] = {}
        self._chain: list[RunProgress] = []

    @property
    def root(self) -> str | None:
        """The id of the launched run itself, None before it is there."""
        return self._chain[-1].run.run_id if self._chain else None

    def set_runs(self, runs: Sequence[Run]) -> list[RunProgress]:
        """Take in the tagged runs, newest first; return those whose events are wanted.

        Only the newest launch counts, with the runs that repeat what failed in it, or what was cleared: a clear of the
        launch leaves older ones behind.
        """
        root = next((run.run_id for run in runs if not {_ROOT_TAG, REBUILDS_TAG} & run.tags.keys()), None)
        chain = [run for run in runs if root in (run.run_id, run.tags.get(_ROOT_TAG), run.tags.get(REBUILDS_TAG))]
        self._chain = []
        for run in chain:
            progress = self._known.setdefault(run.run_id, RunProgress(run))
            progress.run = run
            self._chain.append(progress)
        return [progress for progress in self._chain if not progress.is_complete]

    def newest(self, *, partial: bool = True) -> Run | None:
        """Return the newest run; with `partial=False` the newest but those of single cleared tasks."""
        runs = (progress.run for progress in self._chain)
        return next((run for run in runs if partial or REBUILDS_TAG not in run.tags), None)

    def undone(self, *, but_made: bool = False) -> list[str]:
        """Return the assets that were planned in any of the runs and are not there or, unless `but_made`, not sound."""
        planned = {key for progress in self._chain for key, asset in progress.assets.items() if asset.planned}
        verdicts = {key: self.verdict(key) for key in sorted(planned)}
        open_ones = [key for key, verdict in verdicts.items() if not (verdict and verdict.is_success)]
        return [key for key in open_ones if not but_made or self.is_unmade(key)]

    def is_unmade(self, asset: str) -> bool:
        """Whether the asset is not there at all."""
        newest = next((found for each in self._chain if (found := each.assets.get(asset)) and found.planned), None)
        return newest is None or not newest.materialized

    def verdict(self, asset: str) -> Verdict | None:
        """Return how the asset has ended, or None while that is open."""
        for age, progress in enumerate(self._chain):
            if not progress.is_loaded:
                return None
            found = progress.assets.get(asset)
            if found is None or not found.planned:
                continue
            newer = [each for each in self._chain[:age] if REBUILDS_TAG not in each.run.tags]
            return self._judge(asset, found, progress, is_newest=not newer)
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
            return Verdict(SUCCESS, run.run_id, run_ended_at=run.ended_at, seconds=found.seconds)
        if not progress.is_complete:
            return None
        if is_newest and progress.retries_left:
            return None  # Airflow will run it again
        if failed:
            message, unmade = f"Asset {asset} has failed checks: {', '.join(failed)}", False
        elif run.status == "CANCELED":
            message, unmade = f"Asset {asset} was not made: the run was cancelled.", False
        else:
            message, unmade = f"Asset {asset} was not made; {_why(asset, progress.events)}", run.status == "FAILURE"
        return Verdict(FAILED, run.run_id, message, run.ended_at, found.seconds, unmade)


def _why(asset: str, events: RunEvents) -> str:
    reason = events.reason_of(asset)
    return f"dbt says: {reason}" if reason else f"the run failed at {events.describe_failure()}"
