from airflow_bridge.outcome import RunEvents, first_error_line


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


def test_dbts_own_words_are_found_behind_the_command_line():
    message = (
        "The dbt CLI process with command\n\n`dbt build`\n\nfailed with exit code `1`."
        "\n\nErrors parsed from dbt logs:\n\nDatabase Error in model fct_orders (models/fct_orders.sql)\n"
        "  column x does not exist\n  LINE 3"
    )
    assert first_error_line(message) == (
        "Database Error in model fct_orders (models/fct_orders.sql) | column x does not exist"
    )


def test_a_long_line_is_cut():
    assert len(first_error_line("x" * 1000)) == 300
