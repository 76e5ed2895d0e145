"""Dagster is told of what landed, once per asset and interval; that it is away costs nothing."""

from __future__ import annotations

import time

import httpx
import pytest

from shop_platform.ingest.offsets import Position
from shop_platform.ingest.report import DagsterReporter
from shop_platform.ingest.write import Written
from shop_platform.local.ports import any_free
from shop_platform.settings import load
from tests.support.dagster_server import running_dagster
from tests.support.waiting import eventually

DEFINITIONS = """
import dagster as dg
defs = dg.Definitions(assets=[dg.AssetSpec(["raw", "web"]), dg.AssetSpec(["raw", "orders"])])
"""
QUERY = """{ assetOrError(assetKey: {path: ["raw", "web"]}) { ... on Asset { assetMaterializations { metadataEntries {
  label ... on IntMetadataEntry { intValue } ... on JsonMetadataEntry { jsonString } } } } } }"""


def done(topic, partition, next_offset, landed, duplicates=0, dead=0):
    messages = landed + duplicates + dead
    return Written(Position(topic, partition, "id", next_offset), messages, landed, duplicates, dead, None, None)


def materializations(url):
    asset = httpx.post(f"{url}/graphql", json={"query": QUERY}, timeout=30).json()["data"]["assetOrError"]
    return [
        {e["label"]: e.get("intValue", e.get("jsonString")) for e in m["metadataEntries"]}
        for m in asset.get("assetMaterializations", [])
    ]


@pytest.mark.slow
def test_many_batches_become_one_materialization_per_asset_with_rows_lag_and_offsets(tmp_path):
    definitions = tmp_path / "definitions.py"
    definitions.write_text(DEFINITIONS)
    with running_dagster(definitions, "report", tmp_path / "home") as dagster:
        settings = load(dagster_url=dagster.url, ingest_report_seconds=3600)
        with DagsterReporter(settings) as reporter:
            reporter.add([done("shop.web", 0, 10, 8, 1, 1), done("shop.orders", 0, 3, 3)], {"shop.web": 40})
            reporter.add([done("shop.web", 0, 15, 5), done("shop.web", 1, 7, 7)], {"shop.web": 25})
            assert reporter.flush() == 2
            assert reporter.flush() == 0
            reporter.add([done("shop.web", 1, 9, 2)], {})
        # leaving the block tells the rest
        eventually(lambda: len(materializations(dagster.url)) == 2)
        last, first = materializations(dagster.url)
    assert {k: first[k] for k in ("rows", "duplicates", "dead_letters", "messages", "lag")} == {
        "rows": 20, "duplicates": 1, "dead_letters": 1, "messages": 22, "lag": 25
    }  # fmt: skip
    assert first["next_offsets"] == '{"0": 15, "1": 7}'
    assert last["rows"] == 2


def test_what_could_not_be_told_is_told_with_the_next_report():
    settings = load(dagster_url=f"http://127.0.0.1:{any_free()}", ingest_report_seconds=3600)
    reporter = DagsterReporter(settings)
    reporter.add([done("shop.web", 0, 10, 8)], {})
    started = time.monotonic()
    assert reporter.flush() == 0
    assert time.monotonic() - started < 60
    reporter.add([done("shop.web", 0, 12, 2)], {})
    assert reporter._pending["web"]["rows"] == 10
