"""Another time zone: one command rebuilds everything, also after an interruption; no build of the old zone goes on."""

from __future__ import annotations

import datetime as dt

import psycopg
import pytest

from shop_platform.errors import ShopError
from shop_platform.ingest.until_end import ingest_until_end
from shop_platform.operations import rezone
from shop_platform.operations.dbt import run_dbt, telling
from shop_platform.settings import Role
from shop_platform.warehouse.connect import connect
from shop_platform.warehouse.locks import transform_lock
from tests.support.events import LedgerProducer, page_view
from tests.support.planned import run_by_plan

# What dbt prints when it is called by hand with another zone.
BY_HAND = """\
08:10:38  Completed with 2 errors, 0 partial successes, and 0 warnings:
08:10:38
08:10:38  Failure in operation shop-on-run-start-1 (./dbt_project.yml)
08:10:38    shop.on-run-start.1 failed, error:
 SHOP_SHOP_TZ is America/Los_Angeles, but the business days of this warehouse begin at midnight of Europe/Berlin.
CONTEXT:  PL/pgSQL function ops.claim_shop_tz(text,boolean) line 8 at RAISE
"""
LATE_IN_CALIFORNIA = dt.datetime(2026, 2, 3, 4, 0, tzinfo=dt.UTC)


def test_what_the_database_said_at_the_start_of_a_run_is_told():
    assert [line for line in telling(BY_HAND.splitlines()) if "begin at midnight of Europe/Berlin" in line]
    assert telling(["all is well"]) == ["all is well"]


def test_a_warehouse_is_rebuilt_in_another_zone_by_one_command_that_may_be_interrupted(shop, monkeypatch):
    berlin, pacific = shop.settings, shop.settings.model_copy(update={"shop_tz": "America/Los_Angeles"})
    LedgerProducer(berlin).send([page_view(1, time=LATE_IN_CALIFORNIA)])
    ingest_until_end(berlin)
    run_by_plan(berlin, ["run", "--select", "+fct_events"])

    def days():
        with connect(berlin, Role.TRANSFORM) as connection:
            return [str(day) for (day,) in connection.execute("select event_date from marts.fct_events")]

    assert days() == ["2026-02-03"]
    with connect(berlin, Role.ADMIN) as admin:
        admin.execute(
            "insert into ops.retention_runs (relation, older_than, rows_removed, actor)"
            " values ('raw.web', '2025-01-01', 1, 'test')"
        )
    with pytest.raises(ShopError, match=r"raw.web before 2025-01-01.*would be lost"):
        rezone.rebuild_in_zone(pacific)

    def killed(*_, **__):
        raise ShopError("dbt run failed")

    monkeypatch.setattr(rezone, "run_dbt", killed)
    with pytest.raises(ShopError) as error:
        rezone.rebuild_in_zone(pacific, accept_lost_history=True)
    assert "shop rebuild --shop-tz America/Los_Angeles" in error.value.hint
    with pytest.raises(psycopg.errors.RaiseException, match="is being rebuilt"):
        run_by_plan(berlin, ["run", "--select", "+fct_events"])

    def part_of_it(settings, arguments, **more):
        assert arguments == ["run", "--full-refresh"]
        return run_dbt(settings, [*arguments, "--select", "+fct_events"], **more)

    monkeypatch.setattr(rezone, "run_dbt", part_of_it)
    rezone.rebuild_in_zone(pacific, accept_lost_history=True)
    assert days() == ["2026-02-02"]
    with transform_lock(pacific), pytest.raises(psycopg.errors.RaiseException, match="America/Los_Angeles"):
        run_by_plan(berlin, ["run", "--select", "+fct_events"])
