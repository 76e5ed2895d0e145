"""Makes some assets of a run again: those of tasks that somebody cleared; does no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_bridge.graphql import Operation, Origin, Run, launch_run, rerun_failed
from airflow_bridge.launch import BY_TAG, KEY_TAG, REBUILDS_TAG, RETRIES_LEFT_TAG

# Dagster's own tags belong to the run that has them, but for what was built.
_KEPT = ("dagster/partition", "dagster/priority", "dagster/max_retries")


def some_again(
    origin: Origin, root: str, assets: Sequence[str], tags: Mapping[str, str] | None = None
) -> Operation[Run]:
    """Return the launch of `assets` alone, with the run config and the tags of the run `root` that had them."""
    kept = {key: value for key, value in origin.tags.items() if not key.startswith(("dagster/", ".dagster/"))}
    kept |= {key: origin.tags[key] for key in _KEPT if key in origin.tags}
    job = replace(origin.job, assets=[key.split("/") for key in sorted(assets)])
    return launch_run(job, origin.run_config, kept | {REBUILDS_TAG: root} | _fresh() | dict(tags or {}))


def failed_again(origin: Origin, run_id: str) -> Operation[Run]:
    """Return the launch of everything that failed in run `run_id`."""
    return rerun_failed(origin.job, run_id, _fresh(), is_asset_job=True)


def _fresh() -> dict[str, str]:
    return {KEY_TAG: uuid.uuid4().hex, RETRIES_LEFT_TAG: "0", BY_TAG: "cleared tasks"}
