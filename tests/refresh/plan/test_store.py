"""A plan is recorded once for each state of the project, kept as a file, and not trusted for another state."""

from __future__ import annotations

import threading

import pytest

from shop_platform.refresh.plan import fingerprint as fingerprints
from shop_platform.refresh.plan import store
from shop_platform.refresh.plan.statements import Plan, Statement
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-in for dbt: what is recorded here is a plan without models; returns the fingerprints it was asked for."""
    asked: list[str] = []

    def record(settings):
        asked.append(fingerprints.fingerprint(settings))
        return Plan(asked[-1], (Statement("select 1"),), ())

    monkeypatch.setattr(store, "record", record)
    return asked


def test_a_plan_is_recorded_once_and_read_afterwards(warehouse, tmp_path, recorded):
    first = store.plan_for(warehouse.settings, tmp_path)
    assert store.plan_for(warehouse.settings, tmp_path) == first
    assert len(recorded) == 1


def test_two_that_want_it_at_once_record_it_once(warehouse, tmp_path, recorded):
    threads = [threading.Thread(target=store.plan_for, args=(warehouse.settings, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(recorded) == 1


@pytest.mark.parametrize("content", ["", "{}", "not json", '{"fingerprint": "another", "begin": [], "models": []}'])
def test_a_file_that_is_no_plan_of_this_state_is_recorded_again(warehouse, tmp_path, recorded, content):
    store.plan_for(warehouse.settings, tmp_path)
    (path,) = tmp_path.glob("*.json")
    path.write_text(content)
    assert store.plan_for(warehouse.settings, tmp_path).fingerprint == recorded[0]
    assert len(recorded) == 2


def test_old_plans_are_forgotten(warehouse, tmp_path, recorded):
    zones = ["Europe/Berlin", "Europe/Paris", "UTC", "Asia/Kolkata", "Asia/Tokyo", "Pacific/Auckland", "Africa/Cairo"]
    for zone in zones:
        store.plan_for(warehouse.settings.model_copy(update={"shop_tz": zone}), tmp_path)
    assert len(set(recorded)) == len(zones) and len(list(tmp_path.glob("*.json"))) == 5


def test_a_file_of_the_project_or_a_column_of_a_source_makes_another_plan(fresh_warehouse, tmp_path, monkeypatch):
    settings = fresh_warehouse.settings
    before = fingerprints.fingerprint(settings)
    assert fingerprints.fingerprint(settings) == before

    with connect(settings, Role.ADMIN) as admin:
        admin.execute("alter table raw.orders add column more text")
    wider = fingerprints.fingerprint(settings)
    assert wider != before

    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    for name in ("dbt_project.yml", "profiles.yml", "models/one.sql"):
        (project / name).write_text("select 1")
    monkeypatch.setattr(fingerprints, "DBT_PROJECT_DIR", project)
    one = fingerprints.fingerprint(settings)
    (project / "models" / "one.sql").write_text("select 2")
    assert len({wider, one, fingerprints.fingerprint(settings)}) == 3
