"""Builds the tasks of a watched Dagster job: one run underneath, one task per asset, one that answers for the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.sdk import TaskGroup, TriggerRule

from airflow_bridge.asset_graph import AssetGraph, AssetNode
from airflow_bridge.assets import DagsterAssetEventsOperator, dagster_asset
from airflow_bridge.hook import DagsterHook
from airflow_bridge.operators import DagsterJobOperator, DagsterOutcomeOperator
from airflow_bridge.watch import DagsterAssetWatcher

LAUNCH = "launch"
OUTCOME = "dagster_run"
EVENTS = "asset_events"
EVENTS_AFTER_FAILURE = "asset_events_after_failure"

_LAUNCH_DOC = "Launches the Dagster job `{}`. Clear it with its downstream tasks to run everything again."
_OUTCOME_DOC = "Answers for the Dagster run: waits for it, and makes again what failed. Its log has the reason."
_EVENTS_DOC = "Tells other DAGs, by an Airflow Asset event each, which assets {}."


@dataclass(frozen=True)
class WatchedJob:
    """The tasks that were built; `watchers` by asset key, `groups` by their ids.

    `events` reports what a good run made, `events_after_failure` what a failed one made all the same.
    """

    launch: DagsterJobOperator
    outcome: DagsterOutcomeOperator
    events: DagsterAssetEventsOperator | None
    events_after_failure: DagsterAssetEventsOperator | None
    watchers: Mapping[str, DagsterAssetWatcher]
    groups: Mapping[str, TaskGroup]

    def last_watchers(self) -> list[DagsterAssetWatcher]:
        """Return the watchers of the assets of which no other is made."""
        ids = {watcher.task_id for watcher in self.watchers.values()}
        return [watcher for watcher in self.watchers.values() if not watcher.downstream_task_ids & ids]


def watched_job(
    graph: AssetGraph,
    *,
    retries: int = 2,
    report: Sequence[str] = (),
    group_ids: Mapping[str, str] | None = None,
    dagster_conn_id: str = DagsterHook.default_conn_name,
    outcome_group: TaskGroup | None = None,
    launch_options: Mapping[str, Any] | None = None,
    outcome_options: Mapping[str, Any] | None = None,
) -> WatchedJob:
    """Make the tasks of `graph` in the DAG being defined.

    `launch` launches the job. Each asset is a task in the task group of its Dagster group, and waits, without a worker,
    for its own success. `group_ids` renames groups and tells their order; a group that others lead back to goes on as
    "<group>_2". `dagster_run` fails if the run fails and runs again what failed, up to `retries` times. `asset_events`
    emits an Airflow Asset event for each asset of the groups in `report`; of a failed run `asset_events_after_failure`
    reports those that were made. Neither is a teardown: Airflow would end a DAG run that somebody marks as failed
    while a teardown is to come by its leaves, and skipped leaves are a success.
    """
    launch = DagsterJobOperator(
        task_id=LAUNCH,
        job_name=graph.job,
        location=graph.location,
        dagster_conn_id=dagster_conn_id,
        wait_for_completion=False,
        promised_retries=retries,
        **{"doc_md": _LAUNCH_DOC.format(graph.job), **(launch_options or {})},
    )
    outcome = DagsterOutcomeOperator(
        task_id=OUTCOME,
        task_group=outcome_group,
        launch_task_id=LAUNCH,
        job_name=graph.job,
        location=graph.location,
        dagster_conn_id=dagster_conn_id,
        retries=retries,
        **{"doc_md": _OUTCOME_DOC, **(outcome_options or {})},
    )
    launch >> outcome
    groups, watchers = _watchers(graph, launch, outcome, group_ids or {}, report, dagster_conn_id)
    events = after_failure = None
    if report:
        options: dict[str, Any] = {
            "assets": [node.key for node in graph.in_order() if node.group in report],
            "location": graph.location,
            "launch_task_id": LAUNCH,
            "dagster_conn_id": dagster_conn_id,
        }
        events = DagsterAssetEventsOperator(
            task_id=EVENTS, besides=EVENTS_AFTER_FAILURE, doc_md=_EVENTS_DOC.format("were made"), **options
        )
        after_failure = DagsterAssetEventsOperator(
            task_id=EVENTS_AFTER_FAILURE,
            trigger_rule=TriggerRule.ALL_FAILED,
            doc_md=_EVENTS_DOC.format("a failed run made all the same"),
            **options,
        )
        outcome >> [events, after_failure]
    return WatchedJob(launch, outcome, events, after_failure, watchers, groups)


def _watchers(
    graph: AssetGraph,
    launch: DagsterJobOperator,
    outcome: DagsterOutcomeOperator,
    group_ids: Mapping[str, str],
    report: Sequence[str],
    dagster_conn_id: str,
) -> tuple[dict[str, TaskGroup], dict[str, DagsterAssetWatcher]]:
    groups: dict[str, TaskGroup] = {}
    stages = graph.stages(tuple(group_ids))
    for group, stage in sorted(set(stages.values()), key=lambda pair: (pair[1], pair[0])):
        groups[_group_id(group, stage, group_ids)] = TaskGroup(_group_id(group, stage, group_ids))
    watchers: dict[str, DagsterAssetWatcher] = {}
    for node in graph.in_order():
        watcher = DagsterAssetWatcher(
            task_id=task_name(node.key, node.group),
            task_group=groups[_group_id(*stages[node.key], group_ids)],
            asset=node.key,
            launch_task_id=launch.task_id,
            outcome_task_id=outcome.task_id,
            dagster_conn_id=dagster_conn_id,
            retries=0,
            # Fills "Producing tasks"; a task that ends in the triggerer makes no event, `asset_events` does.
            outlets=[dagster_asset(node.key, graph.location)] if node.group in report else [],
            **_documentation(node),
        )
        for key in node.upstream:
            watchers[key] >> watcher
        if not node.upstream:
            launch >> watcher
        watchers[node.key] = watcher
    return groups, watchers


def _documentation(node: AssetNode) -> dict[str, Any]:
    """Return owner and Markdown of the task, as far as the asset has them."""
    owners = ", ".join(owner.removeprefix("team:") for owner in node.owners)
    told = {"owner": owners} if owners else {}
    return told | ({"doc_md": f"{node.description}\n\nDagster asset `{node.key}`."} if node.description else {})


def _group_id(group: str, stage: int, group_ids: Mapping[str, str]) -> str:
    name = group_ids.get(group, group)
    return name if stage == 1 else f"{name}_{stage}"


def task_name(key: str, group: str) -> str:
    """Return the task's name in its group: the key without a prefix that only repeats the group."""
    prefix, _, rest = key.partition("/")
    return (rest if rest and prefix == group else key).replace("/", ".")
