"""The whole project builds, and its unit tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.dbt import events as e
from tests.dbt.project import PROJECT, Shop


def test_an_empty_warehouse_builds_with_every_test_and_unit_test(shop: Shop) -> None:
    outcome = shop.dbt.invoke("build")

    kinds = {result.node.resource_type for result in outcome.result.results}
    assert {"model", "test", "unit_test"} <= kinds
    assert shop.rows("select count(*) from marts.fct_orders") == [(0,)]
    # Known before the first event, so that a screen can say "nothing yet" instead of failing.
    assert shop.rows("select count(*), sum(events_count) from marts.data_freshness") == [(7, 0)]


def test_unit_tests_pass_on_their_own(shop: Shop) -> None:
    shop.dbt.run()

    outcome = shop.dbt.invoke("test", "--select", "test_type:unit")

    assert len(outcome.result.results) >= 6


def test_every_mart_of_a_run_stands_at_one_ceiling(shop: Shop) -> None:
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:00")])

    shop.dbt.run()

    marks = dict(shop.rows("select model, ceiling::text from ops.model_watermarks"))
    assert set(marks) == {f"marts.{mart}" for mart in shop.dbt.marts()}
    assert set(marks.values()) == {shop.ceiling()}


def test_a_partial_run_does_not_claim_more_than_the_tables_it_read_hold(shop: Shop) -> None:
    e.write(shop.settings, [e.session_started("s1", "2026-03-01 10:00")])
    shop.dbt.run()
    before = shop.ceiling()
    e.write(shop.settings, [e.order_placed("o1", "2026-03-01 10:05", session_id="s1")])

    shop.dbt.run("--select", "fct_sessions", "kpi_daily")

    marks = dict(shop.rows("select model, ceiling::text from ops.model_watermarks"))
    assert marks["marts.fct_sessions"] == marks["marts.kpi_daily"] == before
    shop.dbt.run()
    assert shop.rows("select session_id, order_id from marts.fct_sessions") == [("s1", "o1")]


def test_later_versions_of_a_type_are_read(shop: Shop) -> None:
    first, second = e.order_placed("o1", "2026-03-01 10:00"), e.order_placed("o2", "2026-03-01 10:00", version=2)
    e.write(shop.settings, [first, second])

    shop.dbt.build()

    assert shop.rows("select order_id from marts.fct_orders order by 1") == [("o1",), ("o2",)]


def test_prod_refuses_to_start_without_a_password(dbt: None, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SHOP_")}
    environment |= {"SHOP_ENV": "prod", "DBT_TARGET_PATH": str(tmp_path), "DBT_LOG_PATH": str(tmp_path)}

    outcome = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "parse", "--project-dir", PROJECT, "--profiles-dir", PROJECT],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome.returncode != 0
    assert "SHOP_PG_TRANSFORM_PASSWORD" in outcome.stdout
