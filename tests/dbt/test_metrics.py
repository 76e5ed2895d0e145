"""The metrics are defined once: whoever asks the semantic layer gets the figures that the roll-ups publish."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shop_platform.operations.dbt import run_dbt
from tests.dbt import events as e
from tests.dbt.project import PROJECT, Shop
from tests.dbt.random_shop import random_stream


def _mf(shop: Shop, *arguments: str) -> str:
    """Run MetricFlow against the shop's warehouse with the manifest that its project was parsed to."""
    # It looks for the manifest below the project and nowhere else.
    project = shop.dbt.target / "for_metricflow"
    if not project.exists():
        run_dbt(shop.settings, ["parse"], target_path=shop.dbt.target)
        project.mkdir()
        for entry in PROJECT.iterdir():
            if entry.name not in {"target", "logs"}:
                (project / entry.name).symlink_to(entry)
        (project / "target").symlink_to(shop.dbt.target)
    environment = os.environ | shop.settings.process_environment()
    environment |= {"DBT_PROJECT_DIR": str(project), "DBT_PROFILES_DIR": str(project)}
    environment |= {"DBT_LOG_PATH": str(shop.dbt.target), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"}
    done = subprocess.run(
        [Path(sys.executable).parent / "mf", *arguments],
        env=environment,
        cwd=shop.dbt.target,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _metrics(shop: Shop) -> list[str]:
    assert shop.dbt.manifest is not None
    return sorted(metric.name for metric in shop.dbt.manifest.metrics.values())


def _asked(shop: Shop, folder: Path, metrics: list[str], *group_by: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return what the semantic layer answers, by the group's values."""
    path = folder / "answer.csv"
    path.unlink(missing_ok=True)
    _mf(shop, "query", "--metrics", ",".join(metrics), "--group-by", ",".join(group_by), "--csv", str(path))
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        tuple(row[name][:10] for name in group_by): {
            metric: None if row[metric] == "" else Decimal(row[metric]) for metric in metrics
        }
        for row in rows
    }


@pytest.fixture
def busy_shop(shop: Shop) -> Shop:
    e.write(shop.settings, [event for seed in range(3) for event in random_stream(seed)])
    e.write(shop.settings, [e.order_placed("in-francs", "2026-10-22 10:00", customer_id="emil", currency="CHF")])
    shop.dbt.run()
    return shop


def test_the_semantic_layer_fits_the_warehouse(busy_shop: Shop) -> None:
    assert "ERRORS: 0" in _mf(busy_shop, "validate-configs", "--show-all").upper()


def test_every_metric_equals_the_daily_kpi_of_its_name(busy_shop: Shop, tmp_path: Path) -> None:
    columns = {row[0] for row in busy_shop.rows(
        "select column_name from information_schema.columns where table_schema = 'marts' and table_name = 'kpi_daily'"
    )}  # fmt: skip
    metrics = [name for name in _metrics(busy_shop) if name in columns]
    assert columns - set(metrics) <= {"kpi_daily_id", "date_day", "currency", "new_customer_orders"}

    asked = _asked(busy_shop, tmp_path, metrics, "metric_time__day", "currency")

    published = {
        (str(day), currency): dict(zip(metrics, values, strict=True))
        for day, currency, *values in busy_shop.rows(
            f"select date_day, currency, {', '.join(metrics)} from marts.kpi_daily"
        )
    }
    assert published.keys() == asked.keys()
    for key, figures in published.items():
        for name, figure in figures.items():
            answer = asked[key][name]
            # Where nothing happened the semantic layer may have no row at all, which is zero or no ratio.
            assert abs((answer or 0) - (figure or 0)) < Decimal("0.005"), (key, name, answer, figure)


def test_no_metric_is_without_a_roll_up_or_an_owner(_shop: Shop) -> None:
    assert _shop.dbt.manifest is not None
    for metric in _shop.dbt.manifest.metrics.values():
        assert metric.description.strip().endswith("."), metric.name
        assert {"owner", "unit", "grain"} <= metric.config.meta.keys(), metric.name
