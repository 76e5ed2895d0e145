"""One story in Dagster: what the refresher builds, checks and cannot build appears at the assets it is about."""

from __future__ import annotations

import json

import httpx

from shop_platform.local.ports import any_free
from shop_platform.orchestration.defs.transformation.assets import load_manifest
from shop_platform.orchestration.defs.transformation.hot import hot_models
from shop_platform.orchestration.manifest import ensure_manifest, lineage_file
from shop_platform.refresh.attempts import CHECK
from shop_platform.refresh.outcome import HotCheck, HotModel, Outcome
from shop_platform.refresh.report import RefreshReporter
from shop_platform.refresh.warm import WarmDbt
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.dbt import events as e
from tests.orchestration.graph import GOLDEN
from tests.refresh.conftest import fetch
from tests.support.dagster_server import running_dagster
from tests.support.waiting import eventually

DEFINITIONS = """
import dagster as dg

key = dg.AssetKey(["marts", "kpi_daily"])
specs = [dg.AssetCheckSpec("refresher_builds_it", asset=key), dg.AssetCheckSpec("not_null_kpi_daily_x", asset=key)]

@dg.multi_asset_check(specs=specs)
def checks():
    return ()

defs = dg.Definitions(assets=[dg.AssetSpec(key)], asset_checks=[checks])
"""
QUERY = """{ assetNodeOrError(assetKey: {path: ["marts", "kpi_daily"]}) { ... on AssetNode {
  assetMaterializations { metadataEntries { label ... on IntMetadataEntry { intValue }
    ... on TableColumnLineageMetadataEntry { lineage { columnName columnDeps { assetKey { path } columnName } } } } }
  assetObservations { metadataEntries { label ... on IntMetadataEntry { intValue } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { evaluation {
    success severity description } } } } } } } }"""
LINEAGE = {"units": [("marts/fct_orders", "units")], "orders_count": []}
MODEL = HotModel("kpi_daily", "marts.kpi_daily", ("marts", "kpi_daily"))


def asset(url):
    return httpx.post(f"{url}/graphql", json={"query": QUERY}, timeout=30).json()["data"]["assetNodeOrError"]


def evaluations(url):
    found = {}
    for check in asset(url)["assetChecksOrError"]["checks"]:
        if check["executionForLatestMaterialization"]:
            told = check["executionForLatestMaterialization"]["evaluation"]
            found[check["name"]] = (told["success"], told["severity"], told["description"])
    return found


def lineage(url):
    """What Dagster shows in the tab of the columns of the last materialization."""
    entries = asset(url)["assetMaterializations"][0]["metadataEntries"]
    (columns,) = [entry["lineage"] for entry in entries if "lineage" in entry]
    return {
        each["columnName"]: [("/".join(dep["assetKey"]["path"]), dep["columnName"]) for dep in each["columnDeps"]]
        for each in columns
    }


def told(url, kind):
    """Return (builds, rows written) of each event of the kind, the newest first."""
    events = [{e["label"]: e.get("intValue") for e in event["metadataEntries"]} for event in asset(url)[kind]]
    return [(event["builds"], event["rows_written"]) for event in events]


def test_builds_are_observed_and_a_round_of_tests_comes_with_the_materialization_it_is_about(tmp_path, fresh_warehouse):
    definitions = tmp_path / "definitions.py"
    definitions.write_text(DEFINITIONS)
    with running_dagster(fresh_warehouse.server, definitions, "report", tmp_path / "home") as dagster:
        settings = fresh_warehouse.settings.model_copy(
            update={"dagster_url": dagster.url, "refresh_report_seconds": 3600}
        )
        models = {"kpi_daily": MODEL}
        with RefreshReporter(settings) as reporter:
            reporter.built(models, [Outcome("kpi_daily", "success", 0.5, rows=3)])
            reporter.built(models, [Outcome("kpi_daily", "success", 0.25, rows=1), Outcome("other", "success", 9)])
            assert reporter.flush() == 2
            assert reporter.flush() == 0
            eventually(lambda: told(dagster.url, "assetObservations") == [(2, 4)])
            reporter.built(models, [Outcome("kpi_daily", "success", 0.25, rows=2, lineage=LINEAGE)])
            test = HotCheck("not_null_kpi_daily_x", MODEL.asset)
            reporter.checked([Outcome(test.name, "warn", 0.1, message="Got 2 results", check=test)])
            assert reporter.flush() == 3
            eventually(lambda: told(dagster.url, "assetMaterializations") == [(3, 6)])
            assert lineage(dagster.url) == LINEAGE
            results = {CHECK: (True, "ERROR", None), test.name: (False, "WARN", "Got 2 results")}
            eventually(lambda: evaluations(dagster.url) == results)
            # While it goes on building, Dagster still shows what the tests said.
            reporter.built(models, [Outcome("kpi_daily", "success", 0.5, rows=1)])
            assert reporter.flush() == 1
            eventually(lambda: told(dagster.url, "assetObservations") == [(1, 1), (2, 4)])
            assert evaluations(dagster.url) == results
            # A failure is told once, not with every attempt, and builds nothing.
            for _ in range(3):
                reporter.built(models, [Outcome("kpi_daily", "error", 0.1, message="column does not exist")])
            assert reporter.flush() == 1
            told_why = "The refresher could not build kpi_daily: column does not exist"
            eventually(lambda: evaluations(dagster.url)[CHECK] == (False, "ERROR", told_why))
            assert told(dagster.url, "assetMaterializations") == [(3, 6)]
    assert fetch(settings, "select asset, builds, seconds, row_count from ops.asset_materializations order by 2") == [
        ("marts/kpi_daily", 1, 0.25, 2), ("marts/kpi_daily", 1, 0.5, 1), ("marts/kpi_daily", 2, 0.75, 4)
    ]  # fmt: skip


