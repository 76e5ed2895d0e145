"""Dagster is told of what landed, and its checks stay valid meanwhile; that it is away costs nothing."""

from __future__ import annotations

import time

import httpx
import pytest

from shop_platform.ingest.offsets import Position
from shop_platform.ingest.report import MATERIALIZED_EVERY_SECONDS, DagsterReporter
from shop_platform.ingest.write import Written
from shop_platform.local.ports import any_free
from shop_platform.orchestration.defs.ingestion.jobs import CHECKS_AT
from shop_platform.settings import load
from tests.support.dagster_server import running_dagster
from tests.support.waiting import eventually

DEFINITIONS = """
import dagster as dg

web = dg.AssetSpec(["raw", "web"])

@dg.asset_check(asset=web.key, name="is_recent")
def is_recent():
    return dg.AssetCheckResult(passed=True)

defs = dg.Definitions(
    assets=[web, dg.AssetSpec(["raw", "orders"])],
    asset_checks=[is_recent],
    jobs=[dg.define_asset_job("check", dg.AssetSelection.checks(is_recent), executor_def=dg.in_process_executor)],
)
"""
ENTRIES = "metadataEntries { label ... on IntMetadataEntry { intValue } ... on JsonMetadataEntry { jsonString } }"
QUERY = f"""{{ assetNodeOrError(assetKey: {{path: ["raw", "web"]}}) {{ ... on AssetNode {{
  assetMaterializations {{ {ENTRIES} }} assetObservations {{ {ENTRIES} }}
  assetChecksOrError {{ ... on AssetChecks {{ checks {{
    executionForLatestMaterialization {{ status }} }} }} }} }} }} }}"""
LAUNCH = """mutation { launchRun(executionParams: {selector: {
  repositoryLocationName: "report", repositoryName: "__repository__", jobName: "check"}, runConfigData: {}})
  { __typename ... on PythonError { message } } }"""
TEN_MINUTES = MATERIALIZED_EVERY_SECONDS
START = 1_000 * TEN_MINUTES


def done(topic, partition, next_offset, landed, duplicates=0, dead=0):
    messages = landed + duplicates + dead
    return Written(Position(topic, partition, "id", next_offset), messages, landed, duplicates, dead, None, None)


def web(url):
    return httpx.post(f"{url}/graphql", json={"query": QUERY}, timeout=30).json()["data"]["assetNodeOrError"]


def told(url, kind):
    """Return the metadata of each event of the kind, the newest first."""
    return [
        {entry["label"]: entry.get("intValue", entry.get("jsonString")) for entry in event["metadataEntries"]}
        for event in web(url)[kind]
    ]


def status_of_check(url):
    (check,) = web(url)["assetChecksOrError"]["checks"]
    return check["executionForLatestMaterialization"] and check["executionForLatestMaterialization"]["status"]


class Clock:
    """The time of day, as a test sets it."""

    now = float(START)

    def __call__(self):
        return self.now


def test_batches_become_observations_and_every_ten_minutes_one_materialization_with_all_of_them(
    tmp_path, postgres_server
):
    definitions = tmp_path / "definitions.py"
    definitions.write_text(DEFINITIONS)
    clock = Clock()
    with running_dagster(postgres_server, definitions, "report", tmp_path / "home") as dagster:
        settings = load(dagster_url=dagster.url, ingest_report_seconds=3600)
        with DagsterReporter(settings, clock) as reporter:
            reporter.add([done("shop.web", 0, 10, 8, 1, 1), done("shop.orders", 0, 3, 3)], {"shop.web": 40})
            reporter.add([done("shop.web", 0, 15, 5), done("shop.web", 1, 7, 7)], {"shop.web": 25})
            assert reporter.flush() == 2
            assert reporter.flush() == 0
            eventually(lambda: len(told(dagster.url, "assetObservations")) == 1)
            assert told(dagster.url, "assetMaterializations") == []
            clock.now += TEN_MINUTES
            reporter.add([done("shop.web", 1, 9, 2)], {})
            assert reporter.flush() == 2, "one materialization per asset, of orders too"
            eventually(lambda: len(told(dagster.url, "assetMaterializations")) == 1)

            # What was checked since then stays checked while the service goes on landing rows.
            dagster.query(LAUNCH)
            eventually(lambda: status_of_check(dagster.url) == "SUCCEEDED")
            reporter.add([done("shop.web", 1, 12, 3)], {})
        # leaving the block tells the rest
        eventually(lambda: len(told(dagster.url, "assetObservations")) == 2)
        assert status_of_check(dagster.url) == "SUCCEEDED"
        last, first = told(dagster.url, "assetObservations")
        (sums,) = told(dagster.url, "assetMaterializations")
    assert {k: first[k] for k in ("rows", "duplicates", "dead_letters", "messages", "lag")} == {
        "rows": 20, "duplicates": 1, "dead_letters": 1, "messages": 22, "lag": 25
    }  # fmt: skip
    assert first["next_offsets"] == '{"0": 15, "1": 7}'
    assert last["rows"] == 3
    assert (sums["rows"], sums["messages"], sums["next_offsets"]) == (22, 24, '{"0": 15, "1": 9}')


def test_a_materialization_comes_shortly_before_the_full_ten_minutes_at_which_dagster_checks(monkeypatch):
    clock = Clock()
    reporter = DagsterReporter(load(ingest_report_seconds=3600), clock)
    kinds = []
    monkeypatch.setattr(reporter, "_post", lambda kind, asset, body: kinds.append((clock.now - START, kind)))
    for clock.now in range(START, START + 1_800, 30):
        reporter.add([done("shop.web", 0, 10, 8)], {})
        reporter.flush()
    ahead = [TEN_MINUTES - at % TEN_MINUTES for at, kind in kinds if kind == "materialization"]
    assert len(ahead) == 3 and all(0 < seconds <= 60 for seconds in ahead)
    assert f"*/{TEN_MINUTES // 60} * * * *" == CHECKS_AT


@pytest.mark.parametrize("kind", ["observation", "materialization"])
def test_what_could_not_be_told_is_told_with_the_next_report(monkeypatch, kind):
    clock = Clock()
    reporter = DagsterReporter(load(ingest_report_seconds=3600), clock)
    clock.now += TEN_MINUTES * (kind == "materialization")
    posted = []

    def away(*_):
        raise httpx.ConnectError("away")

    monkeypatch.setattr(reporter, "_post", away)
    reporter.add([done("shop.web", 0, 10, 8)], {})
    assert reporter.flush() == 0
    monkeypatch.setattr(reporter, "_post", lambda kind, asset, body: posted.append((kind, body["metadata"]["rows"])))
    reporter.add([done("shop.web", 0, 12, 2)], {})
    assert reporter.flush() == 1
    assert reporter.flush() == 0
    assert posted == [(kind, 10)]


def test_a_dagster_that_is_away_costs_seconds_at_most():
    reporter = DagsterReporter(load(dagster_url=f"http://127.0.0.1:{any_free()}", ingest_report_seconds=3600))
    reporter.add([done("shop.web", 0, 10, 8)], {})
    started = time.monotonic()
    assert reporter.flush() == 0
    assert time.monotonic() - started < 60
