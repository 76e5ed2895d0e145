import json

from airflow_bridge.outcome import RunEvents
from airflow_bridge.text import first_error_line
from dbt_output import DATABASE_AWAY, MODEL, TEST


def step_failure(step, *messages):
    error = {"message": "dagster wraps it", "causes": [{"message": text} for text in messages]}
    return {"__typename": "ExecutionStepFailureEvent", "stepKey": step, "error": error}


def asset(kind, step, *path):
    return {"__typename": kind, "stepKey": step, "assetKey": {"path": list(path)}}


def described(*events):
    collected = RunEvents()
    collected.add(events)
    return collected.describe_failure()


def test_the_first_failing_step_its_asset_and_the_authors_own_error_are_named():
    line = described(
        asset("AssetMaterializationPlannedEvent", "build", "marts", "fct_orders"),
        step_failure("build", "BrokenModelError: ambiguous\nline 7", "KeyError: deeper"),
        step_failure("later", "another"),
    )
    assert line == "step 'build', asset marts/fct_orders: BrokenModelError: ambiguous"


def test_assets_that_were_made_are_not_blamed():
    planned = [asset("AssetMaterializationPlannedEvent", "dbt", "marts", name) for name in "abcdef"]
    made = [asset("MaterializationEvent", "dbt", "marts", "a")]
    line = described(*planned, *made, step_failure("dbt", "x"))
    assert line == "step 'dbt', assets marts/b, marts/c, marts/d and 2 more: x"


def test_a_step_around_dbt_is_not_blamed_for_the_model_that_dbt_names():
    failed = {"label": "failed", "jsonString": json.dumps(["model kpi_daily: no such column"])}
    told = {"description": "model kpi_daily: no such column", "metadataEntries": [failed]}
    line = described(
        asset("AssetMaterializationPlannedEvent", "ops__reprocessed_days", "ops", "reprocessed_days"),
        step_failure("ops__reprocessed_days", "Failure") | {"failureMetadata": told},
    )
    assert line == "step 'ops__reprocessed_days': model kpi_daily: no such column"


def test_a_run_that_failed_before_any_step_gives_its_own_reason():
    assert described({"__typename": "RunFailureEvent", "message": "code server is away", "error": None}) == (
        "code server is away"
    )


def test_an_event_without_error_is_no_crash():
    assert described({"__typename": "ExecutionStepFailureEvent", "stepKey": "s", "error": None}) == (
        "step 's': no error was recorded"
    )
    assert described() == "no error was recorded"


def test_only_failed_checks_of_severity_error_count():
    def check(name, severity, success):
        detail = {"checkName": name, "severity": severity, "success": success, "description": "3 lost\nx"}
        return {
            "__typename": "AssetCheckEvaluationEvent",
            "evaluation": {**detail, "assetKey": {"path": ["ops", "i1"]}},
        }

    collected = RunEvents()
    collected.add([check("good", "ERROR", True), check("mild", "WARN", False), check("bad", "ERROR", False)])
    assert collected.failed_checks == ["ops/i1:bad (3 lost)"]


def test_a_failed_model_is_told_with_its_reason_and_without_control_codes():
    assert first_error_line(MODEL) == 'model fct_orders: column "customer_idd" does not exist'
    assert first_error_line(TEST) == (
        "test accepted_values_stg_orders_order_id__2: Got 1 result, configured to fail if != 0"
    )
    assert first_error_line(DATABASE_AWAY) == (
        'Database Error: connection to server at "127.0.0.1", port 41075 failed: FATAL:  '
        'password authentication failed for user "postgres"'
    )


def test_of_all_that_was_not_made_the_model_that_dbt_names_is_blamed():
    planned = [asset("AssetMaterializationPlannedEvent", "dbt", "marts", n) for n in ("fct_orders", "kpi_daily")]
    assert described(*planned, step_failure("dbt", MODEL)) == (
        "step 'dbt', asset marts/fct_orders: model fct_orders: column \"customer_idd\" does not exist"
    )


def test_the_words_of_a_failure_that_the_author_raised_come_first():
    failed = ["model fct_orders: column x does not exist", "test unique_fct_orders: Got 2 results"]
    failure = step_failure("dbt", MODEL) | {
        "failureMetadata": {
            "description": "model fct_orders: column x does not exist (and 1 more)",
            "metadataEntries": [{"label": "failed", "jsonString": json.dumps(failed)}, {"label": "log"}],
        }
    }
    planned = [asset("AssetMaterializationPlannedEvent", "dbt", "marts", n) for n in ("fct_orders", "kpi_daily")]
    collected = RunEvents()
    collected.add([*planned, failure])
    assert collected.describe_failure() == (
        "step 'dbt', asset marts/fct_orders: model fct_orders: column x does not exist (and 1 more)"
    )
    assert collected.reason_of("marts/fct_orders") == failed[0]
    assert collected.reason_of("marts/kpi_daily") is None


def test_a_long_line_is_cut():
    assert len(first_error_line("x" * 1000)) == 300