def test_tests_that_rest_for_long_do_not_make_a_mart_look_stale(fresh_warehouse, monkeypatch):
    now = 1_000.0
    reporter = RefreshReporter(fresh_warehouse.settings, lambda: now)
    kinds = []
    monkeypatch.setattr(reporter, "_post", lambda kind, *_: kinds.append(kind))
    for _ in range(3):
        reporter.built({"kpi_daily": MODEL}, [Outcome("kpi_daily", "success", 0.5, rows=3)])
        reporter.flush()
        now += 600
    assert kinds == ["observation", "check", "materialization", "materialization"]


def test_a_dagster_that_is_away_loses_no_check_and_no_record(fresh_warehouse):
    settings = fresh_warehouse.settings.model_copy(
        update={"dagster_url": f"http://127.0.0.1:{any_free()}", "refresh_report_seconds": 3600}
    )
    reporter = RefreshReporter(settings)
    reporter.built({"kpi_daily": MODEL}, [Outcome("kpi_daily", "success", 0.5, rows=3)])
    assert reporter.flush() == 0
    assert list(reporter._checks) == [HotCheck(CHECK, MODEL.asset)], "told with the next interval"
    assert fetch(settings, "select asset, builds from ops.asset_materializations") == [("marts/kpi_daily", 1)]


def test_every_name_the_refresher_reports_is_one_that_the_code_location_knows_and_a_failure_says_why(fresh_warehouse):
    """Otherwise Dagster stores what nobody sees."""
    settings = fresh_warehouse.settings
    graph = json.loads(GOLDEN.read_text(encoding="utf-8"))["assets"]
    warm = WarmDbt(settings).ready()
    assert sorted(warm.models) == hot_models(load_manifest(ensure_manifest(settings)))
    e.write(settings, [e.order_placed("ord_1", "2026-03-01 10:00")])
    built = warm.prepare()
    assert [done.name for done in built if done.name in warm.models and not done.lineage] == []
    assert lineage_file(settings).exists(), "kept for the next that builds"
    with connect(settings, Role.TRANSFORM) as connection:
        connection.execute("update marts.fct_orders set refunded_amount = 1000000, has_excess_refunds = true")
    tests = warm.test()
    assert {done.name: done.message for done in tests if not done.succeeded} == {
        "fct_orders_equals_its_refunds": "Per order_id, fct_orders and fct_refunds add up to the same:"
        " coalesce(refunded_amount, known_refunded_amount) = amount_in_order_currency,"
        " known_refunded_amount = amount_in_order_currency. Broken by: order_id ord_1.",
        "fct_orders_refunds_stay_within_the_order": "Orders of which more was given back than they were worth or than"
        " was captured. Found: order_id ord_1.",
    }
    for model in warm.models.values():
        assert CHECK in graph["/".join(model.asset)]["checks"]
    # What it does not test, Dagster shows as not evaluated after each of its materializations, until the next whole
    # build: tests that compare a hot table with one that only a whole build brings up to date, or with the raw rows.
    told_with_each_round = {(done.check.asset, done.check.name) for done in tests if done.check}
    untold = {
        check
        for model in warm.models.values()
        for check in graph["/".join(model.asset)]["checks"]
        if check != CHECK and (model.asset, check) not in told_with_each_round
    }
    assert untold == {
        "events_wait_for_their_order",
        "fct_order_lines_has_one_product",
        "fct_order_lines_was_sold_under_one_state_of_its_product",
        "fct_orders_equals_its_payments",
        "fct_orders_has_one_channel",
        "fct_orders_has_one_country",
        "fct_orders_has_one_customer",
        "fct_sessions_has_one_channel",
        "fct_sessions_has_one_country",
        "relationships_fct_order_lines_product_id__product_id__ref_dim_products_",
        "relationships_fct_orders_customer_id__customer_id__ref_dim_customers_",
        "the_last_version_of_every_closed_day_is_kpi_daily",
    }
    assert len(tests) > 50
    for done in tests:
        assert done.check is not None, done.name
        assert done.check.name in graph["/".join(done.check.asset)]["checks"], done.check
