"""The lineage is one piece: from every topic to a screen, and every promise is attached where it belongs."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import subprocess
import sys
from collections.abc import Iterable

import dagster as dg
import pytest

from shop_platform.events.registry import TOPICS
from shop_platform.orchestration import names
from shop_platform.orchestration.freshness import BY_SUBJECT, NIGHTLY
from tests.orchestration.graph import GOLDEN, describe

SCREENS = {"dashboard/overview", "dashboard/metrics", "grafana/pipeline", "grafana/business"}
# Days are built again when somebody asks for it.
ON_REQUEST = "ops/reprocessed_days"
# The calendar is made of no event.
WITHOUT_EVENTS = {"marts/dim_date", "marts/dim_exchange_rates"}


def edges(code_locations, direction):
    graph = code_locations.graph
    return {
        key.to_user_string(): {other.to_user_string() for other in getattr(graph.get(key), direction)}
        for key in graph.get_all_asset_keys()
    }


def reach(start: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo: Iterable[str] = [start]
    while todo:
        found |= set(todo)
        todo = {other for key in todo for other in edges[key]} - found
    return found


def test_the_graph_is_the_one_that_was_agreed(code_locations):
    """After a deliberate change: python -m tests.orchestration.update_golden, and review the diff."""
    assert describe(code_locations.by_name) == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_from_every_topic_a_screen_can_be_reached(code_locations):
    down = edges(code_locations, "child_keys")
    for topic in TOPICS:
        found = reach(f"kafka/{topic.subject}", down)
        assert f"raw/{topic.subject}" in found
        assert found & SCREENS, f"nothing shows what comes from {topic.name}"


def test_every_mart_comes_from_a_topic_and_every_screen_from_a_mart(code_locations):
    up = edges(code_locations, "parent_keys")
    marts = {key for key in up if key.startswith("marts/")}
    assert len(marts) >= 12
    for mart in marts - WITHOUT_EVENTS:
        assert any(key.startswith("kafka/") for key in reach(mart, up)), f"{mart} hangs in the air"
    for screen in SCREENS:
        assert up[screen] <= marts and up[screen]


def test_no_asset_is_a_stub_that_nobody_defined(code_locations):
    assert {code_locations.graph.get(key).group_name for key in code_locations.graph.get_all_asset_keys()} == {
        *("topics", "raw", "staging", "intermediate", "marts", "exposures", "operations")
    }


def test_every_asset_promises_a_freshness(code_locations):
    graph = code_locations.graph
    without = [key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is None]
    assert without == [ON_REQUEST]


def test_every_dbt_model_is_an_asset_and_every_dbt_test_a_check(code_locations):
    manifest = json.loads(code_locations.manifest_path.read_text(encoding="utf-8"))
    nodes = manifest["nodes"].values()
    models = {f"{node['fqn'][1]}/{node['name']}" for node in nodes if node["resource_type"] == "model"}
    tests = {node["name"] for node in nodes if node["resource_type"] == "test"}
    keys = {key.to_user_string() for key in code_locations.graph.get_all_asset_keys()}
    checks = {key.name for key in code_locations.graph.asset_check_keys}
    assert models <= keys
    assert tests and tests <= checks
    assert not {name.split(".")[-1] for name in manifest["unit_tests"]} & checks


@pytest.mark.parametrize("jobs", [["full_pipeline"], ["daily", "nightly"]])
def test_full_runs_cover_every_asset_and_check_of_the_warehouse(code_locations, jobs):
    repository = code_locations.by_name[names.LOCATION_WAREHOUSE].get_repository_def()
    graph = repository.asset_graph
    layers = [repository.get_job(job).asset_layer for job in jobs]
    executable = {key for key in graph.get_all_asset_keys() if graph.get(key).is_executable}
    executable -= {dg.AssetKey(ON_REQUEST.split("/"))}
    assert {key for layer in layers for key in layer.selected_asset_keys} == executable
    assert {key for layer in layers for key in layer.asset_graph.asset_check_keys} >= set(graph.asset_check_keys)


def test_the_jobs_of_ingestion_cover_every_raw_table_and_its_checks(code_locations):
    repository = code_locations.by_name[names.LOCATION_INGESTION].get_repository_def()
    graph = repository.asset_graph
    layers = [repository.get_job(job).asset_layer for job in names.JOBS_OF_INGESTION]
    assert {key for layer in layers for key in layer.selected_asset_keys} == {
        dg.AssetKey(names.raw_key(topic.subject)) for topic in TOPICS
    }
    assert {key for layer in layers for key in layer.asset_graph.asset_check_keys} == set(graph.asset_check_keys)


def test_no_asset_and_no_check_is_made_in_two_places(code_locations):
    made = [
        {key for key in graph.get_all_asset_keys() if graph.get(key).is_executable} | set(graph.asset_check_keys)
        for graph in (each.get_repository_def().asset_graph for each in code_locations.by_name.values())
    ]
    assert not made[0] & made[1]


def test_every_job_is_looked_for_where_it_is(code_locations):
    for location, definitions in code_locations.by_name.items():
        jobs = [job.name for job in definitions.get_repository_def().get_all_jobs() if not job.name.startswith("__")]
        assert jobs and {names.location_of(job) for job in jobs} == {location}


def test_ingestion_is_loaded_without_dbt_and_without_the_warehouse():
    """Or a project that does not parse, or a dbt that cannot be imported, would stop ingestion and alerts too."""
    program = (
        "import sys; from shop_platform.orchestration.ingestion_location import build;"
        "from shop_platform.settings import load; build(load()).get_repository_def();"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in {'dbt', 'dagster_dbt', 'sklearn'}"
        " or name.endswith('warehouse_location')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_what_waits_for_the_night_is_built_by_night_only_and_may_be_a_day_old(code_locations):
    jobs = {name: code_locations.repository.get_job(name).asset_layer for name in ("daily", "nightly")}
    nightly = set(jobs["nightly"].selected_asset_keys)
    assert {key.to_user_string() for key in nightly} == {"marts/basket_affinity", "marts/cohort_retention"}
    assert not nightly & set(jobs["daily"].selected_asset_keys)
    for key in nightly:
        assert code_locations.graph.get(key).freshness_policy == NIGHTLY.policy()
        assert not code_locations.graph.get(key).child_keys, "no other model may wait for the night"


def test_a_day_that_is_built_again_is_a_partition_and_many_are_one_run(code_locations):
    asset = code_locations.repository.assets_defs_by_key[dg.AssetKey(ON_REQUEST.split("/"))]
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    days = asset.partitions_def
    assert days.timezone == code_locations.settings.shop_tz
    now = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
    with dg.instance_for_test() as instance:
        keys = days.get_partition_keys(current_time=now, dynamic_partitions_store=instance)
    assert (keys[0], keys[-1]) == (names.FIRST_DAY, "2026-11-24"), "today by the shop's clock is included"


def test_service_levels_exist_for_every_subject_and_warn_before_they_fail():
    assert set(BY_SUBJECT) == {topic.subject for topic in TOPICS}
    for level in BY_SUBJECT.values():
        assert level.warn < level.fail and level.event_age and level.reason


@pytest.mark.parametrize(("location", "module"), names.MODULES.items())
def test_dagster_finds_the_definitions_under_the_agreed_module(location, module):
    assert importlib.import_module(module).defs.load_fn.__module__ == module
    assert module.endswith(f".{location}_location")
