"""Read the committed boards and rules as Grafana would, and list every query they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from grafana.build import ROOT

Json = dict[str, Any]
BOARDS: dict[str, Json] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(ROOT.glob("dashboards/*"))}


@dataclass(frozen=True)
class Found:
    """One committed query and where it stands; ``kind`` is table, time_series, variable, annotation or alert."""

    where: str
    kind: str
    sql: str
    board: str | None
    min_interval: str = "1m"
    range_seconds: int = 0


def provisioned(name: str) -> Json:
    """Return a provisioning file as data."""
    loaded: Json = yaml.safe_load((ROOT / "provisioning" / name).read_text("utf-8"))
    return loaded


def rules() -> list[Json]:
    """Return every alert rule."""
    return [rule for group in provisioned("alerting/rules.yaml")["groups"] for rule in group["rules"]]


def every_query() -> list[Found]:
    """Return the queries of all panels, variables, annotations and alerts."""
    found = []
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                where = f"{name}/{panel['title']}/{target['refId']}"
                found.append(Found(where, target["format"], target["rawSql"], name, panel.get("interval", "1m")))
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                found.append(Found(f"{name}/variable {variable['name']}", "variable", variable["query"], name))
        for mark in board["annotations"]["list"]:
            found.append(Found(f"{name}/annotation {mark['name']}", "annotation", mark["target"]["rawSql"], name))
    for rule in rules():
        query = rule["data"][0]
        length = query["relativeTimeRange"]["from"]
        found.append(Found(f"alert/{rule['title']}", "alert", query["model"]["rawSql"], None, range_seconds=length))
    return found
