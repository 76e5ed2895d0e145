"""``dbt build`` inside Dagster: readable failures, nobody builds beside it, no dbt without its Dagster."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import dagster as dg
import psutil
import pytest

from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations.dbt import DBT_PROJECT_DIR, dbt_environment
from shop_platform.orchestration import warehouse_location
from shop_platform.orchestration.dbt_build import exported, failures, new_run_folder
from shop_platform.orchestration.defs.transformation.assets import load_manifest, nightly_keys
from shop_platform.orchestration.manifest import ensure_manifest, target_dir
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import TRANSFORM_LOCK
from tests.orchestration.graph import build_all, whole
from tests.orchestration.shop_day import shop_day
from tests.support.events import LedgerProducer
from tests.support.locks import end_the_builder_s_session
from tests.support.waiting import eventually

# Enough where the subject is the run and not what it builds.
STAGED = dg.AssetKey(["staging", "stg_orders_placed"])


def run(settings, job, *, instance=None, **arguments):
    with nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as using:
        repository = warehouse_location.build(settings).get_repository_def()
        return repository.get_job(job).execute_in_process(instance=using, raise_on_error=False, **arguments)


@pytest.fixture
def instance():
    """A Dagster that remembers one run in the next."""
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def test_runs_bring_two_days_to_the_marts_judge_everything_and_leave_to_the_night_what_waits_for_it(shop, instance):
    """A first day by `full_pipeline`, a second as the sensor has it built, the metadata of `daily`, then the night.

    The orders of the second day are in the facts and not in the cohorts: a check by day would call that wrong.
    """
    LedgerProducer(shop.settings).send(shop_day(1))
    before = dict(os.environ)
    result = run(shop.settings, "full_pipeline", instance=instance)
    assert result.success
    assert os.environ == before, "the run must leave its process as it found it"
    built = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
    assert built >= {"raw/all_topics", "raw/orders", "staging/stg_orders_placed", "marts/fct_orders", "marts/kpi_daily"}
    assert lineage_of(result) == documented(shop.settings), "whoever builds first shows what each column is made of"
    assert built >= {"dashboard/overview", "grafana/business", "grafana/pipeline", "ops/ingest_batches"}
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(whole(build_all(shop.settings)).asset_graph.asset_check_keys)
    # Nothing came back today, and that is no error.
    assert {e.check_name for e in evaluations if not e.passed} <= {"newest_event_is_recent"}
    with connect(shop.settings, Role.DASHBOARD) as connection:
        orders = connection.execute("select order_id, gross_amount, net_amount from marts.fct_orders").fetchall()
    assert [(order, str(gross), str(net)) for order, gross, net in orders] == [("ord_1", "20.00", "19.00")]

    LedgerProducer(shop.settings).send(shop_day(2))
    ingest_until_end(shop.settings)
    key = dg.AssetKey(["marts", "kpi_daily"])
    alone = run(shop.settings, "transform", instance=instance, asset_selection=[key])
    assert alone.success, "it is right, and what it would be compared with is a day older"
    told = {evaluation.check_name: evaluation for evaluation in alone.get_asset_check_evaluations()}
    assert all(evaluation.passed for evaluation in told.values())
    of_it = {check.name for check in whole(build_all(shop.settings)).asset_graph.asset_check_keys if check[0] == key}
    assert set(told) == of_it, "what this run cannot judge it tells again, or Dagster would show it as skipped"
    assert any("(Judged " in (each.description or "") for each in told.values())
    staging = sorted(key for key in built_models(result) if key.path[0] == "staging")
    layer = run(shop.settings, "transform", instance=instance, asset_selection=staging)
    assert layer.success and built_models(layer) == set(staging)
    assert all(each.passed for each in layer.get_asset_check_evaluations())
    nightly = nightly_keys(load_manifest(ensure_manifest(shop.settings)))
    by_day = run(shop.settings, "transform", asset_selection=sorted(built_models(result) - set(nightly)))
    assert by_day.success
    assert customers_in_cohorts(shop.settings) == 1

    by_night = run(shop.settings, "nightly")
    assert by_night.success
    assert customers_in_cohorts(shop.settings) == 2
    built = {event.asset_key.to_user_string() for event in by_night.get_asset_materialization_events()}
    assert built == {"marts/basket_affinity", "marts/cohort_retention"}
    assert "cohort_retention_adds_up_to_the_orders_that_count" in {
        evaluation.check_name for evaluation in by_night.get_asset_check_evaluations()
    }

    described = [dg.AssetKey(["marts", "fct_orders"]), dg.AssetKey(["marts", "kpi_daily"])]
    daily = run(shop.settings, "daily", asset_selection=described)
    assert daily.success
    metadata = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in daily.get_asset_materialization_events()
    }
    assert metadata["marts/fct_orders"]["dagster/row_count"].value == 2
    lineage = metadata["marts/kpi_daily"]["dagster/column_lineage"].value.deps_by_column
    (source,) = lineage["total_amount"]
    assert (source.asset_key.to_user_string(), source.column_name) == ("marts/fct_orders", "total_amount")


def test_a_failed_model_is_named_with_its_reason(shop):
    with connect(shop.settings, Role.ADMIN) as connection:
        connection.execute("revoke select on raw.orders from shop_transform")
    result = run(shop.settings, "transform", asset_selection=[STAGED, dg.AssetKey(["marts", "fct_orders"])])
    assert not result.success
    failure = result.failure_data_for_node("dbt_build")
    description = failure.user_failure_data.description
    assert re.match(r"(model|test) \w+: permission denied for table orders \(and \d+ more\)$", description)
    assert "--exclude-resource-type" not in description, "nobody wants dbt's command line for a reason"
    unknown = {each.check_name: each.description for each in result.get_asset_check_evaluations() if not each.passed}
    assert unknown["unique_stg_orders_placed_event_id"] == (
        "No two rows of stg_orders_placed have the same event_id."
        " Whether it holds is not known: permission denied for table orders."
    )


def test_every_failed_node_is_named_with_what_the_database_said():
    results = [
        {"unique_id": "model.shop.good", "status": "success", "message": "SELECT 1"},
        {"unique_id": "test.shop.unique_x.abc", "status": "fail", "message": "Got 3 results,\n configured to fail"},
        {
            "unique_id": "model.shop.bad",
            "status": "error",
            "message": "Database Error in model bad (models/marts/bad.sql)\n  no such column\n  compiled code at x.sql",
        },
        {"unique_id": "model.shop.odd", "status": "error", "message": None},
    ]
    assert failures({"results": results}) == [
        "model bad: no such column",
        "model odd: no message",
        "test unique_x: Got 3 results, configured to fail",
    ]
    assert "test unique_x: o1 twice" in failures({"results": results}, {"test.shop.unique_x.abc": "o1 twice"})


def test_a_build_waits_while_another_process_builds(shop):
    LedgerProducer(shop.settings).send(shop_day())
    ingest_until_end(shop.settings)
    program = (
        "import sys; from shop_platform.settings import load\n"
        "from tests.orchestration.test_dbt_build import STAGED, run\n"
        "sys.exit(0 if run(load(), 'transform', asset_selection=[STAGED]).success else 1)\n"
    )
    environment = os.environ | shop.settings.process_environment()
    with connect(shop.settings, Role.TRANSFORM, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", [TRANSFORM_LOCK])
        waiting = subprocess.Popen([sys.executable, "-c", program], env=environment)
        try:
            eventually(lambda: _lock_is_wanted(shop.settings))
            assert other.execute("select count(*) from ops.transform_runs").fetchone() == (0,)
            other.execute("select pg_advisory_unlock(%s)", [TRANSFORM_LOCK])
            assert waiting.wait() == 0
        finally:
            waiting.kill()
            waiting.wait()
    assert other.closed


def test_a_build_whose_lock_went_with_the_server_ends_and_is_started_again(shop):
    """dbt connects anew for each model and would build on beside whoever got the lock next."""
    LedgerProducer(shop.settings).send(shop_day())
    ingest_until_end(shop.settings)
    with ThreadPoolExecutor(1) as pool, connect(shop.settings, Role.ADMIN) as blocker:
        blocker.execute("lock table ops.transform_runs in exclusive mode")  # dbt begins by writing there
        building = pool.submit(run, shop.settings, "transform", asset_selection=[STAGED])
        eventually(lambda: somebody_waits_for(shop.settings, "ops.transform_runs"))
        (dbt,) = (each for each in psutil.Process().children(recursive=True) if is_dbt(each))
        end_the_builder_s_session(shop.settings)
        eventually(lambda: not dbt.is_running() or dbt.status() == psutil.STATUS_ZOMBIE)
        blocker.rollback()
        result = building.result()
    assert result.success
    assert [event.event_type_value for event in result.all_events].count("STEP_UP_FOR_RETRY") == 1


def is_dbt(process):
    return "shop_platform.orchestration.dbt_command" in process.cmdline()


def somebody_waits_for(settings, relation):
    with connect(settings, Role.ADMIN, autocommit=True) as admin:
        waiting = "select 1 from pg_locks where relation = %s::regclass and not granted"
        return admin.execute(waiting, [relation]).fetchall()


def test_dbt_ends_when_the_process_that_started_it_is_killed(fresh_warehouse):
    """A dbt that outlives its Dagster run would go on writing without the lock."""
    settings = fresh_warehouse.settings
    target = target_dir(settings)
    command = [sys.executable, "-m", "shop_platform.orchestration.dbt_command", "build"]
    parent = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *command],
        cwd=DBT_PROJECT_DIR,
        env=dbt_environment(settings, target_path=target),
        stdout=subprocess.DEVNULL,
    )
    try:
        with connect(settings, Role.ADMIN) as admin:
            admin.execute("lock table ops.transform_runs in access exclusive mode")
            eventually(lambda: _dbt_waits(settings))
            (dbt,) = psutil.Process(parent.pid).children()
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            eventually(lambda: not dbt.is_running() or dbt.status() == psutil.STATUS_ZOMBIE)
    finally:
        parent.kill()
        parent.wait()


def test_old_artifacts_are_removed_and_the_newest_kept(tmp_path, code_locations):
    settings = code_locations.settings.model_copy(update={"data_dir": tmp_path})
    for number in range(30):
        folder = new_run_folder(settings, f"run-{number:02}")
        folder.mkdir()
        os.utime(folder, (number, number))
    kept = sorted(path.name for path in folder.parent.iterdir())
    assert kept == [f"run-{number:02}" for number in range(10, 30)]


def test_the_environment_is_put_back(code_locations):
    before = dict(os.environ)
    with exported(code_locations.settings):
        assert os.environ["SHOP_PG_DATABASE"] == code_locations.settings.pg_database
    assert os.environ == before


def built_models(result):
    """The keys of the models that a run has built."""
    keys = {event.asset_key for event in result.get_asset_materialization_events()}
    return {key for key in keys if key.path[0] in {"staging", "intermediate", "marts"}}


def lineage_of(result):
    """By model, the columns of which a run has told what they are made of."""
    told = {event.asset_key: event.materialization.metadata for event in result.get_asset_materialization_events()}
    return {
        key.path[-1]: set(metadata["dagster/column_lineage"].value.deps_by_column)
        for key, metadata in told.items()
        if "dagster/column_lineage" in metadata
    }


def documented(settings):
    """The columns of every model, as the project describes them."""
    nodes = load_manifest(ensure_manifest(settings))["nodes"].values()
    return {node["name"]: set(node["columns"]) for node in nodes if node["resource_type"] == "model"}


def customers_in_cohorts(settings):
    with connect(settings, Role.DASHBOARD) as connection:
        row = connection.execute(
            "select coalesce(sum(cohort_size), 0) from marts.cohort_retention where month_number = 0"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _lock_is_wanted(settings):
    return _exists(settings, "strpos(query, 'pg_try_advisory_lock') > 0 and usename = 'shop_transform'")


def _dbt_waits(settings):
    return _exists(settings, "wait_event_type = 'Lock' and usename = 'shop_transform'")


def _exists(settings, condition):
    with connect(settings, Role.ADMIN, database="postgres") as admin:
        query = f"select 1 from pg_stat_activity where datname = %s and pid <> pg_backend_pid() and {condition}"
        return admin.execute(query, [settings.pg_database]).fetchone() is not None
