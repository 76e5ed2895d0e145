"""The time of a full dbt build of the default history, per model, against reading the same raw rows once."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from psycopg import sql

from bench.stack import measuring_stack
from shop_platform.events.registry import TOPICS
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.dbt import run_dbt
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_SLOWEST = 5


def run() -> list[dict[str, Any]]:
    """Measure the models' own seconds (dbt's start is not counted) over about 350,000 events."""
    with measuring_stack() as (settings, _):
        run_history(settings, days=90, seed=7)
        ingest_until_end(settings)
        target = settings.data_dir / "target"
        run_dbt(settings, ["run", "--full-refresh"], target_path=target)
        results = json.loads((target / "run_results.json").read_text())["results"]
        reference = _scan_seconds(settings)
    by_model = {row["unique_id"].rpartition(".")[2]: float(row["execution_time"]) for row in results}
    for name, seconds in sorted(by_model.items(), key=lambda item: -item[1])[:_SLOWEST]:
        sys.stderr.write(f"  {name:<32} {seconds:6.2f} s\n")
    value = sum(by_model.values())
    return [
        {
            "name": "warehouse.full_build_seconds",
            "value": round(value, 2),
            "unit": "s",
            "reference": round(reference, 2),
            "ratio": round(value / reference, 2),
            "command": "make bench ONLY=warehouse",
        }
    ]


def _scan_seconds(settings: Settings) -> float:
    """Read every raw payload once: what no build can do without."""
    started = time.perf_counter()
    with connect(settings, Role.TRANSFORM) as connection:
        for topic in TOPICS:
            table = sql.Identifier("raw", topic.subject)
            connection.execute(sql.SQL("select sum(length(data::text)) from {}").format(table))
    return time.perf_counter() - started
