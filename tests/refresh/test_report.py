"""One story in Dagster: what the refresher builds, checks and cannot build appears at the assets it is about."""

from __future__ import annotations

import json

import httpx
import pytest

from shop_platform.local.ports import any_free
from shop_platform.orchestration.defs.transformation.assets import load_manifest
from shop_platform.orchestration.defs.transformation.hot import hot_models
from shop_platform.orchestration.manifest import ensure_manifest
from shop_platform.refresh.attempts import CHECK
from shop_platform.refresh.outcome import HotCheck, HotModel, Outcome
from shop_platform.refresh.report import RefreshReporter
from shop_platform.refresh.warm import WarmDbt
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
  assetMaterializations { metadataEntries { label ... on IntMetadataEntry { intValue } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { evaluation {
    success severity metadataEntries { label ... on TextMetadataEntry { text } } } } } } } } } }"""
MODEL = HotModel("kpi_daily", "marts.kpi_daily", ("marts", "kpi_daily"))


def asset(url):
    return httpx.post(f"{url}/graphql", json={"query": QUERY}, timeout=30).json()["data"]["assetNodeOrError"]


def evaluations(url):
    found = {}
    for check in asset(url)["assetChecksOrError"]["checks"]:
        if check["executionForLatestMaterialization"]:
            told = check["executionForLatestMaterialization"]["evaluation"]
            message = next((entry["text"] for entry in told["metadataEntries"] if entry["label"] == "message"), None)
            found[check["name"]] = (told["success"], told["severity"], message)
    return found


@pytest.mark.slow
def test_builds_are_added_up_and_failures_and_checks_are_told(tmp_path, fresh_warehouse):
    definitions = tmp_path / "definitions.py"
    definitions.write_text(DEFINITIONS)
    with running_dagster(definitions, "report", tmp_path / "home") as dagster:
        settings = fresh_warehouse.settings.model_copy(
            update={"dagster_url": dagster.url, "refresh_report_seconds": 3600}
        )
        models = {"kpi_daily": MODEL}
        with RefreshReporter(settings) as reporter:
            reporter.built(models, [Outcome("kpi_daily", "success", 0.5, rows=3)])
            reporter.built(models, [Outcome("kpi_daily", "success", 0.25, rows=1), Outcome("other", "success", 9)])
            test = HotCheck("not_null_kpi_daily_x", MODEL.asset)
            reporter.checked([Outcome(test.name, "warn", 0.1, message="Got 2 results", check=test)])
            assert reporter.flush() == 3
            assert reporter.flush() == 0
            eventually(lambda: len(asset(dagster.url)["assetMaterializations"]) == 1)
            metadata = {
                e["label"]: e.get("intValue") for e in asset(dagster.url)["assetMaterializations"][0]["metadataEntries"]
            }
            assert (metadata["builds"], metadata["rows_written"]) == (2, 4)
            eventually(lambda: len(evaluations(dagster.url)) == 2)
            assert evaluations(dagster.url) == {
                CHECK: (True, "ERROR", None), test.name: (False, "WARN", "Got 2 results")
            }  # fmt: skip
            # A failure is told once, not with every attempt, and builds nothing.
            for _ in range(3):
                reporter.built(models, [Outcome("kpi_daily", "error", 0.1, message="column does not exist")])
            assert reporter.flush() == 1
            eventually(lambda: evaluations(dagster.url)[CHECK] == (False, "ERROR", "column does not exist"))
            assert len(asset(dagster.url)["assetMaterializations"]) == 1
    assert fetch(settings, "select asset, builds, seconds, row_count from ops.asset_materializations") == [
        ("marts/kpi_daily", 2, 0.75, 4)
    ]


def test_a_dagster_that_is_away_loses_no_check_and_no_record(fresh_warehouse):
    settings = fresh_warehouse.settings.model_copy(
        update={"dagster_url": f"http://127.0.0.1:{any_free()}", "refresh_report_seconds": 3600}
    )
    reporter = RefreshReporter(settings)
    reporter.built({"kpi_daily": MODEL}, [Outcome("kpi_daily", "success", 0.5, rows=3)])
    assert reporter.flush() == 0
    assert list(reporter._checks) == [HotCheck(CHECK, MODEL.asset)], "told with the next interval"
    assert fetch(settings, "select asset, builds from ops.asset_materializations") == [("marts/kpi_daily", 1)]


def test_every_name_the_refresher_reports_is_one_that_the_code_location_knows(fresh_warehouse):
    """Otherwise Dagster stores what nobody sees."""
    settings = fresh_warehouse.settings
    graph = json.loads(GOLDEN.read_text(encoding="utf-8"))["assets"]
    with WarmDbt(settings).ready() as warm:
        assert sorted(warm.models) == hot_models(load_manifest(ensure_manifest(settings)))
        warm.prepare()
        tests = warm.test()
    for model in warm.models.values():
        assert CHECK in graph["/".join(model.asset)]["checks"]
    assert len(tests) > 50
    for done in tests:
        assert done.check is not None, done.name
        assert done.check.name in graph["/".join(done.check.asset)]["checks"], done.check
