"""Rows per second of the real ingestion against ``psql \\copy`` of the same rows into the same tables."""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any

from bench.stack import measuring_stack
from shop_platform.events.registry import TOPICS
from shop_platform.generator.history import run_history
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.local.postgres import BIN
from shop_platform.settings import Role, Settings
from shop_platform.warehouse.connect import connect

_COMMAND = "make bench ONLY=ingest"
_COLUMNS = "event_id, event_type, source, subject, event_time, data, kafka_partition, kafka_offset"


def run() -> list[dict[str, Any]]:
    """Measure one process; both sides write the same rows, durably, into the same tables with the same indexes."""
    with measuring_stack() as (settings, _):
        run_history(settings, days=90, seed=7)
        started = time.perf_counter()
        report = ingest_until_end(settings)
        seconds = time.perf_counter() - started
        landed = sum(subject.landed for subject in report.by_subject.values())
        reference = landed / _copy_seconds(settings)
    value = landed / seconds
    return [
        {
            "name": "ingest.rows_per_second_1p",
            "value": round(value),
            "unit": "rows/s",
            "reference": round(reference),
            "ratio": round(value / reference, 3),
            "command": _COMMAND,
        },
        {
            "name": "ingest.copy_ratio_1p",
            "value": round(value / reference, 3),
            "unit": "ratio",
            "reference": 1.0,
            "ratio": round(value / reference, 3),
            "command": _COMMAND,
        },
    ]


def _copy_seconds(settings: Settings) -> float:
    """Unload every raw table, empty it and load it again by psql: the ceiling PostgreSQL sets."""
    environment = os.environ | {"PGPASSWORD": settings.password(Role.ADMIN)}
    psql = [
        *(str(BIN / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", settings.pg_host, "-p", str(settings.pg_port)),
        *("-U", settings.pg_admin_user, settings.pg_database),
    ]
    total = 0.0
    for topic in TOPICS:
        table, path = f"raw.{topic.subject}", settings.data_dir / f"{topic.subject}.copy"
        subprocess.run([*psql, "-c", f"\\copy {table} ({_COLUMNS}) to '{path}'"], env=environment, check=True)
        with connect(settings, Role.ADMIN) as admin:
            admin.execute(f"truncate {table}".encode())
        started = time.perf_counter()
        subprocess.run([*psql, "-c", f"\\copy {table} ({_COLUMNS}) from '{path}'"], env=environment, check=True)
        total += time.perf_counter() - started
    return total
