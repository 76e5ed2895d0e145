"""The asset graph as text that a person can review in a diff."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from shop_platform.orchestration import ingestion_location, names, warehouse_location
from shop_platform.settings import Settings

GOLDEN = Path(__file__).with_name("graph.json")


def build_all(settings: Settings) -> dict[str, dg.Definitions]:
    """Return the definitions of every code location by its name."""
    return {
        names.LOCATION_INGESTION: ingestion_location.build(settings),
        names.LOCATION_WAREHOUSE: warehouse_location.build(settings),
    }


def whole(locations: Mapping[str, dg.Definitions]) -> dg.RepositoryDefinition:
    """Return the locations as one repository: the graph that Dagster's screen shows."""
    return dg.Definitions.merge(*locations.values()).get_repository_def()


def describe(locations: Mapping[str, dg.Definitions]) -> dict[str, Any]:
    """Return everything another room may rely on: keys, groups, dependencies, checks, jobs, schedules, sensors."""
    graph: Any = whole(locations).asset_graph
    assets = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "executable": node.is_executable,
            "owners": sorted(node.owners),
            "upstream": sorted(parent.to_user_string() for parent in node.parent_keys),
            "checks": sorted(check.name for check in node.check_keys),
        }
    return {
        "assets": dict(sorted(assets.items())),
        "locations": {name: _location(made.get_repository_def()) for name, made in locations.items()},
    }


def _location(repository: dg.RepositoryDefinition) -> dict[str, Any]:
    graph: Any = repository.asset_graph
    jobs = {}
    for job in repository.get_all_jobs():
        if job.name.startswith("__"):
            continue
        layer = job.asset_layer
        jobs[job.name] = {
            "ops": sorted(node.name for node in job.nodes),
            "assets": len(layer.selected_asset_keys),
            "checks": len(layer.asset_graph.asset_check_keys) if layer.selected_asset_keys else 0,
            "executor": job.executor_def.name,
        }
    return {
        "makes": sorted(key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_executable),
        "jobs": dict(sorted(jobs.items())),
        "schedules": {
            schedule.name: {
                "job": schedule.job_name,
                "cron": schedule.cron_schedule,
                "time_zone": schedule.execution_timezone,
                "default": schedule.default_status.value,
            }
            for schedule in repository.schedule_defs
        },
        "sensors": {
            sensor.name: {
                "jobs": [target.job_name for target in sensor.targets],
                "every_seconds": sensor.minimum_interval_seconds,
                "default": sensor.default_status.value,
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
    }


def as_text(description: dict[str, Any]) -> str:
    """Return the description as the golden file holds it."""
    return json.dumps(description, indent=1, ensure_ascii=False) + "\n"
