"""An import ends with every mart built, or says what comes when; and by whose midnight its days begin."""

from __future__ import annotations

import httpx
import pytest
import yaml

from shop_platform.errors import ShopError
from shop_platform.importing.run import ImportOptions, run_import
from shop_platform.orchestration import after_import, names
from shop_platform.orchestration.launch import RunOutcome
from shop_platform.settings import PROJECT_ROOT, load
from tests.importing.files import SHOPIFY


def test_the_report_names_the_zone_by_which_days_are_counted(tmp_path):
    """An order of 2 February, 20:00 in California, is one of 3 February in Berlin."""
    settings = load(data_dir=tmp_path, shop_tz="America/Los_Angeles")
    report = run_import(settings, ImportOptions(*SHOPIFY, dry_run=True))
    assert "Business days begin at midnight of America/Los_Angeles (SHOP_SHOP_TZ)." in list(report.lines(20))
    assert report.as_dict()["shop_tz"] == "America/Los_Angeles"


@pytest.fixture
def dagster(monkeypatch):
    """A Dagster that starts what it is asked for; the last word about it is ``outcome``."""
    launched = []
    monkeypatch.setattr(after_import.httpx, "get", lambda *_, **__: None)
    monkeypatch.setattr(after_import, "launch_job", lambda _settings, job, tags: launched.append(job) or "r1")

    def ends(outcome):
        monkeypatch.setattr(after_import, "wait_for_run", lambda *_, **__: outcome)
        return launched

    return ends


def test_an_import_ends_with_the_job_that_builds_every_mart(dagster):
    launched = dagster(RunOutcome("r1", "SUCCESS"))
    settings = load(dagster_url="http://dagster.test")
    built = after_import.build_everything(settings)
    assert launched == [names.JOB_FULL_PIPELINE] and built["status"] == "success"
    assert after_import.sentence(built, "UTC") == "Every mart is built: http://dagster.test/runs/r1"


def test_what_could_not_be_built_is_told_with_the_hour_at_which_it_will_be(dagster, monkeypatch):
    dagster(RunOutcome("r1", "FAILURE", error="a test of the data fails"))
    settings = load(dagster_url="http://dagster.test")
    told = after_import.sentence(after_import.build_everything(settings), "Asia/Tokyo")
    assert "ended as failure: a test of the data fails. http://dagster.test/runs/r1" in told
    hour = (
        "cohort_retention and basket_affinity, which are built once a night, half an hour after midnight of Asia/Tokyo"
    )
    assert hour in told

    def away(*_, **__):
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(after_import.httpx, "get", away)
    told = after_import.sentence(after_import.build_everything(settings), "Asia/Tokyo")
    assert told.startswith("Dagster at http://dagster.test started no run: refused. The marts follow") and hour in told
    assert hour in after_import.sentence(None, "Asia/Tokyo"), "--no-build"
    monkeypatch.setattr(after_import, "launch_job", lambda *_, **__: (_ for _ in ()).throw(ShopError("never asked")))
    assert "No stack is known here" in after_import.build_everything(load())["reason"]


def test_the_marts_that_wait_for_the_night_are_the_ones_that_are_named():
    marts = PROJECT_ROOT / "dbt_project" / "models" / "marts"
    nightly = {path.stem for path in marts.rglob("*.sql") if "tags=['nightly']" in path.read_text()}
    assert nightly and all(name in after_import.sentence(None, "UTC") for name in nightly)


def test_the_documentation_tells_the_range_of_days_that_there_is():
    days = yaml.safe_load((PROJECT_ROOT / "dbt_project" / "dbt_project.yml").read_text())["vars"]
    told = (PROJECT_ROOT / "docs" / "import.md").read_text()
    assert f"`dim_date` covers {days['first_day']} to {days['last_day']}" in told
    assert f"`shop backfill` takes days from {names.FIRST_DAY} on" in told
