"""The run that ingests: outages are waited out, a person's cancellation is not, a halted topic is told."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from shop_platform.errors import ShopError
from shop_platform.ingest.until_end import read_until_end
from shop_platform.orchestration import ingestion_location, names
from shop_platform.orchestration.defs.ingestion import assets
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from tests.support.events import LedgerProducer, page_view, refund


def ingest(shop):
    with dg.DagsterInstance.ephemeral() as instance:
        repository = ingestion_location.build(shop.settings).get_repository_def()
        return repository.get_job("ingest").execute_in_process(instance=instance, raise_on_error=False)


def events(result, kind):
    return [event for event in result.all_events if event.event_type_value == kind]


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(assets, "_FIRST_DELAY_SECONDS", 0)


@pytest.mark.parametrize(("outages", "success"), [(2, True), (3, False)])
def test_an_outage_is_tried_again_twice(shop, monkeypatch, at_once, outages, success):
    calls = []

    def read(settings, **how):
        calls.append(how)
        if len(calls) <= outages:
            raise ShopError("Kafka is away")
        return read_until_end(settings, **how)

    monkeypatch.setattr(assets, "read_until_end", read)
    result = ingest(shop)
    assert result.success == success
    assert len(events(result, "STEP_UP_FOR_RETRY")) == 2
    if not success:
        (failure,) = events(result, "STEP_FAILURE")
        assert "Kafka is away" in str(failure.step_failure_data.error), "the reason is the outage, not the retries"


def test_a_run_that_a_person_cancelled_is_not_tried_again(shop, monkeypatch, at_once):
    def read(settings, **how):
        raise DagsterExecutionInterruptedError

    monkeypatch.setattr(assets, "read_until_end", read)
    result = ingest(shop)
    assert not result.success and not events(result, "STEP_UP_FOR_RETRY")


def test_a_halted_topic_is_told_on_its_table_and_the_others_are_read(shop):
    LedgerProducer(shop.settings).send([page_view(1), refund(1)])
    assert ingest(shop).success
    with connect(shop.settings, Role.ADMIN) as admin:
        admin.execute("update ops.ingest_offsets set topic_id = 'another' where topic = 'shop.web'")
    LedgerProducer(shop.settings, "later").send([page_view(2), refund(1)])
    result = ingest(shop)
    assert result.success
    told = {
        event.asset_key.path[-1]: event.materialization.metadata for event in result.get_asset_materialization_events()
    }
    assert "was recreated" in told["web"]["halted"].value and "offsets accept shop.web" in told["web"]["halted"].value
    assert "halted" not in told["returns"] and told["returns"]["rows"].value == 1
    checks = {
        e.asset_key.path[-1]: e for e in result.get_asset_check_evaluations() if e.check_name == names.CHECK_NOT_HALTED
    }
    assert {subject for subject, check in checks.items() if not check.passed} == {"web"}
    assert checks["web"].severity is dg.AssetCheckSeverity.ERROR and "was recreated" in checks["web"].description
