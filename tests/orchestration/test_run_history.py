"""Every run and every check ends up in ``ops``, once, with where and why it failed."""

from __future__ import annotations

import dagster as dg
import pytest

from shop_platform.orchestration import names
from shop_platform.orchestration.defs.operations.run_status import record_run_status
from shop_platform.orchestration.text import JUDGED_AT
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect


@dg.asset(
    check_specs=[
        dg.AssetCheckSpec("small", asset="thing"),
        dg.AssetCheckSpec("blue", asset="thing"),
        dg.AssetCheckSpec("told_again", asset="thing"),
    ]
)
def thing():
    yield dg.Output(None, metadata={"dagster/row_count": 3, "Execution Duration": 0.25})
    yield dg.AssetCheckResult(check_name="small", passed=True)
    yield dg.AssetCheckResult(check_name="told_again", passed=False, metadata={JUDGED_AT: 1.0})
    yield dg.AssetCheckResult(
        check_name="blue", passed=False, severity=dg.AssetCheckSeverity.WARN, description="it is red"
    )


@dg.op
def breaks():
    raise ValueError("the first line\nthe second line")


@dg.op
def explains():
    raise dg.Failure("model fct_orders: no such column\nand more")


@dg.job
def breaking():
    breaks()


@dg.job
def explaining():
    explains()


materialize = dg.Definitions(assets=[thing], jobs=[dg.define_asset_job("things", [thing])])


@pytest.fixture
def record(fresh_warehouse):
    """Evaluate the sensor on an instance of the test's own; returns its cursor."""
    with dg.DagsterInstance.ephemeral() as instance:

        def call(cursor=None):
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            return record_run_status(context, settings=fresh_warehouse.settings).cursor

        call.instance = instance
        yield call


def rows(warehouse, query):
    with connect(warehouse.settings, Role.ORCHESTRATOR) as connection:
        return connection.execute(query).fetchall()


def test_a_success_is_recorded_with_its_duration_trigger_and_checks(fresh_warehouse, record):
    job = materialize.resolve_job_def("things")
    job.execute_in_process(instance=record.instance, tags={names.TAG_TRIGGER: "airflow:shop_pipeline"})
    record()
    assert rows(
        fresh_warehouse,
        "select job, status, trigger, duration_seconds between 0 and 300, failed_step, error from ops.pipeline_runs",
    ) == [("things", "success", "airflow:shop_pipeline", True, None, None)]
    assert rows(
        fresh_warehouse,
        "select asset, check_name, passed, severity, description from ops.check_results order by check_name",
    ) == [("thing", "blue", False, "warn", "it is red"), ("thing", "small", True, "error", None)]


def test_what_a_run_built_is_recorded_with_seconds_and_rows(fresh_warehouse, record):
    run = materialize.resolve_job_def("things").execute_in_process(instance=record.instance)
    record()
    assert rows(
        fresh_warehouse,
        "select asset, source, builds, seconds, row_count, materialized_at > now() - interval '1 minute'"
        " from ops.asset_materializations",
    ) == [("thing", f"run:{run.run_id}", 1, 0.25, 3, True)]


def test_a_failed_run_names_the_assets_it_did_not_build_when_none_is_known_to_be_the_culprit(fresh_warehouse, record):
    @dg.asset
    def broken():
        raise ValueError("no")

    @dg.asset(deps=[broken])
    def behind():
        return None

    dg.materialize([broken, behind], instance=record.instance, raise_on_error=False)
    record()
    assert rows(fresh_warehouse, "select failed_assets from ops.pipeline_runs") == [(["behind", "broken"],)]


def test_the_models_that_a_failed_run_names_are_recorded_with_their_reasons_and_not_those_behind(
    fresh_warehouse, record
):
    @dg.asset(key_prefix="marts")
    def orders():
        lines = ["model orders: no such column: 12", "test unique_orders: 2 rows"]
        raise dg.Failure("model orders: no such column (and 1 more)", metadata={"failed": lines})

    @dg.asset(deps=[orders])
    def behind():
        return None

    dg.materialize([orders, behind], instance=record.instance, raise_on_error=False)
    record()
    record()
    assert rows(
        fresh_warehouse,
        "select asset, reason, failed_at = ended_at, failed_assets from ops.asset_failures"
        " join ops.pipeline_runs using (run_id)",
    ) == [("marts/orders", "no such column: 12", True, ["marts/orders"])]


@pytest.mark.parametrize(
    ("job", "step", "error"),
    [(breaking, "breaks", "ValueError: the first line"), (explaining, "explains", "model fct_orders: no such column")],
)
def test_a_failure_names_its_step_and_the_first_line_of_its_error(fresh_warehouse, record, job, step, error):
    job.execute_in_process(instance=record.instance, raise_on_error=False)
    record()
    assert rows(fresh_warehouse, "select status, failed_step, error from ops.pipeline_runs") == [
        ("failure", step, error)
    ]


def test_a_run_is_followed_from_start_to_end(fresh_warehouse, record):
    run = record.instance.create_run_for_job(breaking, status=dg.DagsterRunStatus.NOT_STARTED)
    cursor = record()
    assert rows(fresh_warehouse, "select count(*) from ops.pipeline_runs") == [(0,)], "a waiting run is no history"
    record.instance.handle_new_event(_event(run, dg.DagsterEventType.RUN_START))
    cursor = record(cursor)
    assert rows(fresh_warehouse, "select status, ended_at from ops.pipeline_runs") == [("started", None)]
    record.instance.report_run_canceled(run)
    cursor = record(cursor)
    assert rows(fresh_warehouse, "select status, ended_at is null from ops.pipeline_runs") == [("canceled", False)]


def test_starting_over_records_nothing_twice(fresh_warehouse, record):
    for _ in range(3):
        materialize.resolve_job_def("things").execute_in_process(instance=record.instance)
    record(record())
    record(None)
    with connect(fresh_warehouse.settings, Role.ADMIN) as connection:
        connection.execute("update ops.pipeline_runs set status = 'started'")
    record(None)
    assert rows(fresh_warehouse, "select status, count(*) from ops.pipeline_runs group by 1") == [("success", 3)]
    assert rows(fresh_warehouse, "select count(*) from ops.check_results") == [(6,)]
    assert rows(fresh_warehouse, "select count(*) from ops.asset_materializations") == [(3,)]


def test_a_run_whose_process_never_came_up_is_a_failure_with_a_reason(fresh_warehouse, record):
    run = record.instance.create_run_for_job(breaking)
    record.instance.report_run_failed(run, "the worker could not be started")
    record()
    assert rows(fresh_warehouse, "select status, failed_step, error, started_at is null from ops.pipeline_runs") == [
        ("failure", None, "the worker could not be started", False)
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"dagster/sensor_name": "ingest_on_lag"}, "sensor:ingest_on_lag"),
        ({"dagster/schedule_name": "daily_at_five"}, "schedule:daily_at_five"),
        ({}, "manual"),
    ],
)
def test_the_trigger_is_named(fresh_warehouse, record, tags, expected):
    breaking.execute_in_process(instance=record.instance, raise_on_error=False, tags=tags)
    record()
    assert rows(fresh_warehouse, "select trigger from ops.pipeline_runs") == [(expected,)]


def _event(run, kind):
    event = dg.DagsterEvent(event_type_value=kind.value, job_name=run.job_name, message="")
    return dg.EventLogEntry(
        error_info=None,
        level="debug",
        user_message="",
        run_id=run.run_id,
        timestamp=0.0,
        job_name=run.job_name,
        dagster_event=event,
    )
