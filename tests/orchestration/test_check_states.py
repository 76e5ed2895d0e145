"""A check that a broken-off run has left without a result gets one with the next good build, whoever that is."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from shop_platform.orchestration.check_states import PEACE_SECONDS, last_result, owed
from shop_platform.orchestration.text import JUDGED_AT

CHECK = dg.AssetCheckKey(dg.AssetKey(["marts", "one"]), "adds_up")
LATER = PEACE_SECONDS + 60
judged = {"passed": True}


@dg.asset(key=["marts", "one"], check_specs=[dg.AssetCheckSpec("adds_up", asset=["marts", "one"])])
def one():
    yield dg.Output(None)
    if judged["passed"] is None:
        raise dg.Failure("broken off")
    yield dg.AssetCheckResult(
        passed=judged["passed"], severity=dg.AssetCheckSeverity.WARN, description="Days add up.", metadata={"n": 1}
    )


JOB = dg.Definitions(assets=[one], jobs=[dg.define_asset_job("build", [one])]).resolve_job_def("build")


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def run(instance, passed):
    judged["passed"] = passed
    JOB.execute_in_process(instance=instance, raise_on_error=False)


def cancel(instance):
    instance.report_run_canceled(instance.create_run_for_job(JOB))


def owes(instance, later=LATER):
    return owed(instance, [CHECK], time.time() + later) == {CHECK.asset_key}


@pytest.mark.parametrize("break_off", [cancel, lambda instance: run(instance, None)], ids=["cancelled", "failed"])
def test_a_run_that_broke_off_owes_its_checks_a_result_until_they_are_judged(instance, break_off):
    assert not owes(instance)
    run(instance, True)
    assert not owes(instance)
    break_off(instance)
    assert owes(instance)
    assert not owes(instance, later=0), "who cancelled it has a moment of peace"
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=CHECK.asset_key, check_name=CHECK.name, passed=True)
    )
    assert not owes(instance), "the refresher has judged it"
    break_off(instance)
    run(instance, False)
    assert not owes(instance), "a result is a result"


def test_a_run_that_is_under_way_owes_nothing_yet(instance):
    instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    assert not owes(instance)


def test_the_last_result_is_told_again_with_its_time_however_often(instance):
    assert last_result(instance, CHECK) is None
    cancel(instance)
    assert last_result(instance, CHECK) is None, "it was never judged"
    run(instance, False)
    cancel(instance)
    first = last_result(instance, CHECK)
    assert (first.passed, first.severity, first.metadata["n"].value) == (False, dg.AssetCheckSeverity.WARN, 1)
    assert first.description.startswith("Days add up. (Judged 20") and first.description.count("(Judged") == 1
    instance.report_runless_asset_event(first)
    second = last_result(instance, CHECK)
    assert second.description == first.description
    assert second.metadata[JUDGED_AT] == first.metadata[JUDGED_AT]
