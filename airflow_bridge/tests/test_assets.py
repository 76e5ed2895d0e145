from types import SimpleNamespace

import pytest
from airflow_bridge.assets import DagsterAssetEventsOperator, dagster_asset
from test_progress import FAILURE, check, made, planned

TAGS = {"airflow/dag_id": "shop", "airflow/run_id": "r1", "airflow/task_id": "launch"}


class OutletEvents:
    """A FAKE of Airflow's accessor: of the one outlet."""

    def __init__(self, alias, adder):
        self.alias, self.adder = alias, adder

    def __getitem__(self, outlet):
        assert outlet == self.alias
        return self.adder


@pytest.fixture
def emitted(dagster):
    events = []
    adder = SimpleNamespace(add=lambda asset, extra: events.append((asset.name, asset.uri, extra["dagster_run_id"])))

    def run(*assets, **reported):
        operator = DagsterAssetEventsOperator(
            task_id="e", assets=assets, location="shop_platform", launch_task_id="launch", besides="other"
        )
        ti = SimpleNamespace(dag_id="shop", run_id="r1", xcom_pull=lambda *, task_ids: reported.get(task_ids))
        operator.execute({"ti": ti, "outlet_events": OutletEvents(operator.alias, adder)})
        return events

    return run


def test_an_event_per_asset_that_was_made_over_repetitions_and_none_for_the_others(dagster, emitted):
    first = dagster.add_run(
        tags=TAGS, status="FAILURE", events=[*planned("marts/a", "marts/b", "marts/c"), *made("marts/a"), FAILURE]
    )
    again = dagster.add_run(
        tags=TAGS | {"dagster/root_run_id": first.run_id},
        status="FAILURE",
        events=[*planned("marts/b", "marts/c"), *made("marts/b"), FAILURE],
    )
    assert emitted("marts/a", "marts/b", "marts/c") == [
        ("marts.a", "x-dagster://shop_platform/marts/a", first.run_id),
        ("marts.b", "x-dagster://shop_platform/marts/b", again.run_id),
    ]


def test_an_asset_whose_checks_failed_is_not_reported(dagster, emitted):
    events = [*planned("marts/a"), *made("marts/a"), check("marts/a", "unique", success=False)]
    dagster.add_run(tags=TAGS, status="SUCCESS", events=events)
    assert emitted("marts/a") == []


def test_what_the_other_task_has_reported_of_the_same_run_is_left_out(dagster, emitted):
    run = dagster.add_run(
        tags=TAGS, status="SUCCESS", events=planned("marts/a", "marts/b") + made("marts/a", "marts/b")
    )
    seen = {"marts/a": run.run_id, "marts/b": "an earlier run"}
    assert emitted("marts/a", "marts/b", other=seen) == [("marts.b", "x-dagster://shop_platform/marts/b", run.run_id)]


def test_other_teams_name_an_asset_as_the_bridge_does():
    asset = dagster_asset("marts/kpi_daily", "shop_platform")
    assert (asset.name, asset.uri) == ("marts.kpi_daily", "x-dagster://shop_platform/marts/kpi_daily")
