import pytest
from airflow_bridge.graphql import Run
from airflow_bridge.launch import RETRIES_LEFT_TAG
from airflow_bridge.progress import FAILED, SUCCESS, Board

KPI = "marts/kpi"


def key(asset):
    return {"path": asset.split("/")}


def planned(*assets):
    return [
        {"__typename": "AssetMaterializationPlannedEvent", "stepKey": "dbt", "assetKey": key(asset)} for asset in assets
    ]


def made(*assets):
    return [{"__typename": "MaterializationEvent", "stepKey": "dbt", "assetKey": key(asset)} for asset in assets]


def check_planned(asset, name):
    return {"__typename": "AssetCheckEvaluationPlannedEvent", "checkedKey": key(asset), "checkName": name}


def check(asset, name, *, success, severity="ERROR"):
    evaluation = {
        "checkName": name,
        "success": success,
        "severity": severity,
        "description": "",
        "assetKey": key(asset),
    }
    return {"__typename": "AssetCheckEvaluationEvent", "evaluation": evaluation}


FAILURE = {
    "__typename": "ExecutionStepFailureEvent",
    "stepKey": "dbt",
    "error": {"message": "column is ambiguous", "causes": []},
}


def run(run_id, status, root=None, left=0):
    tags = {RETRIES_LEFT_TAG: str(left)} | ({"dagster/root_run_id": root} if root else {})
    return Run(run_id, status, tags)


def board(*told):
    """A board of (run, events), newest first."""
    made_board = Board()
    wanted = {progress.run.run_id: progress for progress in made_board.set_runs([each for each, _ in told])}
    for each, events in told:
        if each.run_id in wanted:
            progress = wanted[each.run_id]
            progress.add(events)
            progress.end_of_log()
    return made_board


def status(made_board, asset=KPI):
    verdict = made_board.verdict(asset)
    return verdict and verdict.status


def test_nothing_is_known_before_the_run_is_there_and_its_log_read():
    empty = Board()
    assert empty.verdict(KPI) is None
    empty.set_runs([run("1", "STARTED")])
    assert empty.verdict(KPI) is None


def test_an_asset_is_green_while_the_run_goes_on():
    assert status(board((run("1", "STARTED"), planned(KPI, "marts/x") + made(KPI)))) == SUCCESS


def test_a_repetition_whose_plan_is_still_being_written_does_not_count_as_one_without_the_asset():
    failed = (run("1", "FAILURE", left=1), [*planned(KPI), FAILURE])
    assert status(board((run("2", "NOT_STARTED", root="1"), []), failed)) is None
    assert status(board((run("2", "QUEUED", root="1"), planned(KPI)), failed)) is None
    assert status(board((run("2", "QUEUED", root="1"), planned("marts/x")), failed)) == FAILED


def test_an_asset_waits_for_its_own_checks():
    events = [*planned(KPI), check_planned(KPI, "unique"), *made(KPI)]
    assert status(board((run("1", "STARTED"), events))) is None
    assert status(board((run("1", "STARTED"), [*events, check(KPI, "unique", success=True)]))) == SUCCESS


@pytest.mark.parametrize(("severity", "expected"), [("ERROR", FAILED), ("WARN", SUCCESS)])
def test_a_failed_check_of_severity_error_makes_the_asset_red_in_a_run_that_succeeds(severity, expected):
    events = [*planned(KPI), check_planned(KPI, "unique"), *made(KPI)]
    told = [*events, check(KPI, "unique", success=False, severity=severity)]
    assert status(board((run("1", "SUCCESS"), told))) == expected


def test_a_broken_asset_is_red_and_tells_the_error_and_what_was_made_stays_green():
    told = board((run("1", "FAILURE"), [*planned(KPI, "marts/x"), *made("marts/x"), FAILURE]))
    assert status(told, "marts/x") == SUCCESS
    assert status(told) == FAILED
    assert "column is ambiguous" in told.verdict(KPI).message


def test_a_failure_is_open_while_airflow_will_run_it_again():
    failed = [*planned(KPI, "marts/x"), *made("marts/x"), FAILURE]
    assert status(board((run("1", "FAILURE", left=1), failed))) is None
    again = run("2", "STARTED", root="1", left=0)
    assert status(board((again, planned(KPI)), (run("1", "FAILURE", left=1), failed))) is None
    both = board((again, planned(KPI) + made(KPI)), (run("1", "FAILURE", left=1), failed))
    assert (both.verdict(KPI).run_id, both.verdict("marts/x").run_id) == ("2", "1")


def test_a_failure_that_no_repetition_takes_up_is_final():
    failed = [*planned(KPI, "marts/x"), FAILURE]
    again = run("2", "STARTED", root="1")
    assert status(board((again, planned("marts/x")), (run("1", "FAILURE", left=1), failed))) == FAILED


def test_a_cancelled_run_is_never_waited_for():
    assert status(board((run("1", "CANCELED", left=2), planned(KPI)))) == FAILED


def test_runs_from_before_a_clear_do_not_count():
    old = (run("1", "SUCCESS"), planned(KPI) + made(KPI))
    assert status(board((run("2", "STARTED"), planned(KPI)), old)) is None


def test_an_asset_that_no_run_has_planned_says_that_the_graph_is_out_of_date():
    told = board((run("1", "SUCCESS"), planned("marts/x") + made("marts/x")))
    assert status(told) == FAILED
    assert "graph is out of date" in told.verdict(KPI).message
    assert status(board((run("1", "STARTED"), planned("marts/x")))) is None
